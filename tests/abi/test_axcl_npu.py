"""libaxcl_npu.so through ctypes, beside libaxcl_rt.so: the head of a real model, by both."""
import ctypes as c
import glob
import os
import tempfile
import unittest

BUILD = os.environ["AXOLLAMA_BUILD"]
MODEL = os.path.join(os.environ["AXOLLAMA_TEST_MODELS"], "smollm2", "135m")
HANDLE_ERROR = 0x80060081 - (1 << 32)
UP, DOWN = 1, 2


class Meta(c.Structure):
    _fields_ = [("name", c.c_char_p), ("shape", c.POINTER(c.c_int32)), ("dims", c.c_uint8),
                ("layout", c.c_int32), ("memory", c.c_int32), ("type", c.c_int32),
                ("extra", c.c_void_p), ("size", c.c_uint32), ("quantization", c.c_uint32),
                ("stride", c.c_void_p), ("reserved", c.c_uint64 * 9)]


class Info(c.Structure):
    _fields_ = [("inputs", c.POINTER(Meta)), ("input_count", c.c_uint32),
                ("outputs", c.POINTER(Meta)), ("output_count", c.c_uint32),
                ("max_batch", c.c_uint32), ("dynamic_batch", c.c_int32),
                ("reserved", c.c_uint64 * 11)]


class Buffer(c.Structure):
    _fields_ = [("physical", c.c_uint64), ("virtual", c.c_void_p), ("size", c.c_uint32),
                ("stride", c.c_void_p), ("stride_size", c.c_uint8), ("reserved", c.c_uint64 * 11)]


class Io(c.Structure):
    _fields_ = [("inputs", c.POINTER(Buffer)), ("input_count", c.c_uint32),
                ("outputs", c.POINTER(Buffer)), ("output_count", c.c_uint32),
                ("batch", c.c_uint32), ("setting", c.c_void_p), ("parallel", c.c_uint32),
                ("reserved", c.c_uint64 * 10)]


class Attributes(c.Structure):
    _fields_ = [("mode", c.c_int32), ("reserved", c.c_uint32 * 8)]


class DeviceList(c.Structure):
    _fields_ = [("count", c.c_uint32), ("ids", c.c_int32 * 256)]


class AxclNpu(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="axabi")
        self.addCleanup(self.folder.cleanup)
        os.environ["AXSIM_STATE"] = self.folder.name
        os.environ.pop("AXSIM_CONFIG", None)
        self.rt = c.CDLL(os.path.join(BUILD, "sim", "libaxcl_rt.so"))
        self.npu = c.CDLL(os.path.join(BUILD, "sim", "libaxcl_npu.so"))
        for name in ("AXCL_ENGINE_GetVersion", "AXCL_ENGINE_GetModelToolsVersion"):
            getattr(self.npu, name).restype = c.c_char_p
        self.call(self.rt.axclInit(None))
        self.addCleanup(self.rt.axclFinalize)
        cards = DeviceList()
        self.call(self.rt.axclrtGetDeviceList(c.byref(cards)))
        self.call(self.rt.axclrtSetDevice(cards.ids[0]))
        self.call(self.npu.AXCL_ENGINE_Init(c.byref(Attributes())))

    def call(self, code):
        self.assertEqual(code, 0, hex(code & 0xffffffff))

    def malloc(self, size):
        pointer = c.c_void_p()
        self.call(self.rt.axclrtMalloc(c.byref(pointer), c.c_size_t(size), 0))
        return pointer

    def upload(self, content):
        device = self.malloc(len(content))
        self.call(self.rt.axclrtMemcpy(device, content, c.c_size_t(len(content)), UP))
        return device

    def buffer(self, size, content=None):
        device = self.malloc(size)
        if content is not None:
            self.call(self.rt.axclrtMemcpy(device, content, c.c_size_t(size), UP))
        return Buffer(physical=device.value, size=size)

    def test_the_head_of_a_model(self):
        path = glob.glob(os.path.join(MODEL, "*_post.axmodel"))[0]
        with open(path, "rb") as file:
            content = file.read()
        device = self.upload(content)
        handle = c.c_void_p()
        self.call(self.npu.AXCL_ENGINE_CreateHandleV2(c.byref(handle), device, len(content), None))
        self.assertIn(b"0.1", self.npu.AXCL_ENGINE_GetModelToolsVersion(handle))
        self.assertIn(b"V3.10.2", self.npu.AXCL_ENGINE_GetVersion())
        info = c.POINTER(Info)()
        self.call(self.npu.AXCL_ENGINE_GetIOInfo(handle, c.byref(info)))
        (source, target) = (info.contents.inputs[0], info.contents.outputs[0])
        self.assertEqual((info.contents.input_count, info.contents.output_count), (1, 1))
        self.assertEqual((source.name, target.name), (b"input", b"output"))
        self.assertEqual(source.shape[:source.dims], [1, 1, 576])
        self.assertEqual(target.shape[:target.dims], [1, 1, 49152])
        self.assertEqual((source.size, target.size), (2 * 576, 2 * 49152))

        row = bytes([0x80, 0x3f, 0x00, 0xbf]) * (source.size // 4)  # 1, -0.5, ...
        inputs, outputs = self.buffer(source.size, row), self.buffer(target.size)
        io = Io(inputs=c.pointer(inputs), input_count=1, outputs=c.pointer(outputs), output_count=1)
        context = c.c_void_p()
        self.call(self.npu.AXCL_ENGINE_CreateContextV2(handle, c.byref(context)))
        self.call(self.npu.AXCL_ENGINE_RunSyncV2(handle, context, c.byref(io)))
        native = self.download(outputs)
        self.assertNotEqual(native, bytes(target.size))

        model, model_context = c.c_uint64(), c.c_uint64()
        table, bindings = c.c_void_p(), c.c_void_p()
        self.call(self.rt.axclrtEngineLoadFromFile(path.encode(), c.byref(model)))
        self.call(self.rt.axclrtEngineCreateContext(model, c.byref(model_context)))
        self.call(self.rt.axclrtEngineGetIOInfo(model, c.byref(table)))
        self.call(self.rt.axclrtEngineCreateIO(table, c.byref(bindings)))
        other = self.buffer(target.size)
        self.call(self.rt.axclrtEngineSetInputBufferByIndex(
            bindings, 0, c.c_void_p(inputs.physical), c.c_uint64(inputs.size)))
        self.call(self.rt.axclrtEngineSetOutputBufferByIndex(
            bindings, 0, c.c_void_p(other.physical), c.c_uint64(other.size)))
        self.call(self.rt.axclrtEngineExecute(model, model_context, 0, bindings))
        self.assertEqual(self.download(other), native)

        self.call(self.npu.AXCL_ENGINE_DestroyHandle(handle))
        self.assertEqual(self.npu.AXCL_ENGINE_DestroyHandle(handle), HANDLE_ERROR)
        self.assertEqual(self.npu.AXCL_ENGINE_RunSyncV2(handle, context, c.byref(io)), HANDLE_ERROR)

    def download(self, buffer):
        content = c.create_string_buffer(buffer.size)
        self.call(self.rt.axclrtMemcpy(content, c.c_void_p(buffer.physical),
                                       c.c_size_t(buffer.size), DOWN))
        return content.raw


if __name__ == "__main__":
    unittest.main()

// The ABI's host-local engine calls: tensor descriptions and bindings. None of them reaches the
// card, so none needs a context.
#include <algorithm>
#include <memory>
#include <vector>

#include "abi/axcl.h"
#include "sim/card/engine.h"
#include "sim/entry/call.h"

namespace {

using axsim::card::Binding;
using axsim::card::Engine;
using axsim::card::Io;
using axsim::card::IoInfo;
using axsim::container::Group;
using axsim::container::Tensor;
using axsim::entry::Address;
using axsim::entry::Pointer;

using Side = std::vector<Tensor> Group::*;
using Bindings = std::vector<Binding> Io::*;

// The tensor at `index` of a side of a group, kept by `info`; nullptr: no such one.
const Tensor* FindTensor(const IoInfo* info, Side side, uint32_t group, uint32_t index) {
  if (info == nullptr || group >= info->groups->size()) return nullptr;
  const auto& tensors = (*info->groups)[group].*side;
  return index < tensors.size() ? &tensors[index] : nullptr;
}

uint32_t Count(axclrtEngineIOInfo handle, Side side) {
  const auto info = Engine::Get().infos().Find(handle);
  return info == nullptr ? 0 : static_cast<uint32_t>((info->first().*side).size());
}

uint64_t Size(axclrtEngineIOInfo handle, Side side, uint32_t group, uint32_t index) {
  const auto info = Engine::Get().infos().Find(handle);
  const Tensor* tensor = FindTensor(info.get(), side, group, index);
  if (tensor == nullptr) return static_cast<uint32_t>(AXCL_ERR_ENGINE_INVALID_INDEX);
  return tensor->size_bytes();
}

// Valid until the info is destroyed. Names and types are those of group 0, as in the vendor's.
const char* Name(axclrtEngineIOInfo handle, Side side, uint32_t index) {
  const auto info = Engine::Get().infos().Find(handle);
  const Tensor* tensor = FindTensor(info.get(), side, 0, index);
  return tensor == nullptr ? nullptr : tensor->name.c_str();
}

int32_t IndexByName(axclrtEngineIOInfo handle, Side side, const char* name) {
  const auto info = Engine::Get().infos().Find(handle);
  if (info == nullptr || name == nullptr) return AXCL_ERR_ENGINE_NULL;
  const auto& tensors = info->first().*side;
  const auto found = std::find_if(tensors.begin(), tensors.end(),
                                  [name](const Tensor& tensor) { return tensor.name == name; });
  if (found == tensors.end()) return AXCL_ERR_ENGINE_ILLEGAL_PARAM;
  return static_cast<int32_t>(found - tensors.begin());
}

axclError Dims(axclrtEngineIOInfo handle, Side side, uint32_t group, uint32_t index,
               axclrtEngineIODims* dims) {
  if (handle == nullptr || dims == nullptr) return AXCL_ERR_ENGINE_NULL;
  const auto info = Engine::Get().infos().Find(handle);
  const Tensor* tensor = FindTensor(info.get(), side, group, index);
  if (tensor == nullptr) return AXCL_ERR_ENGINE_INVALID_INDEX;
  const size_t count = std::min<size_t>(tensor->dims.size(), AXCLRT_ENGINE_MAX_DIM_CNT);
  *dims = {};
  dims->dimCount = static_cast<int32_t>(count);
  std::copy_n(tensor->dims.begin(), count, dims->dims);
  return AXCL_SUCC;
}

axclError Type(axclrtEngineIOInfo handle, Side side, uint32_t index, axclrtEngineDataType* type) {
  if (handle == nullptr || type == nullptr) return AXCL_ERR_ENGINE_NULL;
  const auto info = Engine::Get().infos().Find(handle);
  const Tensor* tensor = FindTensor(info.get(), side, 0, index);
  if (tensor == nullptr) return AXCL_ERR_ENGINE_INVALID_INDEX;
  *type = static_cast<axclrtEngineDataType>(tensor->type);  // the same numbers
  return AXCL_SUCC;
}

axclError Layout(axclrtEngineIOInfo handle, Side side, uint32_t index,
                 axclrtEngineDataLayout* layout) {
  if (handle == nullptr || layout == nullptr) return AXCL_ERR_ENGINE_NULL;
  const auto info = Engine::Get().infos().Find(handle);
  if (FindTensor(info.get(), side, 0, index) == nullptr) return AXCL_ERR_ENGINE_INVALID_INDEX;
  *layout = AXCL_DATA_LAYOUT_NONE;  // no images
  return AXCL_SUCC;
}

axclError SetBuffer(axclrtEngineIO handle, Bindings side, uint32_t index, const void* device,
                    uint64_t size) {
  if (handle == nullptr || device == nullptr) return AXCL_ERR_ENGINE_NULL;
  const auto io = Engine::Get().ios().Find(handle);
  if (io == nullptr || index >= ((*io).*side).size() || size == 0) {
    return AXCL_ERR_ENGINE_ILLEGAL_PARAM;
  }
  ((*io).*side)[index] = {Address(device), size};
  return AXCL_SUCC;
}

axclError GetBuffer(axclrtEngineIO handle, Bindings side, uint32_t index, void** device,
                    uint64_t* size) {
  if (handle == nullptr || device == nullptr || size == nullptr) return AXCL_ERR_ENGINE_NULL;
  const auto io = Engine::Get().ios().Find(handle);
  if (io == nullptr || index >= ((*io).*side).size()) return AXCL_ERR_ENGINE_ILLEGAL_PARAM;
  const Binding& binding = ((*io).*side)[index];
  *device = Pointer(binding.address);
  *size = binding.size_bytes;
  return AXCL_SUCC;
}

}  // namespace

extern "C" {

axclError axclrtEngineDestroyIOInfo(axclrtEngineIOInfo info) {
  if (info == nullptr) return AXCL_ERR_ENGINE_NULL;
  return Engine::Get().infos().Remove(info) != nullptr ? AXCL_SUCC : AXCL_ERR_ENGINE_ILLEGAL_PARAM;
}

axclError axclrtEngineGetShapeGroupsCount(axclrtEngineIOInfo handle, int32_t* count) {
  if (handle == nullptr || count == nullptr) return AXCL_ERR_ENGINE_NULL;
  const auto info = Engine::Get().infos().Find(handle);
  if (info == nullptr) return AXCL_ERR_ENGINE_ILLEGAL_PARAM;
  *count = static_cast<int32_t>(info->groups->size());
  return AXCL_SUCC;
}

uint32_t axclrtEngineGetNumInputs(axclrtEngineIOInfo info) { return Count(info, &Group::inputs); }

uint32_t axclrtEngineGetNumOutputs(axclrtEngineIOInfo info) { return Count(info, &Group::outputs); }

uint64_t axclrtEngineGetInputSizeByIndex(axclrtEngineIOInfo info, uint32_t group, uint32_t index) {
  return Size(info, &Group::inputs, group, index);
}

uint64_t axclrtEngineGetOutputSizeByIndex(axclrtEngineIOInfo info, uint32_t group, uint32_t index) {
  return Size(info, &Group::outputs, group, index);
}

const char* axclrtEngineGetInputNameByIndex(axclrtEngineIOInfo info, uint32_t index) {
  return Name(info, &Group::inputs, index);
}

const char* axclrtEngineGetOutputNameByIndex(axclrtEngineIOInfo info, uint32_t index) {
  return Name(info, &Group::outputs, index);
}

int32_t axclrtEngineGetInputIndexByName(axclrtEngineIOInfo info, const char* name) {
  return IndexByName(info, &Group::inputs, name);
}

int32_t axclrtEngineGetOutputIndexByName(axclrtEngineIOInfo info, const char* name) {
  return IndexByName(info, &Group::outputs, name);
}

axclError axclrtEngineGetInputDims(axclrtEngineIOInfo info, uint32_t group, uint32_t index,
                                   axclrtEngineIODims* dims) {
  return Dims(info, &Group::inputs, group, index, dims);
}

axclError axclrtEngineGetOutputDims(axclrtEngineIOInfo info, uint32_t group, uint32_t index,
                                    axclrtEngineIODims* dims) {
  return Dims(info, &Group::outputs, group, index, dims);
}

axclError axclrtEngineGetInputDataType(axclrtEngineIOInfo info, uint32_t index,
                                       axclrtEngineDataType* type) {
  return Type(info, &Group::inputs, index, type);
}

axclError axclrtEngineGetOutputDataType(axclrtEngineIOInfo info, uint32_t index,
                                        axclrtEngineDataType* type) {
  return Type(info, &Group::outputs, index, type);
}

axclError axclrtEngineGetInputDataLayout(axclrtEngineIOInfo info, uint32_t index,
                                         axclrtEngineDataLayout* layout) {
  return Layout(info, &Group::inputs, index, layout);
}

axclError axclrtEngineGetOutputDataLayout(axclrtEngineIOInfo info, uint32_t index,
                                          axclrtEngineDataLayout* layout) {
  return Layout(info, &Group::outputs, index, layout);
}

axclError axclrtEngineCreateIO(axclrtEngineIOInfo handle, axclrtEngineIO* io) {
  if (handle == nullptr || io == nullptr) return AXCL_ERR_ENGINE_NULL;
  const auto info = Engine::Get().infos().Find(handle);
  if (info == nullptr) return AXCL_ERR_ENGINE_ILLEGAL_PARAM;
  auto made = std::make_shared<Io>();
  made->inputs.resize(info->first().inputs.size());
  made->outputs.resize(info->first().outputs.size());
  *io = Engine::Get().ios().Add(std::move(made));
  return AXCL_SUCC;
}

axclError axclrtEngineDestroyIO(axclrtEngineIO io) {
  if (io == nullptr) return AXCL_ERR_ENGINE_NULL;
  return Engine::Get().ios().Remove(io) != nullptr ? AXCL_SUCC : AXCL_ERR_ENGINE_ILLEGAL_PARAM;
}

axclError axclrtEngineSetInputBufferByIndex(axclrtEngineIO io, uint32_t index, const void* device,
                                            uint64_t size) {
  return SetBuffer(io, &Io::inputs, index, device, size);
}

axclError axclrtEngineSetOutputBufferByIndex(axclrtEngineIO io, uint32_t index, const void* device,
                                             uint64_t size) {
  return SetBuffer(io, &Io::outputs, index, device, size);
}

// The vendor's ByName calls compare the name with itself and so always mean index 0.
axclError axclrtEngineSetInputBufferByName(axclrtEngineIO io, const char* name, const void* device,
                                           uint64_t size) {
  if (name == nullptr) return AXCL_ERR_ENGINE_NULL;
  return SetBuffer(io, &Io::inputs, 0, device, size);
}

axclError axclrtEngineSetOutputBufferByName(axclrtEngineIO io, const char* name, const void* device,
                                            uint64_t size) {
  if (name == nullptr) return AXCL_ERR_ENGINE_NULL;
  return SetBuffer(io, &Io::outputs, 0, device, size);
}

axclError axclrtEngineGetInputBufferByIndex(axclrtEngineIO io, uint32_t index, void** device,
                                            uint64_t* size) {
  return GetBuffer(io, &Io::inputs, index, device, size);
}

axclError axclrtEngineGetOutputBufferByIndex(axclrtEngineIO io, uint32_t index, void** device,
                                             uint64_t* size) {
  return GetBuffer(io, &Io::outputs, index, device, size);
}

axclError axclrtEngineGetInputBufferByName(axclrtEngineIO io, const char* name, void** device,
                                           uint64_t* size) {
  if (name == nullptr) return AXCL_ERR_ENGINE_NULL;
  return GetBuffer(io, &Io::inputs, 0, device, size);
}

axclError axclrtEngineGetOutputBufferByName(axclrtEngineIO io, const char* name, void** device,
                                            uint64_t* size) {
  if (name == nullptr) return AXCL_ERR_ENGINE_NULL;
  return GetBuffer(io, &Io::outputs, 0, device, size);
}

axclError axclrtEngineSetDynamicBatchSize(axclrtEngineIO handle, uint32_t batch) {
  if (handle == nullptr) return AXCL_ERR_ENGINE_NULL;
  const auto io = Engine::Get().ios().Find(handle);
  if (io == nullptr) return AXCL_ERR_ENGINE_ILLEGAL_PARAM;
  io->batch = batch;
  return AXCL_SUCC;
}

}  // extern "C"

#!/usr/bin/env python3
"""Holds the simulated card's time against what was published for the real one.

    bench/published_speeds.py                    the table, as Markdown
    bench/published_speeds.py qwen3-4b --chain   one model, and axollama's own speed beside it

Each row replays the vendor's program (ax-llm) against build/sim/libaxcl_rt.so: the calls that it
makes for a token, one after the other, and for a prompt of one chunk. The models are bundles of
their geometry (axollama sim build --geometry), with a context of 2,048, since the real ones' is
seldom published. What the host does between the calls (sampling from 150,000 logits takes a Pi a
millisecond or two) is left out.

Nothing is fitted here: sim/timing/costs.h has its constants from measurements of Qwen3-0.6B, whose
rows are marked. Python's standard library only.
"""

import argparse
import ctypes
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

from published_rows import ROWS

CONTEXT = 2048
CHUNK = 128
TOKENS = 15
PROMPTS = 5
CLOSE = 0.25
TO_DEVICE, TO_HOST, WITHIN = 1, 2, 3


class Card:
    """libaxcl_rt.so, with its first card; every call must succeed."""

    def __init__(self, path, profile):
        self.library = ctypes.CDLL(path)
        config = {"profile": profile, "threads": 1, "cards": [{"id": 1, "cmm_mib": 32768}]}
        self.call("axclInit", json.dumps(config).encode())
        self.call("axclrtSetDevice", 1)
        self.call("axclrtEngineInit", 0)

    def call(self, name, *arguments):
        code = getattr(self.library, name)(*arguments)
        if code != 0:
            sys.exit(f"error: {name} failed with {code & 0xFFFFFFFF:#010x}")

    def close(self):
        self.call("axclrtResetDevice", 1)
        self.call("axclFinalize")

    def malloc(self, size):
        address = ctypes.c_void_p()
        self.call("axclrtMalloc", ctypes.byref(address), ctypes.c_size_t(size), 0)
        return address

    def copy(self, to, source, size, kind):
        self.call("axclrtMemcpy", to, source, ctypes.c_size_t(size), kind)


class Model:
    """One loaded file, with an IO per group whose buffers are given by name."""

    def __init__(self, card, path):
        self.card = card
        library = card.library
        self.id, self.context = ctypes.c_uint64(), ctypes.c_uint64()
        card.call("axclrtEngineLoadFromFile", path.encode(), ctypes.byref(self.id))
        card.call("axclrtEngineCreateContext", self.id, ctypes.byref(self.context))
        self.info = ctypes.c_void_p()
        card.call("axclrtEngineGetIOInfo", self.id, ctypes.byref(self.info))
        self.sides = {}
        for side in ("Input", "Output"):
            name_of = getattr(library, f"axclrtEngineGet{side}NameByIndex")
            name_of.restype = ctypes.c_char_p
            size_of = getattr(library, f"axclrtEngineGet{side}SizeByIndex")
            size_of.restype = ctypes.c_uint64
            count = getattr(library, f"axclrtEngineGetNum{side}s")(self.info)
            names = [name_of(self.info, i).decode() for i in range(count)]
            self.sides[side] = (names, size_of)

    def size(self, name, group=0):
        for names, size_of in self.sides.values():
            if name in names:
                return size_of(self.info, group, names.index(name))
        raise KeyError(name)

    def bind(self, group, buffers):
        io = ctypes.c_void_p()
        self.card.call("axclrtEngineCreateIO", self.info, ctypes.byref(io))
        for side, (names, size_of) in self.sides.items():
            for i, name in enumerate(names):
                size = ctypes.c_uint64(size_of(self.info, group, i))
                self.card.call(f"axclrtEngineSet{side}BufferByIndex", io, i, buffers[name], size)
        return io

    def execute(self, group, io):
        self.card.call("axclrtEngineExecute", self.id, self.context, group, io)


class Vendor:
    """ax-llm's calls. All layers share one set of buffers: the time does not depend on which."""

    def __init__(self, card, folder):
        self.card = card
        with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
            config = json.load(file)
        pattern = config["template_filename_axmodel"]
        self.post = Model(card, os.path.join(folder, config["filename_post_axmodel"]))
        self.layers = [
            Model(card, os.path.join(folder, pattern % i)) for i in range(config["axmodel_num"])
        ]
        layer = self.layers[0]
        # The first prefill group has no history; of caches the decode group's are the largest.
        self.decode, self.chunk = self.buffers(layer, 0), self.buffers(layer, 1)
        self.decode_ios = [model.bind(0, self.decode) for model in self.layers]
        self.chunk_ios = [model.bind(1, self.chunk) for model in self.layers]
        self.head = self.buffers(self.post, 0)
        self.post_io = self.post.bind(0, self.head)
        self.host = ctypes.create_string_buffer(
            max(self.post.size("output"), layer.size("input", 1), layer.size("mask", 1))
        )

    def buffers(self, model, group):
        names = model.sides["Input"][0] + model.sides["Output"][0]
        return {name: self.card.malloc(model.size(name, group)) for name in names}

    def up(self, buffer, size):
        self.card.copy(buffer, self.host, size, TO_DEVICE)

    def step(self, group, buffers, ios):
        """One pass through the layers, for a token (group 0) or a chunk; all in their order."""
        layer, copy = self.layers[0], self.card.copy
        cache = layer.size("K_cache_out", group)
        hidden = layer.size("input", group)
        if group == 0:
            self.up(buffers["input"], hidden)
        for model, io in zip(self.layers, ios):
            self.up(buffers["indices"], layer.size("indices", group))
            self.up(buffers["mask"], layer.size("mask", group))
            if group != 0:
                self.up(buffers["input"], hidden)
            model.execute(group, io)
            copy(self.decode["K_cache"], buffers["K_cache_out"], cache, WITHIN)
            copy(self.decode["V_cache"], buffers["V_cache_out"], cache, WITHIN)
            if group == 0:
                copy(buffers["input"], buffers["output"], hidden, WITHIN)
            else:
                copy(self.host, buffers["output"], hidden, TO_HOST)

    def finish(self):
        """The post model, and all of its logits down."""
        self.post.execute(0, self.post_io)
        self.card.copy(self.host, self.head["output"], self.post.size("output"), TO_HOST)

    def token(self):
        self.step(0, self.decode, self.decode_ios)
        self.finish()

    def prompt(self):
        self.step(1, self.chunk, self.chunk_ios)
        self.up(self.head["input"], self.post.size("input"))
        self.finish()


def median_s(times, work):
    """Of several: on a busy machine each reading of the clock may be late."""
    work()
    seconds = []
    for _ in range(times):
        start = time.monotonic()
        work()
        seconds.append(time.monotonic() - start)
    return statistics.median(seconds)


def run(command, env=None):
    """What it prints; ends the program with what it says if it fails."""
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"error: {command[0]} failed: {done.stderr.strip()}")
    return done.stdout


def build_geometry(program, row, folder):
    path = os.path.join(folder, f"{row.geometry}-{row.weights}")
    if not os.path.exists(path):
        command = [program, "build", "--geometry", row.geometry, path, "--weights", row.weights]
        command += ["--context", str(CONTEXT), "--prefill-len", str(CHUNK)]
        run(command)
    return path


def own_tokens_per_s(program, row, bundle, folder):
    """axollama's own chain on the same bundle; on a card that holds it."""
    config = os.path.join(folder, "card.json")
    with open(config, "w", encoding="utf-8") as file:
        json.dump({"profile": row.profile, "cards": [{"id": 1, "cmm_mib": 32768}]}, file)
    command = [program, "bench", bundle + "/", "--json", "--threads", "1", "--runs", "1"]
    command += ["--prompt-tokens", "1", "--generate", str(TOKENS + 1)]
    env = {**os.environ, "AXSIM_CONFIG": config, "AXOLLAMA_RUNTIME_DIR": folder,
           "AXOLLAMA_HOME": folder}
    return json.loads(run(command, env))["decode_tokens_per_s"]


def ratio_to(published, predicted):
    """Predicted over published; inside a published range it is 1."""
    low, high = published if isinstance(published, tuple) else (published, published)
    return predicted / min(max(predicted, low), high)


def shown(published):
    if isinstance(published, tuple):
        return f"{published[0]:g} to {published[1]:g}"
    return f"{published:g}"


class Table:
    """Printed row by row; the likely causes of what is further off follow at the end."""

    def __init__(self):
        self.close = []  # of each row that the constants do not come from
        self.causes = []
        print("| model | weights | profile | what | published | predicted | ratio | axollama |")
        print("|---|---|---|---|---|---|---|---|")

    def add(self, row, what, published, predicted, own):
        ratio = ratio_to(published, predicted)
        far = abs(ratio - 1) > CLOSE
        mark = ""
        if far:
            cause = row.causes.get(what, "not known")
            if cause not in self.causes:
                self.causes.append(cause)
            mark = f" ({self.causes.index(cause) + 1})"
        if not row.source_of_constants:
            self.close.append(not far)
        name = row.model + (", which was measured" if row.source_of_constants else "")
        print(f"| {name} | {row.weights} | {row.profile} | {what} | {shown(published)} | "
              f"{predicted:.3g} | {ratio:.2f}{mark} | {own} |", flush=True)

    def finish(self):
        print(f"\n{sum(self.close)} of {len(self.close)} figures that the constants do not come "
              f"from are within {CLOSE:.0%}.\nLikely causes of the others:\n")
        for i, cause in enumerate(self.causes):
            print(f"{i + 1}. {cause}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    parser.add_argument("models", nargs="*", help="geometries, as qwen3-4b; default: all")
    parser.add_argument("--build", default=os.path.join(root, "build"), help="the build folder")
    parser.add_argument("--chain", action="store_true",
                        help="measure axollama's own calls too (axollama bench)")
    arguments = parser.parse_args()
    rows = [row for row in ROWS if not arguments.models or row.geometry in arguments.models]
    if not rows:
        sys.exit(f"error: no such model; there are {', '.join(dict.fromkeys(r.geometry for r in ROWS))}")
    program = os.path.join(arguments.build, "axollama-sim")
    axollama = os.path.join(arguments.build, "axollama")
    library = os.path.join(arguments.build, "sim", "libaxcl_rt.so")
    for path in (program, library):
        if not os.path.exists(path):
            sys.exit(f"error: there is no {path}; scripts/build.sh makes it, --build names another")

    table = Table()
    with tempfile.TemporaryDirectory(prefix="axspeeds") as folder:
        for name in ("AXSIM_CONFIG", "AXSIM_PROFILE", "AXSIM_THREADS", "AXSIM_ISA"):
            os.environ.pop(name, None)  # they would go before what is configured here
        os.environ["AXSIM_STATE"] = os.path.join(folder, "card")
        for row in rows:
            bundle = build_geometry(program, row, folder)
            card = Card(library, row.profile)
            vendor = Vendor(card, bundle)
            speed = 1 / median_s(TOKENS, vendor.token)
            prompt_ms = median_s(PROMPTS, vendor.prompt) * 1e3 if row.ttft_ms else 0
            card.close()
            own = ""
            if arguments.chain:
                own = f"{own_tokens_per_s(axollama, row, bundle, folder):.3g}"
            table.add(row, "tokens/s", row.tokens_per_s, speed, own)
            if row.ttft_ms:
                table.add(row, "TTFT ms", row.ttft_ms, prompt_ms, "")
    table.finish()
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Writes dequantise_vectors.h: random blocks of the quantised types and what they hold.

    make_dequantise_vectors.py > dequantise_vectors.h

needs gguf and numpy; gguf 0.19 (the ggml project's own reader) says the values. With a number N
as argument it writes N random blocks of each type as one binary stream instead: type, block count,
block bytes, float32 values, for a comparison of many.
"""

import sys

import gguf
import numpy as np

TYPES = ["Q5_0", "Q5_1", "IQ4_NL", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"]
# Where the f16 scales of a block lie; any other byte may have any value.
SCALES = {"Q5_0": [0], "Q5_1": [0, 2], "IQ4_NL": [0], "Q2_K": [80, 82], "Q3_K": [108],
          "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}


def blocks(name, count, random):
    kind = gguf.GGMLQuantizationType[name]
    _, size = gguf.GGML_QUANT_SIZES[kind]
    data = random.integers(0, 256, (count, size), dtype=np.uint8)
    for at in SCALES[name]:
        scale = random.normal(0, 0.01, count).astype(np.float16)
        data[:, at:at + 2] = scale.view(np.uint8).reshape(count, 2)
    return data, gguf.quants.dequantize(data, kind).astype(np.float32)


def rows(values, form, per_line):
    texts = [form.format(int(v)) for v in values]
    return ",\n".join("    " + ", ".join(texts[i:i + per_line])
                      for i in range(0, len(texts), per_line))


def main():
    random = np.random.default_rng(7)
    if len(sys.argv) == 2:
        for name in TYPES:
            data, values = blocks(name, int(sys.argv[1]), random)
            head = np.array([gguf.GGMLQuantizationType[name], len(data)], dtype=np.uint32)
            sys.stdout.buffer.write(head.tobytes() + data.tobytes() + values.tobytes())
        return
    print("// Written by make_dequantise_vectors.py with gguf 0.19: blocks of each type, and the")
    print("// bits of their values.")
    print("#pragma once\n\n#include <cstdint>\n\nnamespace axsim::build {\n")
    print("// clang-format off")
    for name in TYPES:
        data, values = blocks(name, 1, random)
        constant = "k" + "".join(part.capitalize() for part in name.split("_"))
        print(f"inline constexpr uint8_t {constant}Block[] = {{")
        print(rows(data[0], "{}", 20) + "};")
        print(f"inline constexpr uint32_t {constant}Values[] = {{")
        print(rows(values[0].view(np.uint32), "0x{:08x}", 8) + "};")
    print("// clang-format on\n\n}  // namespace axsim::build")


if __name__ == "__main__":
    main()

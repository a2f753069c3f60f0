"""AXERA's text form of the tokenizers of random_models.py, as its public converter writes it."""

import base64

import random_models


def header(kind, special, stop, prefix):
    return (f"430 {kind}\n{len(special)} {len(stop)} {len(prefix)}\n"
            + "".join(f"{i} " for i in special + stop + prefix) + "\n")


def text_of(name):
    if random_models.MODELS[name].get("pieces"):
        names = (random_models.PIECE_CONTROL + [f"<0x{b:02X}>" for b in range(256)]
                 + random_models.PIECES)
        kinds = [3, 3, 3, 2] + [6] * 256 + [1] * len(random_models.PIECES)
        scores = [0.0] * 260 + [-float(i) for i in range(len(random_models.PIECES))]
        lines = [f"{base64.b64encode(n.replace(chr(0x2581), ' ').encode()).decode()} {s} {k}"
                 for n, s, k in zip(names, scores, kinds)]
        return header(0, [0, 1, 2, 3], [1], [2]) + "\n".join([str(len(lines)), *lines, ""])
    names = random_models.byte_letters() + random_models.CONTROL
    return header(3, [256, 257, 258, 259], [258], []) + "\n".join([f"{len(names)} 0", *names, ""])

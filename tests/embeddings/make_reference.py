#!/usr/bin/env python3
"""Makes the vectors that those of `smollm2:embed` are held against.

    make_reference.py SmolLM2-135M-Instruct.Q4_1.gguf [TEXTS.json]

needs what ../fidelity/make_reference.py needs. transformers' Llama runs in float32 on the weights
dequantised from the GGUF; a text's vector is the hidden state of its last token after the last
norm, at the length 1. Writes reference.json beside this script: [{"text", "tokens", "vector"}],
the vectors with 6 decimals. torch 2.15, transformers 5.24 and gguf 0.19 made the committed file.
"""
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "fidelity"))

from make_reference import load  # noqa: E402

import torch  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402


def main():
    gguf, tokenizer = sys.argv[1:3]
    texts = json.loads((HERE / "texts.json").read_text(encoding="utf-8"))
    model = load(gguf)
    encode = Tokenizer.from_file(tokenizer).encode
    out = []
    with torch.inference_mode():
        for text in texts:
            ids = encode(text, add_special_tokens=True).ids
            hidden = model.model(torch.tensor([ids])).last_hidden_state[0, -1]
            vector = hidden / hidden.norm()
            out.append({"text": text, "tokens": len(ids),
                        "vector": [round(v, 6) for v in vector.tolist()]})
    lines = ",\n".join(json.dumps(one, ensure_ascii=False) for one in out)
    (HERE / "reference.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")


main()

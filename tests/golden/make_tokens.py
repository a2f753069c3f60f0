#!/usr/bin/env python3
"""Writes the token ids that llama.cpp gives, which golden_test holds ours against.

    make_tokens.py SmolLM2-135M-Instruct.Q4_1.gguf

needs llama-cpp-python (0.3.36 made the committed files). Only the vocabulary is read. Written:

  tokens_smollm2.json           {"lines": [{"parsed": [ids], "plain": [ids]}, ...], "whole": {...}}
                                for each line of lines.txt without its line feed, and for the whole
                                file; special tokens in the text parsed, and not
  ../fidelity/alice.tokens.json ids of ../fidelity/alice.txt
"""

import json
import pathlib
import sys

import llama_cpp

HERE = pathlib.Path(__file__).resolve().parent


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    model = llama_cpp.Llama(sys.argv[1], vocab_only=True, verbose=False)

    def both(text):
        return {"parsed": model.tokenize(text, add_bos=True, special=True),
                "plain": model.tokenize(text, add_bos=True, special=False)}

    whole = (HERE / "lines.txt").read_bytes()
    lines = whole.split(b"\n")[:-1]
    compact = lambda value: json.dumps(value, separators=(",", ":"))
    (HERE / "tokens_smollm2.json").write_text(
        '{"lines":[\n' + ",\n".join(compact(both(line)) for line in lines)
        + '\n],\n"whole":' + compact(both(whole)) + "}\n")

    fidelity = HERE.parent / "fidelity"
    ids = both((fidelity / "alice.txt").read_bytes())["parsed"]
    (fidelity / "alice.tokens.json").write_text(compact(ids) + "\n")
    print(f"{len(lines)} lines, {len(ids)} tokens of alice.txt")


if __name__ == "__main__":
    main()

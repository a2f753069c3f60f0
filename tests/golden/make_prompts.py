#!/usr/bin/env python3
"""Writes the prompts that transformers renders, which golden_test holds ours against.

    make_prompts.py SmolLM2-135M-Instruct.Q4_1.gguf

needs transformers, gguf and jinja2 (5.24.0 and 3.1.6 made the committed file). Each entry of
conversations.jsonl is the context of one rendering; "template" names a file of templates/, and
without it the GGUF's own template is used. Written: prompts.json, one {"prompt"} or, where the
template raises, {"error"} for each conversation, in order.
"""

import json
import pathlib
import sys

import gguf
import jinja2
from transformers.utils.chat_template_utils import render_jinja_template

HERE = pathlib.Path(__file__).resolve().parent


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    reader = gguf.GGUFReader(sys.argv[1])
    own = reader.fields["tokenizer.chat_template"].contents()
    out = []
    for line in (HERE / "conversations.jsonl").read_text().splitlines():
        context = json.loads(line)
        name = context.pop("template", None)
        source = (HERE / "templates" / f"{name}.jinja").read_text() if name else own
        try:
            prompts, _ = render_jinja_template([context.pop("messages")], chat_template=source,
                                               tools=context.pop("tools", None), **context)
            out.append({"prompt": prompts[0]})
        except jinja2.TemplateError as error:
            out.append({"error": str(error)})
    lines = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in out)
    (HERE / "prompts.json").write_text(f"[\n{lines}\n]\n")
    print(f"{len(out)} prompts")


if __name__ == "__main__":
    main()

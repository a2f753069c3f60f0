"""A test model whose template knows tools and thinking, so that the small model can do both."""
import contextlib
import os
import tempfile

from harness import copy_model, link_folder

# ChatML with Hermes's tools and a switch for thinking.
TEMPLATE = """{% if tools %}<|im_start|>system
{% for tool in tools %}{{ tool.function | tojson }}
{% endfor %}Call them as <tool_call>{"name": ..., "arguments": ...}</tool_call>.<|im_end|>
{% endif %}{% for m in messages %}<|im_start|>{{ m.role }}
{{ m.content }}{% for c in m.tool_calls or [] %}<tool_call>
{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}
</tool_call>{% endfor %}<|im_end|>
{% endfor %}<|im_start|>assistant
{% if enable_thinking is defined and not enable_thinking %}<think>

</think>

{% endif %}"""
TOOL = {"type": "function", "function": {
    "name": "add", "description": "Adds numbers.", "parameters": {
        "type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"]}}}
# The small model does what was done before it.
ADDING = [message for a, b in ((3, 4), (5, 6), (7, 2), (8, 8)) for message in (
    {"role": "user", "content": f"Call add with a={a} and b={b}."},
    {"role": "assistant", "content": "", "tool_calls": [
        {"function": {"name": "add", "arguments": {"b": b, "a": a}}}]},
    {"role": "tool", "content": str(a + b), "tool_name": "add"})]
ADDING.append({"role": "user", "content": "Call add with a=1 and b=2."})
THINKING = [message for word in ("red", "blue", "green") for message in (
    {"role": "user", "content": f"Say {word}."},
    {"role": "assistant", "content": f"<think>\nI say {word}.\n</think>\n\n{word}"})]
THINKING.append({"role": "user", "content": "Say black."})


# Tokens of StarCoder for the middle of a text, each in the place of one that the model has.
INSERT_MARKS = {"<issue_start>": "<fim_prefix>", "<issue_comment>": "<fim_suffix>",
                "<issue_closed>": "<fim_middle>"}


@contextlib.contextmanager
def inserting_model():
    """A model root with `inserting:latest`, whose tokenizer has the marks of insertion."""
    with tempfile.TemporaryDirectory(prefix="axmodels", dir=link_folder()) as root:
        folder = os.path.join(root, "inserting")
        copy_model(folder)
        path = os.path.join(folder, "tokenizer.json")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        for token, mark in INSERT_MARKS.items():
            text = text.replace(f'"{token}"', f'"{mark}"')
        os.remove(path)  # a link to the test model's
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        yield root


@contextlib.contextmanager
def able_model(thinking=True):
    """A model root with `able:latest`."""
    with tempfile.TemporaryDirectory(prefix="axmodels", dir=link_folder()) as root:
        folder = os.path.join(root, "able")
        copy_model(folder)
        for name in os.listdir(folder):
            if name.startswith("chat_template"):
                os.remove(os.path.join(folder, name))
        with open(os.path.join(folder, "chat_template.jinja"), "w") as file:
            file.write(TEMPLATE if thinking else TEMPLATE.partition("{% if enable_thinking")[0])
        yield root

"""A model of two narrow layers for the simulated card: small enough to be sent about in a test."""
import array
import contextlib
import json
import os
import random
import struct
import subprocess
import tempfile

HIDDEN, LAYERS, HEADS, KV_HEADS, FFN, VOCABULARY = 64, 2, 4, 2, 128, 32768
CONFIG = {"architectures": ["LlamaForCausalLM"], "num_hidden_layers": LAYERS,
          "hidden_size": HIDDEN, "intermediate_size": FFN, "num_attention_heads": HEADS,
          "num_key_value_heads": KV_HEADS, "max_position_embeddings": 256, "rms_norm_eps": 1e-5,
          "hidden_act": "silu", "rope_theta": 1e5, "rope_scaling": None,
          "tie_word_embeddings": True, "bos_token_id": 256, "eos_token_id": 257,
          "vocab_size": VOCABULARY}
TEMPLATE = ("{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n"
            "{% endfor %}<|im_start|>assistant\n")


def byte_letters():
    """GPT-2's letter for each byte."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    letters = {byte: chr(byte) for byte in plain}
    others = (byte for byte in range(256) if byte not in letters)
    letters.update({byte: chr(0x100 + i) for i, byte in enumerate(others)})
    return letters


def tokenizer():
    letters = byte_letters()
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
                  "use_regex": True}
    added = [{"id": 256 + i, "content": text, "single_word": False, "lstrip": False,
              "rstrip": False, "normalized": False, "special": True}
             for i, text in enumerate(["<|im_start|>", "<|im_end|>"])]
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
            "normalizer": None, "pre_tokenizer": byte_level, "post_processor": None,
            "decoder": byte_level,
            "model": {"type": "BPE", "dropout": None, "unk_token": None,
                      "continuing_subword_prefix": None, "end_of_word_suffix": None,
                      "fuse_unk": False, "byte_fallback": False,
                      "vocab": {letters[byte]: byte for byte in range(256)}, "merges": []}}


def tensors():
    shapes = {"model.embed_tokens.weight": (VOCABULARY, HIDDEN), "model.norm.weight": (HIDDEN,)}
    for i in range(LAYERS):
        layer = f"model.layers.{i}."
        kv = HIDDEN // HEADS * KV_HEADS
        for name, shape in {"input_layernorm": (HIDDEN,), "post_attention_layernorm": (HIDDEN,),
                            "self_attn.q_proj": (HIDDEN, HIDDEN), "self_attn.k_proj": (kv, HIDDEN),
                            "self_attn.v_proj": (kv, HIDDEN), "self_attn.o_proj": (HIDDEN, HIDDEN),
                            "mlp.gate_proj": (FFN, HIDDEN), "mlp.up_proj": (FFN, HIDDEN),
                            "mlp.down_proj": (HIDDEN, FFN)}.items():
            shapes[f"{layer}{name}.weight"] = shape
    return shapes


def write_safetensors(path):
    """Random values: 8,191 of them, a prime number, which each tensor begins elsewhere."""
    values = random.Random(7)
    some = array.array("f", (values.gauss(0, 0.05) for _ in range(8191)))
    header, data = {}, b""
    for name, shape in tensors().items():
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        start = 97 * len(header)
        block = (some * ((start + count) // len(some) + 1))[start:start + count].tobytes()
        header[name] = {"dtype": "F32", "shape": list(shape),
                        "data_offsets": [len(data), len(data) + len(block)]}
        data += block
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def write_source(folder):
    """The model as Hugging Face has it."""
    for name, content in {"config.json": CONFIG, "tokenizer.json": tokenizer()}.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            json.dump(content, file)
    write_safetensors(os.path.join(folder, "model.safetensors"))


def build_bundle(axollama_sim, source, bundle):
    os.makedirs(source)
    write_source(source)
    subprocess.run([axollama_sim, "build", source, bundle, "--context", "256"], check=True,
                   stdin=subprocess.DEVNULL, capture_output=True)


@contextlib.contextmanager
def tiny_root(axollama_sim, name):
    """A model root with such a model called `name`, which has a chat template."""
    with tempfile.TemporaryDirectory(prefix="axtiny") as folder:
        root = os.path.join(folder, "models")
        bundle = os.path.join(root, *name.split(":"))
        os.makedirs(os.path.dirname(bundle), exist_ok=True)
        build_bundle(axollama_sim, os.path.join(folder, "source"), bundle)
        with open(os.path.join(bundle, "chat_template.jinja"), "w", encoding="utf-8") as file:
            file.write(TEMPLATE)
        yield root


def build(axollama_sim, folder):
    """Makes the bundle below `folder` and returns it as {path: bytes}."""
    bundle = os.path.join(folder, "bundle")
    build_bundle(axollama_sim, os.path.join(folder, "source"), bundle)
    files = {}
    for name in os.listdir(bundle):
        path = os.path.join(bundle, name)
        if os.path.isfile(path):
            with open(path, "rb") as file:
                files[name] = file.read()
    return files

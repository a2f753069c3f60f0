"""A GGUF file of a tiny llama model with random weights: what a client would upload."""
import array
import random
import struct

HIDDEN, FFN, VOCAB, CONTEXT = 32, 64, 9, 4096


def _text(text):
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _value(kind, raw):
    return struct.pack("<I", kind) + raw


def _uint(value):
    return _value(4, struct.pack("<I", value))


def _float(value):
    return _value(6, struct.pack("<f", value))


def _texts(values):
    return _value(9, struct.pack("<IQ", 8, len(values)) + b"".join(map(_text, values)))


def _ints(values):
    return _value(9, struct.pack(f"<IQ{len(values)}i", 5, len(values), *values))


def tiny_gguf(seed=1):
    """The bytes of the file. Another seed gives other weights."""
    keys = {
        "general.architecture": _value(8, _text("llama")),
        "general.name": _value(8, _text("Tiny")),
        "llama.block_count": _uint(2),
        "llama.context_length": _uint(CONTEXT),
        "llama.embedding_length": _uint(HIDDEN),
        "llama.feed_forward_length": _uint(FFN),
        "llama.attention.head_count": _uint(4),
        "llama.attention.head_count_kv": _uint(2),
        "llama.attention.layer_norm_rms_epsilon": _float(1e-5),
        "llama.rope.freq_base": _float(10000),
        "llama.rope.dimension_count": _uint(8),
        "tokenizer.ggml.model": _value(8, _text("gpt2")),
        "tokenizer.ggml.pre": _value(8, _text("smollm")),
        "tokenizer.ggml.tokens": _texts(["<|endoftext|>", "<|im_start|>", "<|im_end|>", "a", "b",
                                         "ab", "\u0120", "\"", "<tool>"]),
        "tokenizer.ggml.token_type": _ints([3, 3, 3, 1, 1, 1, 1, 1, 4]),
        "tokenizer.ggml.merges": _texts(["a b"]),
        "tokenizer.ggml.bos_token_id": _uint(1),
        "tokenizer.ggml.eos_token_id": _uint(2),
        "tokenizer.chat_template":
            _value(8, _text("{% for m in messages %}{{ m['content'] }}{% endfor %}")),
    }
    tensors = {"token_embd.weight": (HIDDEN, VOCAB), "output_norm.weight": (HIDDEN,)}
    for block in ("blk.0.", "blk.1."):
        tensors.update({
            block + "attn_norm.weight": (HIDDEN,), block + "ffn_norm.weight": (HIDDEN,),
            block + "attn_q.weight": (HIDDEN, 32), block + "attn_k.weight": (HIDDEN, 16),
            block + "attn_v.weight": (HIDDEN, 16), block + "attn_output.weight": (32, HIDDEN),
            block + "ffn_gate.weight": (HIDDEN, FFN), block + "ffn_up.weight": (HIDDEN, FFN),
            block + "ffn_down.weight": (FFN, HIDDEN)})
    draw = random.Random(seed)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys))
    for name, raw in keys.items():
        head += _text(name) + raw
    data = b""
    for name, dims in tensors.items():
        head += _text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, 0, len(data))
        size = dims[0] * (dims[1] if len(dims) > 1 else 1)
        data += array.array("f", [draw.uniform(-1, 1) for _ in range(size)]).tobytes()
        data += bytes(-len(data) % 32)
    return head + bytes(-len(head) % 32) + data

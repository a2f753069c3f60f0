"""Tiny models with random weights, one of each architecture that `axollama-sim build` takes.

Plain Python makes the same files from the same seed everywhere, a GGUF or a Hugging Face folder, so that the references which
make_random_references.py computed with transformers need no model files beside them.

Matrices are BF16, so a bundle with bf16 weights holds them exactly; their spread is that of a
trained model's in that logits differ by several units. The tokenizer is byte-level without merges,
so that a token is a byte of the text; Gemma's is a small SentencePiece one.
"""

import json
import math
import random
import struct

CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>"]  # after the bytes
# SentencePiece: control tokens, bytes, then these pieces, the best first. What they lack ("k", "v",
# capitals) becomes bytes.
PIECE_CONTROL = ["<pad>", "<eos>", "<bos>", "<unk>"]
PIECES = ["\u2581t", "he", "in", "er", "\u2581the", "\u2581b", "on", "ing", "an", "\u2581an",
          "\u2581and", "\u2581o", "en", "\u2581beg", "\u2581to", "in\u2581t", "ed", "red", "p",
          *"\u2581abcdefghilmnorstuwy.,"]
CONTEXT = 256
WINDOW = 96  # tokens a perplexity window

TEXT = ("Alice was beginning to get very tired of sitting by her sister on the bank, and of having "
        "nothing to do: once or twice she had peeped into the book.")

# hidden, heads, kv heads, head_dim, ffn, layers; then what the architecture needs.
MODELS = {
    "llama": dict(hidden=64, heads=4, kv_heads=2, head_dim=16, ffn=96, layers=3, theta=10000.0,
                  head=True),
    # Llama 3's RoPE factors, as llama.cpp's converter works them out.
    "llama3": dict(arch="llama", hidden=64, heads=4, kv_heads=1, head_dim=16, ffn=96, layers=3,
                   theta=500.0, pre="llama-bpe",
                   llama3=dict(factor=8.0, low=1.0, high=4.0, original=64)),
    "qwen2": dict(hidden=64, heads=4, kv_heads=2, head_dim=16, ffn=96, layers=3, theta=1e6,
                  pre="qwen2", bias=True),
    "qwen3": dict(hidden=48, heads=4, kv_heads=2, head_dim=24, ffn=96, layers=3, theta=1e6,
                  pre="qwen2", qk_norm=True),
    "gemma3": dict(hidden=48, heads=4, kv_heads=1, head_dim=16, ffn=96, layers=7, theta=1e6,
                   qk_norm=True, window=20, linear=8.0, embedding=1.5, pieces=True),
    "granite": dict(hidden=64, heads=4, kv_heads=2, head_dim=16, ffn=96, layers=3, theta=10000.0,
                    scales=dict(embedding=12.0, residual=0.22, attention=0.125, logit=3.0),
                    embedding=0.08),
    "minicpm": dict(hidden=64, heads=4, kv_heads=4, head_dim=16, ffn=96, layers=3, theta=10000.0,
                    scales=dict(embedding=12.0, residual=0.8, attention=None, logit=4.0),
                    embedding=0.2),
}


def vocab(name):
    if MODELS[name].get("pieces"):
        return len(PIECE_CONTROL) + 256 + len(PIECES)
    return 256 + len(CONTROL)


def arch(name):
    return MODELS[name].get("arch", name)


def tokens_of(name, words):
    """The ids that the program must find, the BOS that the tokenizer adds included."""
    if not MODELS[name].get("pieces"):
        return list(words.encode())
    first = len(PIECE_CONTROL)
    parts = list(words.replace(" ", "\u2581"))
    while True:  # join the neighbours that make the best piece, the leftmost of equals
        best = min((PIECES.index(a + b), i) if a + b in PIECES else (len(PIECES), 0)
                   for i, (a, b) in enumerate(zip(parts, parts[1:])))
        if best[0] == len(PIECES):
            break
        parts[best[1]:best[1] + 2] = [PIECES[best[0]]]
    ids = [PIECE_CONTROL.index("<bos>")]
    for part in parts:
        if part in PIECES:
            ids.append(first + 256 + PIECES.index(part))
        else:
            ids.extend(first + byte for byte in part.encode())
    return ids


def to_bf16(value):
    """The nearest bf16 as a float: ties to even."""
    bits = struct.unpack("<I", struct.pack("<f", value))[0]
    bits = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000
    return struct.unpack("<f", struct.pack("<I", bits))[0]


def rope_factors(m):
    """Llama 3.1: long waves are stretched, short ones kept, those between blended."""
    s = m["llama3"]
    factors = []
    for i in range(m["head_dim"] // 2):
        wave = 2 * math.pi * m["theta"] ** (2 * i / m["head_dim"])
        if wave < s["original"] / s["high"]:
            factors.append(1.0)
        elif wave > s["original"] / s["low"]:
            factors.append(s["factor"])
        else:
            smooth = (s["original"] / wave - s["low"]) / (s["high"] - s["low"])
            factors.append(1 / ((1 - smooth) / s["factor"] + smooth))
    return factors


def tensors(name):
    """name -> ([rows, cols] or [size], values), in the GGUF's order of rows."""
    m = MODELS[name]
    rng = random.Random("axollama " + name)
    out = {}

    def matrix(key, rows, cols, gain=1.0):
        spread = gain * math.sqrt(3.0 / cols)
        out[key] = ([rows, cols],
                    [to_bf16(rng.uniform(-spread, spread)) for _ in range(rows * cols)])

    def vector(key, size, low, high):
        out[key] = ([size], [to_bf16(rng.uniform(low, high)) for _ in range(size)])

    hidden, q, kv = m["hidden"], m["heads"] * m["head_dim"], m["kv_heads"] * m["head_dim"]
    # A row of the embedding, once scaled, is no larger than what the layers add, so that these
    # count; the last norm is such that logits spread by about 3.
    embedding = m.get("embedding", 3.0)
    last = 3.0 / embedding * m.get("scales", {}).get("logit", 1.0)
    matrix("token_embd.weight", vocab(name), hidden, embedding)
    vector("output_norm.weight", hidden, 0.5 * last, 1.5 * last)
    if m.get("head"):
        matrix("output.weight", vocab(name), hidden, 3.0)
    if "llama3" in m:
        out["rope_freqs.weight"] = ([m["head_dim"] // 2], rope_factors(m))
    for i in range(m["layers"]):
        block = f"blk.{i}."
        vector(block + "attn_norm.weight", hidden, 0.5, 1.5)
        matrix(block + "attn_q.weight", q, hidden, 1.5)
        matrix(block + "attn_k.weight", kv, hidden, 1.5)
        matrix(block + "attn_v.weight", kv, hidden)
        matrix(block + "attn_output.weight", hidden, q)
        vector(block + "ffn_norm.weight", hidden, 0.5, 1.5)
        matrix(block + "ffn_gate.weight", m["ffn"], hidden)
        matrix(block + "ffn_up.weight", m["ffn"], hidden)
        matrix(block + "ffn_down.weight", hidden, m["ffn"])
        if m.get("bias"):
            vector(block + "attn_q.bias", q, -1, 1)
            vector(block + "attn_k.bias", kv, -1, 1)
            vector(block + "attn_v.bias", kv, -1, 1)
        if m.get("qk_norm"):
            vector(block + "attn_q_norm.weight", m["head_dim"], 0.8, 1.8)
            vector(block + "attn_k_norm.weight", m["head_dim"], 0.8, 1.8)
        if "window" in m:
            vector(block + "post_attention_norm.weight", hidden, 0.5, 1.5)
            vector(block + "post_ffw_norm.weight", hidden, 0.5, 1.5)
    return out


def byte_letters():
    """GPT-2's letter for each byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    return [chr(b) if b in printable else chr(256 + others.index(b)) for b in range(256)]


def text(value):
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def write_gguf(name, path):
    m, a = MODELS[name], arch(name)
    values = []

    def put(key, kind, raw):
        values.append(text(key) + struct.pack("<I", kind) + raw)

    def uint(key, value):
        put(key, 4, struct.pack("<I", value))

    def real(key, value):
        put(key, 6, struct.pack("<f", value))

    put("general.architecture", 8, text(a))
    put("general.name", 8, text("random " + name))
    uint(f"{a}.block_count", m["layers"])
    uint(f"{a}.context_length", CONTEXT)
    uint(f"{a}.embedding_length", m["hidden"])
    uint(f"{a}.feed_forward_length", m["ffn"])
    uint(f"{a}.attention.head_count", m["heads"])
    uint(f"{a}.attention.head_count_kv", m["kv_heads"])
    uint(f"{a}.attention.key_length", m["head_dim"])
    uint(f"{a}.attention.value_length", m["head_dim"])
    real(f"{a}.attention.layer_norm_rms_epsilon", 1e-6)
    real(f"{a}.rope.freq_base", m["theta"])
    if "window" in m:
        uint(f"{a}.attention.sliding_window", m["window"])
    if "linear" in m:
        put(f"{a}.rope.scaling.type", 8, text("linear"))
        real(f"{a}.rope.scaling.factor", m["linear"])
    for scale, value in m.get("scales", {}).items():
        if value is not None:
            real(f"{a}.attention.scale" if scale == "attention" else f"{a}.{scale}_scale", value)
    if m.get("pieces"):
        names = PIECE_CONTROL + [f"<0x{b:02X}>" for b in range(256)] + PIECES
        kinds = [3, 3, 3, 2] + [6] * 256 + [1] * len(PIECES)
        scores = [0.0] * (len(names) - len(PIECES)) + [-float(i) for i in range(len(PIECES))]
        put("tokenizer.ggml.model", 8, text("llama"))
        put("tokenizer.ggml.scores", 9, struct.pack("<IQ", 6, len(scores)) +
            struct.pack(f"<{len(scores)}f", *scores))
        put("tokenizer.ggml.add_space_prefix", 7, b"\0")
        put("tokenizer.ggml.add_bos_token", 7, b"\1")
        uint("tokenizer.ggml.bos_token_id", PIECE_CONTROL.index("<bos>"))
        uint("tokenizer.ggml.eos_token_id", PIECE_CONTROL.index("<eos>"))
    else:
        names = byte_letters() + CONTROL
        kinds = [1] * 256 + [3] * len(CONTROL)
        put("tokenizer.ggml.model", 8, text("gpt2"))
        put("tokenizer.ggml.pre", 8, text(m.get("pre", "gpt-2")))
        put("tokenizer.ggml.merges", 9, struct.pack("<IQ", 8, 0))
        put("tokenizer.ggml.add_bos_token", 7, b"\0")
        uint("tokenizer.ggml.bos_token_id", 257)
        uint("tokenizer.ggml.eos_token_id", 258)
    put("tokenizer.ggml.tokens", 9, struct.pack("<IQ", 8, len(names)) + b"".join(map(text, names)))
    put("tokenizer.ggml.token_type", 9, struct.pack("<IQ", 5, len(kinds)) +
        struct.pack(f"<{len(kinds)}i", *kinds))

    infos, data = [], bytearray()
    for key, (shape, numbers) in tensors(name).items():
        data.extend(bytes(-len(data) % 32))
        kind = 30 if len(shape) == 2 else 0
        infos.append(text(key) + struct.pack("<I", len(shape)) +
                     struct.pack(f"<{len(shape)}Q", *reversed(shape)) +
                     struct.pack("<IQ", kind, len(data)))
        raw = struct.pack(f"<{len(numbers)}f", *numbers)
        if kind == 30:  # the upper halves of floats that are bf16 already
            upper = bytearray(len(raw) // 2)
            upper[0::2], upper[1::2] = raw[2::4], raw[3::4]
            raw = bytes(upper)
        data.extend(raw)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(infos), len(values))
    head += b"".join(values) + b"".join(infos)
    path.write_bytes(head + bytes(-len(head) % 32) + bytes(data))


HF_ARCH = {"llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM", "qwen3": "Qwen3ForCausalLM",
           "gemma3": "Gemma3ForCausalLM", "granite": "GraniteForCausalLM",
           "minicpm": "MiniCPMForCausalLM"}
HF_NAMES = {
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm", "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
}
HF_GEMMA_NAMES = {
    "ffn_norm": "pre_feedforward_layernorm", "post_attention_norm": "post_attention_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}


def hf_name(name, key):
    """A tensor's name in a Hugging Face folder; None for what config.json says there."""
    fixed = {"rope_freqs.weight": None, "token_embd.weight": "model.embed_tokens.weight",
             "output.weight": "lm_head.weight", "output_norm.weight": "model.norm.weight"}
    if key in fixed:
        return fixed[key]
    _, layer, part, suffix = key.split(".")
    names = {**HF_NAMES, **HF_GEMMA_NAMES} if arch(name) == "gemma3" else HF_NAMES
    return f"model.layers.{layer}.{names[part]}.{suffix}"


def hf_config(name):
    m, a = MODELS[name], arch(name)
    config = {
        "architectures": [HF_ARCH[a]], "num_hidden_layers": m["layers"],
        "hidden_size": m["hidden"], "intermediate_size": m["ffn"],
        "num_attention_heads": m["heads"], "num_key_value_heads": m["kv_heads"],
        "head_dim": m["head_dim"], "max_position_embeddings": CONTEXT, "rms_norm_eps": 1e-6,
        "rope_theta": m["theta"], "tie_word_embeddings": not m.get("head"),
        "vocab_size": vocab(name), "bos_token_id": 257, "eos_token_id": 258}
    if "llama3" in m:
        s = m["llama3"]
        config["rope_scaling"] = {
            "rope_type": "llama3", "factor": s["factor"], "low_freq_factor": s["low"],
            "high_freq_factor": s["high"], "original_max_position_embeddings": s["original"]}
    if a == "gemma3":
        config |= {"sliding_window": m["window"], "query_pre_attn_scalar": m["head_dim"],
                   "rope_scaling": {"rope_type": "linear", "factor": m["linear"]},
                   "bos_token_id": PIECE_CONTROL.index("<bos>"),
                   "eos_token_id": PIECE_CONTROL.index("<eos>")}
    s = m.get("scales")
    if a == "granite":
        config |= {"embedding_multiplier": s["embedding"], "residual_multiplier": s["residual"],
                   "attention_multiplier": s["attention"], "logits_scaling": s["logit"]}
    if a == "minicpm":
        config |= {"scale_emb": s["embedding"],
                   "scale_depth": s["residual"] * math.sqrt(m["layers"]),
                   "dim_model_base": m["hidden"] / s["logit"]}
    return config


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def field(number, content):
    """A protobuf field: bytes, a float, or a number."""
    if isinstance(content, bytes):
        return varint(number << 3 | 2) + varint(len(content)) + content
    if isinstance(content, float):
        return varint(number << 3 | 5) + struct.pack("<f", content)
    return varint(number << 3) + varint(content)


def sentencepiece_model():
    """tokenizer.model of the pieces above: BPE, spaces escaped, nothing before a text."""
    names = PIECE_CONTROL + [f"<0x{b:02X}>" for b in range(256)] + PIECES
    kinds = [3, 3, 3, 2] + [6] * 256 + [1] * len(PIECES)
    scores = [0.0] * (len(names) - len(PIECES)) + [-float(i) for i in range(len(PIECES))]
    pieces = b"".join(
        field(1, field(1, name.encode()) + field(2, score) + field(3, kind))
        for name, score, kind in zip(names, scores, kinds))
    bos, eos = PIECE_CONTROL.index("<bos>"), PIECE_CONTROL.index("<eos>")
    trainer = field(3, 2) + field(35, 1) + field(41, bos) + field(42, eos)
    return pieces + field(2, trainer) + field(3, field(3, 0) + field(4, 0))


def write_hf(name, folder, shards):
    """The same model as transformers would save it, in `shards` files. SentencePiece's tokenizer is
    written too; a byte-level one is the caller's."""
    m = MODELS[name]
    entries = []  # name, dtype, shape, bytes
    for key, (shape, numbers) in tensors(name).items():
        target = hf_name(name, key)
        if target is None:
            continue
        if arch(name) == "gemma3" and key.endswith("norm.weight"):
            numbers = [number - 1 for number in numbers]  # the model adds it
        raw = struct.pack(f"<{len(numbers)}f", *numbers)
        if len(shape) == 2:
            upper = bytearray(len(raw) // 2)
            upper[0::2], upper[1::2] = raw[2::4], raw[3::4]
            raw = bytes(upper)
        if ".attn_q." in key or ".attn_k." in key:
            raw = halves(name, raw, m["heads"] if ".attn_q." in key else m["kv_heads"])
        entries.append((target, "BF16" if len(shape) == 2 else "F32", shape, raw))
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(hf_config(name)))
    if m.get("pieces"):
        (folder / "tokenizer.model").write_bytes(sentencepiece_model())
    weight_map = {}
    for shard in range(shards):
        file = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        header, data = {"__metadata__": {"format": "pt"}}, b""
        for target, dtype, shape, raw in entries[shard::shards]:
            header[target] = {"dtype": dtype, "shape": shape,
                              "data_offsets": [len(data), len(data) + len(raw)]}
            weight_map[target] = file
            data += raw
        head = json.dumps(header).encode()
        (folder / (file if shards > 1 else "model.safetensors")).write_bytes(
            struct.pack("<Q", len(head)) + head + data)
    if shards > 1:
        (folder / "model.safetensors.index.json").write_text(
            json.dumps({"metadata": {}, "weight_map": weight_map}))


def halves(name, raw, heads):
    """Rows of q or k as transformers has them; GGUF interleaves RoPE's pairs for some models."""
    if arch(name) not in ("llama", "granite", "minicpm"):
        return raw
    dim = MODELS[name]["head_dim"]
    size = len(raw) // (heads * dim)
    rows = [raw[i:i + size] for i in range(0, len(raw), size)]
    return b"".join(rows[head * dim + i] for head in range(heads)
                    for i in [*range(0, dim, 2), *range(1, dim, 2)])

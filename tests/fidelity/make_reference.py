#!/usr/bin/env python3
"""Makes the reference that `axollama perplexity --dump` is held against.

    make_reference.py SmolLM2-135M-Instruct.Q4_1.gguf

needs torch, transformers, gguf and numpy. transformers' Llama runs in float32 on the weights
dequantised from the GGUF, teacher-forced on alice.txt (the first chapter of Lewis Carroll's
"Alice's Adventures in Wonderland", 1865, in the public domain; token ids: alice.tokens.json, which
../golden/make_tokens.py wrote with llama.cpp's tokenizer), in windows of 512 tokens, each from an
empty cache; a window's first token is not scored. It takes two minutes on two cores; torch 2.15,
transformers 5.24 and gguf 0.19 made the committed files. Written beside this script:

  reference.jsonl     one line per scored token, {"id","logprob","top":[[id,logprob] x 12]},
                      natural logarithms, ties to the lowest id, 4 decimals
  emulations.json     the same model with our number formats emulated in float32, so that a bound
                      can say how much of a difference the formats explain:
    bf16  weights rounded to bf16; embedding, hidden state between layers, K (after RoPE), V and
          logits rounded to bf16
    s8    layer matrices and head as int8 with one scale per output channel (max |w| / 127), the
          same bf16 boundaries; norms and activations stay float32
    s4    layer matrices in 4-bit codes with a factor per 32 columns and a scale per row
          (docs/decisions/s4-weights.md), the head as in s8, the same bf16 boundaries
"""

import json
import math
import pathlib
import sys

import gguf
import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.models.llama import modeling_llama

HERE = pathlib.Path(__file__).resolve().parent
WINDOW = 512
TOP = 12

NAMES = {
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}


def unpermute(w, heads):
    """GGUF stores Q and K rows interleaved for ggml's RoPE; transformers wants halves."""
    rows, cols = w.shape
    return w.reshape(heads, rows // heads // 2, 2, cols).swapaxes(1, 2).reshape(rows, cols)


def load(path):
    reader = gguf.GGUFReader(path)
    key = lambda name: reader.fields[f"llama.{name}"].contents()
    heads, kv_heads = key("attention.head_count"), key("attention.head_count_kv")
    config = LlamaConfig(
        vocab_size=key("vocab_size"), hidden_size=key("embedding_length"),
        intermediate_size=key("feed_forward_length"), num_hidden_layers=key("block_count"),
        num_attention_heads=heads, num_key_value_heads=kv_heads,
        max_position_embeddings=key("context_length"),
        rms_norm_eps=key("attention.layer_norm_rms_epsilon"),
        rope_parameters={"rope_type": "default", "rope_theta": key("rope.freq_base")},
        tie_word_embeddings=False, attn_implementation="eager")
    state = {}
    for t in reader.tensors:
        w = gguf.quants.dequantize(t.data, t.tensor_type).astype(np.float32)
        if t.name == "token_embd.weight":
            state["model.embed_tokens.weight"] = w
            state["lm_head.weight"] = w.copy()  # tied
        elif t.name == "output_norm.weight":
            state["model.norm.weight"] = w
        else:
            _, layer, part, _ = t.name.split(".")
            if part in ("attn_q", "attn_k"):
                w = unpermute(w, heads if part == "attn_q" else kv_heads)
            state[f"model.layers.{layer}.{NAMES[part]}.weight"] = w
    model = LlamaForCausalLM(config).eval()
    model.load_state_dict({k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in state.items()})
    assert abs(model.model.rotary_emb.inv_freq[1].item()
               - key("rope.freq_base") ** (-2 / (config.hidden_size // heads))) < 1e-6
    return model


def bf16(x):
    return x.to(torch.bfloat16).to(torch.float32)


def s8_rows(w):
    scale = w.abs().amax(dim=1, keepdim=True) / 127
    return torch.round(w / scale).clamp(-127, 127) * scale


def s4_rows(w):
    groups = w.reshape(len(w), -1, 32)
    scale = w.abs().amax(dim=1)[:, None, None] / (7.5 * 16)
    least, best = None, None
    for factor in range(1, 17):
        codes = torch.round(groups / (scale * factor)).clamp(-8, 7) * factor
        error = ((codes * scale - groups) ** 2).sum(dim=2, keepdim=True)
        best = codes if least is None else torch.where(error < least, codes, best)
        least = error if least is None else torch.minimum(error, least)
    fitted = (best * groups).sum(dim=(1, 2)) / (best * best).sum(dim=(1, 2))
    return (best * fitted[:, None, None]).reshape(w.shape)


def emulate(model, weights):
    """Rounds the weights of `model` in place and puts bf16 at every tensor that crosses a border."""
    model.model.embed_tokens.weight.data = bf16(model.model.embed_tokens.weight.data)
    convert = {"bf16": bf16, "s8": s8_rows, "s4": s4_rows}[weights]
    for m in model.modules():
        if isinstance(m, torch.nn.Linear):
            head = weights == "s4" and m is model.lm_head
            m.weight.data = (s8_rows if head else convert)(m.weight.data)
    for layer in model.model.layers:
        layer.register_forward_hook(lambda _m, _a, out: bf16(out))
        layer.self_attn.v_proj.register_forward_hook(lambda _m, _a, out: bf16(out))
    model.lm_head.register_forward_hook(lambda _m, _a, out: bf16(out))
    plain = modeling_llama.apply_rotary_pos_emb

    def rope(q, k, *args, **kwargs):
        q, k = plain(q, k, *args, **kwargs)
        return q, bf16(k)

    modeling_llama.apply_rotary_pos_emb = rope


@torch.no_grad()
def logprobs(model, ids):
    """[scored tokens, vocab] as float64 rows, window by window."""
    for start in range(0, len(ids), WINDOW):
        window = ids[start:start + WINDOW]
        if len(window) < 2:
            break
        logits = model(torch.tensor([window])).logits[0, :-1].double()
        yield torch.log_softmax(logits, dim=-1), window[1:]


def ranked(row):
    """The TOP best of one row: descending, ties to the lowest id."""
    values, order = torch.sort(row, descending=True, stable=True)
    return [(int(i), float(v)) for v, i in zip(values[:TOP], order[:TOP])]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    torch.set_num_threads(2)
    ids = json.loads((HERE / "alice.tokens.json").read_text())

    reference, loss = [], 0.0
    with open(HERE / "reference.jsonl", "w") as out:
        for rows, targets in logprobs(load(sys.argv[1]), ids):
            for row, token in zip(rows, targets):
                top = ranked(row)
                reference.append((token, float(row[token]), top))
                loss -= float(row[token])
                line = {"id": token, "logprob": round(float(row[token]), 4),
                        "top": [[i, round(v, 4)] for i, v in top]}
                out.write(json.dumps(line, separators=(",", ":")) + "\n")
    perplexity = math.exp(loss / len(reference))
    summary = {"tokens": len(reference), "window": WINDOW, "perplexity": round(perplexity, 4)}

    plain = modeling_llama.apply_rotary_pos_emb
    for weights in ("bf16", "s8", "s4"):
        model = load(sys.argv[1])
        emulate(model, weights)
        loss = agree = kl = kl_common = 0.0
        position = 0
        for rows, targets in logprobs(model, ids):
            for row, token in zip(rows, targets):
                top = reference[position][2]
                mine = {i for i, _ in ranked(row)}
                loss -= float(row[token])
                agree += ranked(row)[0][0] == top[0][0]
                kl += divergence([(p, float(row[i])) for i, p in top])
                kl_common += divergence([(p, float(row[i])) for i, p in top if i in mine])
                position += 1
        modeling_llama.apply_rotary_pos_emb = plain
        summary[weights] = {
            "perplexity_ratio": round(math.exp(loss / position) / perplexity, 5),
            "top1": round(agree / position, 4),
            "mean_kl": round(kl / position, 6),
            # What compare.py can see, since a dump holds only its own 12 best.
            "mean_kl_common": round(kl_common / position, 6)}
    text = json.dumps(summary, indent=1) + "\n"
    (HERE / "emulations.json").write_text(text)
    print(text)


def divergence(pairs):
    """KL of log-probability pairs (reference, other) plus one class for everything else."""
    p_rest = 1.0 - sum(math.exp(p) for p, _ in pairs)
    q_rest = 1.0 - sum(math.exp(q) for _, q in pairs)
    kl = sum(math.exp(p) * (p - q) for p, q in pairs)
    if p_rest > 1e-12:
        kl += p_rest * math.log(p_rest / max(q_rest, 1e-12))
    return kl


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Computes random_references.json: what transformers makes of the models of random_models.py.

    make_random_references.py

needs torch and transformers (2.15 and 5.24 made the committed file). Each model runs in float32
with eager attention, teacher-forced on TEXT in windows of WINDOW tokens, each from an empty cache.
For every scored token there are its log-probability and the three best of the vocabulary.

MiniCPM's code is not part of transformers; its numbers are Granite's with other scales (both scale
the embedding, each branch and the logits), and so is the model here.

Each model then runs once more with the card's bf16 emulated: embedding, hidden state between
layers, K (after RoPE), V and logits are rounded. How far that moves the numbers above ("rms",
"worst") is the scale that the test's bounds are set by.

Last, greedy answers ("prompt", "answer"): of many prompts, the one whose answer has the most
different tokens, each of which is ahead of the second best by more than rounding can move.
"""

import json
import math
import pathlib
import sys

import torch
import transformers

import random_models

ANSWER = 32  # tokens
AHEAD = 0.15  # several times the rms of what rounding does


def halves(w, heads):
    """GGUF interleaves the pairs of RoPE for these architectures; transformers wants halves."""
    pairs = w.reshape(heads, w.shape[0] // heads // 2, 2, *w.shape[1:])
    return pairs.swapaxes(1, 2).reshape(w.shape)


def make(name):
    m, a = random_models.MODELS[name], random_models.arch(name)
    common = dict(
        vocab_size=random_models.vocab(name), hidden_size=m["hidden"], intermediate_size=m["ffn"],
        num_hidden_layers=m["layers"], num_attention_heads=m["heads"],
        num_key_value_heads=m["kv_heads"], head_dim=m["head_dim"], rms_norm_eps=1e-6,
        max_position_embeddings=random_models.CONTEXT, tie_word_embeddings=not m.get("head"),
        attn_implementation="eager", pad_token_id=None, bos_token_id=257, eos_token_id=258)
    rope = {"rope_type": "default", "rope_theta": m["theta"]}
    if a == "llama":
        if "llama3" in m:
            s = m["llama3"]
            rope = {"rope_type": "llama3", "rope_theta": m["theta"], "factor": s["factor"],
                    "low_freq_factor": s["low"], "high_freq_factor": s["high"],
                    "original_max_position_embeddings": s["original"]}
        kind, config = "Llama", transformers.LlamaConfig(rope_parameters=rope, **common)
    elif a == "qwen2":
        common.pop("head_dim")
        kind, config = "Qwen2", transformers.Qwen2Config(rope_parameters=rope, **common)
    elif a == "qwen3":
        kind, config = "Qwen3", transformers.Qwen3Config(rope_parameters=rope, **common)
    elif a == "gemma3":
        kind, config = "Gemma3", transformers.Gemma3TextConfig(
            query_pre_attn_scalar=m["head_dim"], sliding_window=m["window"],
            rope_parameters={
                "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
                "full_attention": {"rope_type": "linear", "rope_theta": m["theta"],
                                   "factor": m["linear"]}}, **common)
    else:
        s = m["scales"]
        common.pop("head_dim")
        kind, config = "Granite", transformers.GraniteConfig(
            rope_parameters=rope, embedding_multiplier=s["embedding"],
            residual_multiplier=s["residual"], logits_scaling=s["logit"],
            attention_multiplier=s["attention"] or m["head_dim"] ** -0.5, **common)
    model = getattr(transformers, kind + "ForCausalLM")(config).eval()

    state, gemma = {}, a == "gemma3"
    for key, (shape, values) in random_models.tensors(name).items():
        w = torch.tensor(values, dtype=torch.float32).reshape(shape)
        if gemma and key.endswith("norm.weight"):
            w = w - 1  # the converter adds it
        if key == "rope_freqs.weight":
            continue
        part = key.split(".")[-2]
        if part in ("attn_q", "attn_k") and a in ("llama", "granite", "minicpm"):
            w = halves(w, m["heads"] if part == "attn_q" else m["kv_heads"])
        state[random_models.hf_name(name, key)] = w
    state.setdefault("lm_head.weight", state["model.embed_tokens.weight"])
    model.load_state_dict(state, strict=True)
    return model


def bf16(x):
    return x.to(torch.bfloat16).to(torch.float32)


def emulate(model):
    """Puts bf16 at every tensor that crosses a border, and returns a call that undoes what is not
    the model's own."""
    # The embedding is rounded after it was scaled: that is what the bundle holds.
    model.model.layers[0].register_forward_pre_hook(lambda _m, args: (bf16(args[0]), *args[1:]))
    for layer in model.model.layers:
        layer.register_forward_hook(lambda _m, _a, out: bf16(out))
        layer.self_attn.v_proj.register_forward_hook(lambda _m, _a, out: bf16(out))
    module = sys.modules[type(model).__module__]
    plain = module.apply_rotary_pos_emb

    def rope(q, k, *args, **kwargs):
        q, k = plain(q, k, *args, **kwargs)
        return q, bf16(k)

    module.apply_rotary_pos_emb = rope
    return lambda: setattr(module, "apply_rotary_pos_emb", plain)


def predictions(model, ids, rounded=lambda logits: logits):
    """A row of log-probabilities over the vocabulary, and the token that came, for each one."""
    for start in range(0, len(ids), random_models.WINDOW):
        window = ids[start:start + random_models.WINDOW]
        logits = rounded(model(torch.tensor([window])).logits[0, :-1])
        yield from zip(torch.log_softmax(logits.double(), dim=-1), window[1:])


def greedy(model, ids):
    """Prompts are ids with any one token of the vocabulary behind; all are answered at once."""
    count = model.config.vocab_size
    prompts = torch.cat([torch.tensor(ids).repeat(count, 1), torch.arange(count)[:, None]], dim=1)
    out, answers, gaps, cache = model(prompts, use_cache=True), [], [], None
    for _ in range(ANSWER):
        best, order = torch.sort(out.logits[:, -1], descending=True, stable=True)
        answers.append(order[:, 0])
        gaps.append(best[:, 0] - best[:, 1])
        cache = out.cache
        out = model(order[:, :1], cache=cache, use_cache=True)
    closest = torch.stack(gaps).amin(dim=0)
    answers = torch.stack(answers)
    variety = torch.tensor([len(set(answer)) for answer in answers.T.tolist()])
    chosen = int(torch.where(closest > AHEAD, variety, 0).argmax())
    return prompts[chosen].tolist(), answers[:, chosen].tolist(), float(closest[chosen])


@torch.no_grad()
def main():
    torch.set_num_threads(1)
    out = {}
    for name in random_models.MODELS:
        ids = random_models.tokens_of(name, random_models.TEXT)
        model, lines, differences = make(name), [], []
        for row, token in predictions(model, ids):
            best, order = torch.sort(row, descending=True, stable=True)
            lines.append([token, round(float(row[token]), 4),
                          [[int(i), round(float(v), 4)] for i, v in zip(order[:3], best[:3])]])
        prompt, answer, gap = greedy(model, ids[:40])
        undo = emulate(model)
        for (row, _), (token, logprob, best) in zip(predictions(model, ids, bf16), lines):
            differences.append(float(row[token]) - logprob)
            differences.extend(float(row[i]) - value for i, value in best)
        undo()
        out[name] = {"rms": round(math.sqrt(sum(d * d for d in differences) / len(differences)), 4),
                     "worst": round(max(abs(d) for d in differences), 4),
                     "prompt": prompt, "answer": answer, "tokens": lines}
        ahead = sum(line[2][0][1] - line[2][1][1] for line in lines) / len(lines)
        print(f"{name}: {len(lines)} tokens, best ahead of the second by {ahead:.2f} on average, "
              f"emulated bf16: rms {out[name]['rms']}, worst {out[name]['worst']}, "
              f"answer {answer} ahead by {gap:.2f}")
    target = pathlib.Path(__file__).resolve().parent / "random_references.json"
    target.write_text("{\n" + ",\n".join(
        f'{json.dumps(name)}: {{"rms": {one["rms"]}, "worst": {one["worst"]},\n'
        f'"prompt": {one["prompt"]},\n"answer": {one["answer"]},\n"tokens": [\n' +
        ",\n".join(json.dumps(line, separators=(",", ":")) for line in one["tokens"]) + "]}"
        for name, one in out.items()) + "\n}\n")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Makes the reference that ../gemma.sh holds Gemma-3-270M against, as ../make_reference.py does for
SmolLM2.

    make_reference.py gemma-3-270m-q4_k_m.gguf

needs torch, transformers, gguf, numpy and llama-cpp-python (2.15, 5.24, 0.19, 2.4 and 0.3.36 made
the committed files). transformers' Gemma3 runs in float32 on the weights dequantised from the GGUF,
teacher-forced on ../alice.txt in windows of 700 tokens, longer than the model's sliding window of
512. Written beside this script:

  alice.tokens.json  the ids, from llama.cpp's tokenizer
  reference.jsonl    as ../reference.jsonl, with the 5 best tokens, and with the log-probabilities of
                     the emulations, "bf16" and "s8": the card is held against them token by token
  emulations.json    the same model with our number formats emulated in float32 (bf16 at the card's
                     borders; weights bf16, or s8 per row with the head in s8 too), and "bounds": 1.5
                     times what the emulation costs, which is how far the card may be off
"""

import copy
import json
import math
import pathlib
import sys

import gguf
import llama_cpp
import numpy as np
import torch
import transformers

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

# pylint: disable=wrong-import-position
import make_random_references as random_references
import make_reference as smollm2
import random_models

WINDOW = 700  # gemma.sh too
BEST = 5
SLACK = 1.5


def load(path):
    reader = gguf.GGUFReader(path)
    key = lambda name: reader.fields[f"gemma3.{name}"].contents()
    tensors = {t.name: torch.from_numpy(np.ascontiguousarray(
        gguf.quants.dequantize(t.data, t.tensor_type).astype(np.float32))) for t in reader.tensors}
    vocab, hidden = tensors["token_embd.weight"].shape
    config = transformers.Gemma3TextConfig(
        vocab_size=vocab, hidden_size=hidden, intermediate_size=key("feed_forward_length"),
        num_hidden_layers=key("block_count"), num_attention_heads=key("attention.head_count"),
        num_key_value_heads=key("attention.head_count_kv"), head_dim=key("attention.key_length"),
        query_pre_attn_scalar=key("attention.key_length"),
        rms_norm_eps=key("attention.layer_norm_rms_epsilon"),
        sliding_window=key("attention.sliding_window"),
        max_position_embeddings=key("context_length"), tie_word_embeddings=False,
        attn_implementation="eager",
        rope_parameters={
            "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
            "full_attention": {"rope_type": "default", "rope_theta": key("rope.freq_base")}})
    model = transformers.Gemma3ForCausalLM(config).eval()
    random_models.MODELS["gemma"] = {"arch": "gemma3"}
    state = {}
    for name, w in tensors.items():
        # The converter has added 1 to the norms.
        state[random_models.hf_name("gemma", name)] = w - 1 if name.endswith("norm.weight") else w
    state["lm_head.weight"] = state["model.embed_tokens.weight"].clone()
    model.load_state_dict(state)
    return model


def ranked(row):
    """smollm2.ranked, without sorting the whole of a large vocabulary."""
    values, order = torch.topk(row, 2 * smollm2.TOP)
    pairs = sorted(zip(values.tolist(), order.tolist()), key=lambda pair: (-pair[0], pair[1]))
    return [(i, v) for v, i in pairs[:smollm2.TOP]]


def rows_of(model, ids, rounded):
    """(row of log-probabilities, token that came), some rows at a time: the vocabulary is large."""
    for start in range(0, len(ids), WINDOW):
        window = ids[start:start + WINDOW]
        if len(window) < 2:
            break
        hidden = model.model(torch.tensor([window])).last_hidden_state[0, :-1]
        for first in range(0, len(hidden), 64):
            logits = rounded(model.lm_head(hidden[first:first + 64]))
            yield from zip(torch.log_softmax(logits.double(), dim=-1),
                           window[1 + first:1 + first + 64])


@torch.no_grad()
def emulated(model, ids, reference, weights):
    """Changes `model`. The log-probabilities of the tokens that came, and what the formats cost."""
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            round_weights = smollm2.s8_rows if weights == "s8" else smollm2.bf16
            module.weight.data = round_weights(module.weight.data)
    undo = random_references.emulate(model)
    logprobs, agree, kl, count = [], 0, 0.0, len(reference)
    for (row, token), (_, top) in zip(rows_of(model, ids, smollm2.bf16), reference):
        mine = ranked(row)
        named = {i for i, _ in mine}
        logprobs.append(float(row[token]))
        agree += mine[0][0] == top[0][0]
        kl += smollm2.divergence([(p, float(row[i])) for i, p in top if i in named])
    undo()
    shifts = [logprob - mine for (logprob, _), mine in zip(reference, logprobs)]
    shift = sum(shifts) / count
    error = math.sqrt(sum((s - shift) ** 2 for s in shifts)) / count
    rms = math.sqrt(sum(s * s for s in shifts) / count)
    ratio, top1, kl = math.exp(shift), agree / count, kl / count
    return logprobs, {
        "perplexity_ratio": round(ratio, 5), "perplexity_error": round(error, 5),
        "top1": round(top1, 4), "mean_kl_common": round(kl, 6),
        "rms": round(rms, 4),
        "bounds": {"perplexity": round(SLACK * abs(ratio - 1), 5),
                   "top1": round(1 - SLACK * (1 - top1), 4), "kl": round(SLACK * kl, 6),
                   "rms": round(SLACK * rms, 4)}}


@torch.no_grad()
def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    torch.set_num_threads(1)
    words = llama_cpp.Llama(sys.argv[1], vocab_only=True, verbose=False)
    text = (HERE.parent / "alice.txt").read_bytes()
    ids = words.tokenize(text, add_bos=True, special=True)
    (HERE / "alice.tokens.json").write_text(json.dumps(ids, separators=(",", ":")) + "\n")

    model = load(sys.argv[1])
    reference, lines = [], []
    for row, token in rows_of(model, ids, lambda logits: logits):
        top = ranked(row)[:BEST]
        reference.append((float(row[token]), top))
        lines.append({"id": token, "logprob": round(float(row[token]), 4),
                      "top": [[i, round(v, 4)] for i, v in top]})
    loss = -sum(logprob for logprob, _ in reference)
    summary = {"tokens": len(reference), "window": WINDOW,
               "perplexity": round(math.exp(loss / len(reference)), 4)}
    for weights, mine in (("bf16", copy.deepcopy(model)), ("s8", model)):
        logprobs, summary[weights] = emulated(mine, ids, reference, weights)
        for line, logprob in zip(lines, logprobs):
            line[weights] = round(logprob, 4)
    (HERE / "reference.jsonl").write_text(
        "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))
    text = json.dumps(summary, indent=1) + "\n"
    (HERE / "emulations.json").write_text(text)
    print(text)


if __name__ == "__main__":
    main()

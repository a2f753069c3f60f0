#!/usr/bin/env python3
"""Holds a dump of `axollama perplexity --dump` against the float32 reference.

    compare.py REFERENCE.jsonl DUMP.jsonl s8|s4|bf16 [EMULATIONS.json]

Prints perplexity, top-1 agreement and mean KL, and ends with 1 when a bound is broken. The bounds
are those that EMULATIONS.json names. Those of emulations.json (beside this script), which is taken
without the argument, are absolute, and top-1 agreement may also be at most 0.01 below what the file
gives for the same number formats in float32.

A reference may have the emulation's log-probability of each token too ("bf16", "s8"). Then the
perplexity's bound is widened by twice the standard error of the mean difference between dump and
emulation, token by token: a mean of so many roundings is not known better. What the roundings do
without regard to their sign, the root of the mean square by which a token's log-probability moves,
is known well; EMULATIONS.json may bound it as "rms".

KL is taken over the reference's best tokens (12, or as many as it has) plus one class for all
others. A dump names only its own 12 best, so a token that it does not name is counted into the
class of the others: that can only lower the sum, on the emulations by less than two hundredths of
it.
"""

import json
import math
import pathlib
import sys

# format: perplexity within this fraction, top-1 agreement at least, mean KL at most
# (s4: 1.5 times what the emulation costs)
BOUNDS = {"bf16": (0.005, 0.96, 0.0015), "s8": (0.010, 0.935, 0.008), "s4": (0.288, 0.65, 0.240)}
BELOW_EMULATION = 0.01


def read(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def divergence(reference, dump):
    """KL(reference || dump) of two lists of [id, logprob]."""
    others = dict(dump)
    pairs = [(p, others[i]) for i, p in reference if i in others]
    p_rest = 1.0 - sum(math.exp(p) for p, _ in pairs)
    q_rest = 1.0 - sum(math.exp(q) for _, q in pairs)
    kl = sum(math.exp(p) * (p - q) for p, q in pairs)
    if p_rest > 1e-9:  # below that it is what rounding to 4 decimals leaves
        kl += p_rest * math.log(p_rest / max(q_rest, 1e-9))
    return kl


def beyond(reference, dump, weights):
    """What the dump loses beyond the emulation, by token: (mean, standard error) in nats; none when
    the reference does not have the emulation."""
    if weights not in reference[0]:
        return None
    losses = [a[weights] - b["logprob"] for a, b in zip(reference, dump)]
    mean = sum(losses) / len(losses)
    return mean, math.sqrt(sum((x - mean) ** 2 for x in losses)) / len(losses)


def measure(reference, dump, weights):
    if len(reference) != len(dump):
        raise ValueError(f"the dump has {len(dump)} tokens, the reference {len(reference)}: "
                         "was it made with the reference's --window and text?")
    for n, (a, b) in enumerate(zip(reference, dump), 1):
        if a["id"] != b["id"]:
            raise ValueError(f"line {n}: token {b['id']}, but the reference has {a['id']}: "
                             "the tokenizer or the text differs")
        if len(b["top"]) != 12:
            raise ValueError(f"line {n}: \"top\" has {len(b['top'])} entries instead of 12")
        values = [p for _, p in b["top"]]
        if values != sorted(values, reverse=True):
            raise ValueError(f"line {n}: \"top\" is not sorted, the best first")
    n = len(reference)
    mean = lambda rows: sum(r["logprob"] for r in rows) / n
    return {
        "tokens": n,
        "perplexity": math.exp(-mean(dump)),
        "reference": math.exp(-mean(reference)),
        "ratio": math.exp(mean(reference) - mean(dump)),
        "top1": sum(a["top"][0][0] == b["top"][0][0] for a, b in zip(reference, dump)) / n,
        "kl": sum(divergence(a["top"], b["top"]) for a, b in zip(reference, dump)) / n,
        "rms": math.sqrt(
            sum((a["logprob"] - b["logprob"]) ** 2 for a, b in zip(reference, dump)) / n),
        "beyond": beyond(reference, dump, weights),
    }


def check(found, weights, emulation):
    """The bounds that `found` breaks, in words."""
    if "bounds" in emulation:
        ppl, top1, kl, rms = (emulation["bounds"][key]
                              for key in ("perplexity", "top1", "kl", "rms"))
    else:
        ppl, top1, kl = BOUNDS[weights]
        rms = math.inf
        top1 = max(top1, emulation["top1"] - BELOW_EMULATION)
    if found["beyond"]:
        ppl += 2 * found["beyond"][1]
    broken = []
    if not abs(found["ratio"] - 1) <= ppl:
        broken.append(f"perplexity is off by {found['ratio'] - 1:+.3%}, at most {ppl:.2%} may be")
    if not found["top1"] >= top1:
        broken.append(f"top-1 agreement is {found['top1']:.4f}, at least {top1:.4f} must be")
    if not found["kl"] <= kl:
        broken.append(f"mean KL is {found['kl']:.6f}, at most {kl} may be")
    if not found["rms"] <= rms:
        broken.append(f"a token's log-probability is off by {found['rms']:.4f} (root of the mean "
                      f"square), at most {rms} may be")
    return broken


def main(arguments):
    if len(arguments) not in (3, 4) or arguments[2] not in BOUNDS:
        print(__doc__, file=sys.stderr)
        return 2
    weights = arguments[2]
    emulations = pathlib.Path(__file__).resolve().parent / "emulations.json"
    if len(arguments) == 4:
        emulations = pathlib.Path(arguments[3])
    emulation = json.loads(emulations.read_text())[weights]
    try:
        found = measure(read(arguments[0]), read(arguments[1]), weights)
    except (ValueError, KeyError, IndexError, TypeError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{weights}: {found['tokens']} tokens; perplexity {found['perplexity']:.4f} against "
          f"{found['reference']:.4f} ({found['ratio'] - 1:+.3%}, emulation "
          f"{emulation['perplexity_ratio'] - 1:+.3%}); top-1 {found['top1']:.4f} (emulation "
          f"{emulation['top1']:.4f}); mean KL {found['kl']:.6f} (emulation "
          f"{emulation['mean_kl_common']:.6f})")
    if found["beyond"]:
        mean, error = found["beyond"]
        print(f"{weights}: beyond the emulation {mean:+.3%} of perplexity, standard error "
              f"{error:.3%}; log-probabilities off by {found['rms']:.4f} (emulation "
              f"{emulation['rms']:.4f})")
    broken = check(found, weights, emulation)
    for line in broken:
        print(f"error: {line}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

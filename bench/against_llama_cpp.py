#!/usr/bin/env python3
"""Compares axollama's speed with llama.cpp's, in one run, as ratios.

    bench/against_llama_cpp.py smollm2:135m --gguf MODEL.gguf --peer-python VENV/bin/python

The peer is llama_decode itself, through llama-cpp-python's low-level API (its high-level API and
other bindings cost milliseconds a token), on a form of the same model with the same weight width:
llama.cpp's own quantiser makes it from --gguf. Both are measured in turn, --rounds times, so that
whatever else the machine does hits both; medians are compared. The peer is measured with each
number of threads and its best one counts, for prefill and for decode alone.

With --folder, the bundle's folder, the line of `axollama sim probe` follows: what this machine's
memory and multipliers give at best, in the same minutes. Where memory allows less than 1.2 times
the decode speed that --decode-goal asks for, it says so, and the share of the read speed counts.

Needs llama-cpp-python in the Python named by --peer-python (built from source for this CPU).
"""

import argparse
import ctypes
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

FILE_TYPES = {"q8_0": 7, "q4_0": 2, "q4_1": 3, "f16": 1, "bf16": 32}


def peer_quantize(source, target, file_type):
    import llama_cpp

    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = FILE_TYPES[file_type]
    params.allow_requantize = True
    status = llama_cpp.llama_model_quantize(
        source.encode(), target.encode(), ctypes.byref(params)
    )
    if status != 0:
        sys.exit(f"error: llama.cpp cannot make {file_type} of {source}")


def peer_measure(path, threads, prompt_tokens, generate):
    """Tokens per second of one prefill and of one greedy decode; the decode on a cache of one."""
    import llama_cpp as lc
    import numpy

    lc.llama_backend_init()
    model = lc.llama_model_load_from_file(path.encode(), lc.llama_model_default_params())
    if not model:
        sys.exit(f"error: llama.cpp cannot load {path}")
    params = lc.llama_context_default_params()
    params.n_ctx = max(prompt_tokens, generate) + 8
    params.n_batch = params.n_ubatch = max(prompt_tokens, 32)
    params.n_threads = params.n_threads_batch = threads
    context = lc.llama_init_from_model(model, params)
    vocab = lc.llama_vocab_n_tokens(lc.llama_model_get_vocab(model))

    def decode(tokens):
        array = (lc.llama_token * len(tokens))(*tokens)
        start = time.perf_counter()
        if lc.llama_decode(context, lc.llama_batch_get_one(array, len(tokens))) != 0:
            sys.exit("error: llama_decode failed")
        lc.llama_synchronize(context)
        return time.perf_counter() - start

    def clear():
        lc.llama_memory_clear(lc.llama_get_memory(context), True)

    prompt = [(i * 7919 + 13) % vocab for i in range(prompt_tokens)]
    decode(prompt[:16])  # the first call allocates
    clear()
    prefill_s = decode(prompt)
    clear()
    decode(prompt[:1])
    decode_s = 0.0
    for _ in range(generate - 1):
        logits = numpy.ctypeslib.as_array(lc.llama_get_logits_ith(context, -1), (vocab,))
        decode_s += decode([int(logits.argmax())])
    return {
        "prefill_tokens_per_s": prompt_tokens / prefill_s,
        "decode_tokens_per_s": (generate - 1) / decode_s,
    }


def run_json(command, env=None):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
    if done.returncode != 0:
        sys.stderr.buffer.write(done.stderr)
        sys.exit(f"error: {' '.join(command[:4])} ... ended with {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def main():
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", help="model name or folder, as for `axollama bench`")
    parser.add_argument("--gguf", help="the GGUF file that the peer's form is made from")
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--peer-type", default="q8_0", choices=sorted(FILE_TYPES))
    parser.add_argument("--axollama", default=os.path.join(root, "build", "axollama"))
    parser.add_argument("--folder", help="the bundle's folder, for `axollama sim probe`")
    parser.add_argument("--decode-goal", type=float, default=1.3, help="ratio asked for")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--prompt-tokens", type=int, default=512)
    parser.add_argument("--generate", type=int, default=128)
    parser.add_argument("--max-threads", type=int, default=2, help="tried by both: 1 to this")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--peer-step", choices=["quantize", "measure"], help=argparse.SUPPRESS)
    parser.add_argument("--peer-file", help=argparse.SUPPRESS)
    parser.add_argument("--peer-threads", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()

    if args.peer_step == "quantize":
        peer_quantize(args.gguf, args.peer_file, args.peer_type)
        print(json.dumps({"made": args.peer_file}))
        return
    if args.peer_step == "measure":
        speeds = peer_measure(
            args.peer_file, args.peer_threads, args.prompt_tokens, args.generate
        )
        print(json.dumps(speeds))
        return
    if not args.model or not args.gguf:
        parser.error("MODEL and --gguf are needed")

    sizes = ["--prompt-tokens", str(args.prompt_tokens), "--generate", str(args.generate)]
    threads = range(1, args.max_threads + 1)
    ours = {t: [] for t in threads}
    peer = {t: [] for t in threads}
    with tempfile.TemporaryDirectory(prefix="axollama-bench-") as folder:
        form = os.path.join(folder, f"peer-{args.peer_type}.gguf")
        step = [args.peer_python, os.path.abspath(__file__), "--peer-file", form]
        run_json(
            step
            + ["--peer-step", "quantize", "--gguf", args.gguf, "--peer-type", args.peer_type]
        )
        for number in range(args.rounds):
            for t in threads:
                ours[t].append(
                    run_json(
                        [args.axollama, "bench", args.model, "--json", "--runs", "1"]
                        + ["--threads", str(t)]
                        + sizes
                    )
                )
                peer[t].append(
                    run_json(step + ["--peer-step", "measure", "--peer-threads", str(t)] + sizes)
                )
            print(f"round {number + 1} of {args.rounds} done", file=sys.stderr)

    probe = None
    if args.folder:
        probe = run_json([args.axollama, "sim", "probe", args.folder, "--json"])
    result = {"model": args.model, "peer": f"llama.cpp {args.peer_type}", "rounds": args.rounds}
    for key in ("prefill_tokens_per_s", "decode_tokens_per_s"):
        best = {}
        for name, runs in (("axollama", ours), ("llama_cpp", peer)):
            medians = {t: statistics.median(run[key] for run in runs[t]) for t in threads}
            best_threads = max(medians, key=medians.get)
            best[name] = {"threads": best_threads, key: round(medians[best_threads], 2)}
        ratio = best["axollama"][key] / best["llama_cpp"][key]
        result[key.split("_")[0]] = {**best, "ratio": round(ratio, 3)}
    if probe:
        decode = result["decode"]
        read = probe["read_gb_per_s"]
        gb = decode["axollama"]["decode_tokens_per_s"] * probe["bytes_per_token"] / 1e9
        asked = args.decode_goal * decode["llama_cpp"]["decode_tokens_per_s"]
        flop = result["prefill"]["axollama"]["prefill_tokens_per_s"] * 2e-9
        probe["bench_decode_gb_per_s"] = round(gb, 2)
        probe["bench_decode_share_of_read"] = round(gb / read, 3)
        probe["bench_prefill_gflop_per_s"] = round(flop * probe["multiply_adds_per_token"], 1)
        probe["decode_asked_tokens_per_s"] = round(asked, 1)
        probe["memory_bounds_decode"] = probe["tokens_per_s_of_memory"] < 1.2 * asked
        result["probe"] = probe
    if args.json:
        print(json.dumps(result))
        return
    print(f"{args.model} against {result['peer']}, medians of {args.rounds} rounds, tokens/s")
    for phase in ("prefill", "decode"):
        row = result[phase]
        key = f"{phase}_tokens_per_s"
        print(
            f"{phase:8} axollama {row['axollama'][key]:8.1f} ({row['axollama']['threads']} threads)"
            f"   llama.cpp {row['llama_cpp'][key]:8.1f} ({row['llama_cpp']['threads']} threads)"
            f"   ratio {row['ratio']:.3f}"
        )

    if probe:
        print(
            f"decode   {probe['bench_decode_gb_per_s']:.1f} GB/s of weights,"
            f" {probe['bench_decode_share_of_read']:.0%} of the {probe['read_gb_per_s']:.1f} GB/s"
            f" that this machine reads ({probe['isa']})"
        )
        print(
            f"prefill  {probe['bench_prefill_gflop_per_s']:.0f} GFLOP/s of the"
            f" {probe['peak_gflop_per_s']:.0f} that its multipliers give"
        )
        bound = "less" if probe["memory_bounds_decode"] else "no less"
        print(
            f"memory   allows {probe['tokens_per_s_of_memory']:.0f} tokens/s: {bound} than 1.2 x the"
            f" {probe['decode_asked_tokens_per_s']:.0f} asked for"
            + (": 80 % of the read speed counts" if probe["memory_bounds_decode"] else "")
        )


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Every architecture that the builder takes, against transformers: models of random_models.py are
built with bf16 weights, run through `axollama perplexity` and held against random_references.json.

    test_random_models.py [-v]

AXOLLAMA_BUILD is the build folder. The bounds are 1.5 times what emulated bf16 costs the same model
in transformers; the best token must be the same one wherever the reference's best is ahead of its
second by more than two numbers can move. Then the runner answers a prompt greedily, token by token,
and must give the same tokens.
"""

import filecmp
import http.client
import json
import math
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

import random_models
import vendor_form

BUILD = pathlib.Path(os.environ["AXOLLAMA_BUILD"])
HERE = pathlib.Path(__file__).resolve().parent
SLACK = 1.5


class Runner:
    """`axollama runner` for one bundle, on a Unix socket."""

    def __init__(self, bundle, path, environment):
        self.path = str(path)
        self.process = subprocess.Popen(
            [BUILD / "axollama", "runner", "--model", bundle, "--socket", path],
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)

    def __enter__(self):
        end = time.monotonic() + 120
        while self.request("GET", "/health")[0] != 200:
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError("the runner does not become ready")
            time.sleep(0.02)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def request(self, method, route, body=None):
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(120)
        try:
            connection.sock.connect(self.path)
            connection.request(method, route, json.dumps(body) if body else None)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except (FileNotFoundError, ConnectionError):
            return 0, None
        finally:
            connection.close()


class RandomModels(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.references = json.loads((HERE / "random_references.json").read_text())

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        keep = ("PATH", "LANG", "TMPDIR", "ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS")
        self.environment = {name: os.environ[name] for name in keep if name in os.environ}
        self.environment.update(HOME=str(self.folder), AXSIM_STATE=str(self.folder / "card"),
                                AXOLLAMA_RUNTIME_DIR=str(self.folder / "run"))
        (self.folder / "card").mkdir()
        (self.folder / "run").mkdir(mode=0o700)

    def run_program(self, *words):
        done = subprocess.run([str(w) for w in words], env=self.environment, timeout=120,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)

    def dump_of(self, name, weights="bf16"):
        """[{"id", "logprob", "top"}] of TEXT."""
        random_models.write_gguf(name, self.folder / "model.gguf")
        (self.folder / "text").write_text(random_models.TEXT)
        bundle = self.folder / weights
        self.run_program(BUILD / "axollama-sim", "build", self.folder / "model.gguf", bundle,
                         "--weights", weights, "--context", random_models.CONTEXT,
                         "--prefill-len", 32)
        self.run_program(BUILD / "axollama", "perplexity", bundle, self.folder / "text",
                         "--window", random_models.WINDOW, "--dump", self.folder / "dump")
        with open(self.folder / "dump", encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]

    def check_folder(self, name, want):
        """A Hugging Face folder of the same model must give the same files."""
        for shards in (1, 3):
            source, bundle = self.folder / f"hf{shards}", self.folder / f"from_hf{shards}"
            random_models.write_hf(name, source, shards)
            if not (source / "tokenizer.model").exists():
                shutil.copy(want / "tokenizer.json", source)
            self.run_program(BUILD / "axollama-sim", "build", source, bundle, "--weights", "bf16",
                             "--context", random_models.CONTEXT, "--prefill-len", 32)
            for file in want.iterdir():
                if file.suffix in (".axmodel", ".bin") or file.name == "tokenizer.json":
                    self.assertTrue(filecmp.cmp(file, bundle / file.name, shallow=False), file.name)

    def check_layouts(self):
        """Files that hold all layers must give the very numbers of a file per layer."""
        for layout in ("split", "single"):
            bundle, dump = self.folder / layout, self.folder / f"dump_{layout}"
            self.run_program(BUILD / "axollama-sim", "build", self.folder / "model.gguf", bundle,
                             "--weights", "bf16", "--context", random_models.CONTEXT,
                             "--prefill-len", 32, "--layout", layout)
            self.run_program(BUILD / "axollama", "perplexity", bundle, self.folder / "text",
                             "--window", random_models.WINDOW, "--dump", dump)
            self.assertTrue(filecmp.cmp(dump, self.folder / "dump", shallow=False), layout)

    def check_vendor_tokenizer(self, name):
        """With AXERA's text form instead of its tokenizer.json the bundle says the same."""
        bundle = self.folder / "bf16"
        first = (self.folder / "dump").read_bytes()
        (bundle / "tokenizer.json").unlink()
        (bundle / "words.txt").write_text(vendor_form.text_of(name), encoding="utf-8")
        self.run_program(BUILD / "axollama", "perplexity", bundle, self.folder / "text",
                         "--window", random_models.WINDOW, "--dump", self.folder / "dump")
        self.assertEqual((self.folder / "dump").read_bytes(), first)

    def check(self, name, prefix):
        reference = self.references[name]
        dump = self.dump_of(name)
        self.assertEqual([line["id"] for line in dump], [t for t, _, _ in reference["tokens"]])
        differences, compared = [], 0
        for ours, (_, logprob, best) in zip(dump, reference["tokens"]):
            top = dict(ours["top"])
            differences.append(ours["logprob"] - logprob)
            differences.extend(top[i] - value for i, value in best if i in top)
            if best[0][1] - best[1][1] > 2 * SLACK * reference["worst"]:
                self.assertEqual(ours["top"][0][0], best[0][0])
                compared += 1
        rms = math.sqrt(sum(d * d for d in differences) / len(differences))
        worst = max(abs(d) for d in differences)
        self.assertGreater(len(differences), 3.9 * len(dump))
        self.assertGreater(compared, len(dump) / 2)
        self.assertLess(rms, SLACK * reference["rms"])
        self.assertLess(worst, SLACK * reference["worst"])
        names = sorted(p.name for p in (self.folder / "bf16").glob("*.axmodel"))
        layers = random_models.MODELS[name]["layers"]
        self.assertEqual(names, sorted([f"{prefix}_post.axmodel"] + [
            f"{prefix}_p32_l{i}_together.axmodel" for i in range(layers)]))
        self.check_folder(name, self.folder / "bf16")
        self.check_layouts()
        with Runner(self.folder / "bf16", self.folder / "socket", self.environment) as runner:
            status, answer = runner.request("POST", "/completion", {
                "prompt": reference["prompt"], "n_predict": len(reference["answer"]),
                "temperature": 0, "repeat_penalty": 1.0, "ignore_eos": True})
        self.assertEqual(status, 200, answer)
        self.assertEqual(answer["tokens"], reference["answer"])
        if name in ("llama", "gemma3"):  # one of each kind of tokenizer
            self.check_vendor_tokenizer(name)

    def test_llama(self):
        self.check("llama", "llama")

    def test_llama3(self):
        self.check("llama3", "llama")

    def test_qwen2(self):
        self.check("qwen2", "qwen2")

    def test_qwen3(self):
        self.check("qwen3", "qwen3")

    def test_gemma3(self):
        self.check("gemma3", "gemma3_text")

    def test_granite(self):
        self.check("granite", "granite")

    def test_minicpm(self):
        self.check("minicpm", "minicpm")


if __name__ == "__main__":
    unittest.main()

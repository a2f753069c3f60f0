#!/usr/bin/env python3
"""Tests of compare.py: it must pass what is equal and refuse what is not."""

import contextlib
import copy
import io
import json
import math
import pathlib
import tempfile
import unittest

import compare

HERE = pathlib.Path(__file__).resolve().parent
REFERENCE = HERE / "reference.jsonl"


class CompareTest(unittest.TestCase):
    def setUp(self):
        self.rows = compare.read(REFERENCE)

    def run_with(self, rows, weights="s8", *more):
        with tempfile.TemporaryDirectory() as folder:
            dump = pathlib.Path(folder) / "dump.jsonl"
            dump.write_text("".join(json.dumps(row) + "\n" for row in rows))
            err = io.StringIO()
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err):
                return compare.main([str(REFERENCE), str(dump), weights, *more]), err.getvalue()

    def test_the_reference_is_long_enough_and_whole(self):
        self.assertGreaterEqual(len(self.rows), 2000)
        summary = json.loads((HERE / "emulations.json").read_text())
        self.assertEqual(len(self.rows), summary["tokens"])
        self.assertAlmostEqual(compare.measure(self.rows, self.rows, "s8")["perplexity"],
                               summary["perplexity"], places=2)

    def test_equal_passes(self):
        self.assertEqual(self.run_with(self.rows), (0, ""))
        self.assertLess(abs(compare.measure(self.rows, self.rows, "s8")["kl"]), 1e-12)

    def test_worse_perplexity_fails(self):
        for row in self.rows:
            row["logprob"] -= 0.011
        code, err = self.run_with(self.rows)
        self.assertEqual(code, 1)
        self.assertIn("perplexity is off by +1.1", err)

    def test_better_perplexity_fails_too(self):
        for row in self.rows:
            row["logprob"] += 0.006
        self.assertEqual(self.run_with(self.rows, "bf16")[0], 1)

    def test_other_best_token_fails(self):
        for row in self.rows[::10]:
            row["top"][0][0], row["top"][1][0] = row["top"][1][0], row["top"][0][0]
        code, err = self.run_with(self.rows)
        self.assertEqual(code, 1)
        self.assertIn("top-1 agreement is 0.8", err)

    def test_kl_is_seen(self):
        dump = copy.deepcopy(self.rows)
        for row in dump:
            row["top"][0][1] -= 0.3
            row["top"].sort(key=lambda pair: (-pair[1], pair[0]))
        code, err = self.run_with(dump)
        self.assertEqual(code, 1)
        self.assertIn("mean KL", err)

    def test_kl_of_known_distributions(self):
        half = [[1, -0.6931472], [2, -1.3862944]]  # 1/2, 1/4, rest 1/4
        other = [[1, -1.3862944], [2, -0.6931472]]
        self.assertAlmostEqual(compare.divergence(half, other), 0.25 * 0.6931472, places=6)
        # Token 2 is not named by the other side: 1/2, rest 1/2 against 1/4, rest 3/4.
        self.assertAlmostEqual(compare.divergence(half, [[1, -1.3862944], [3, -2.0]]),
                               0.5 * 0.6931472 + 0.5 * -0.4054651, places=6)

    def test_bounds_may_come_from_a_file(self):
        for row in self.rows:
            row["logprob"] -= 0.006
        self.assertEqual(self.run_with(self.rows)[0], 0)
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump({"s8": {"perplexity_ratio": 1.0, "top1": 1.0, "mean_kl_common": 0.0,
                              "bounds": {"perplexity": 0.005, "top1": 0.9, "kl": 0.001,
                                         "rms": 0.005}}}, file)
            file.flush()
            code, err = self.run_with(self.rows, "s8", file.name)
        self.assertEqual(code, 1)
        self.assertIn("at most 0.50% may be", err)
        self.assertIn("off by 0.0060 (root of the mean square), at most 0.005 may be", err)

    def test_the_emulation_is_compared_token_by_token(self):
        # The text costs the emulation and the dump the same, but for 0.1 more or less of each token.
        reference = copy.deepcopy(self.rows)
        for n, row in enumerate(self.rows):
            row["logprob"] -= 0.006 + 0.1 * (n % 2)
            reference[n]["s8"] = reference[n]["logprob"] - 0.006 - 0.1 * ((n + 1) % 2)
        found = compare.measure(reference, self.rows, "s8")
        mean, error = found["beyond"]
        self.assertAlmostEqual(mean, 0.0, delta=1e-4)  # their number is odd
        self.assertAlmostEqual(error, 0.1 / math.sqrt(len(reference)), places=6)
        shift = abs(found["ratio"] - 1)
        known = {"bounds": {"perplexity": shift - 2 * error + 1e-6, "top1": 0.9, "kl": 1.0, "rms": 1.0}}
        self.assertEqual(compare.check(found, "s8", known), [])
        known["bounds"]["perplexity"] -= 2e-6
        self.assertIn("perplexity is off", compare.check(found, "s8", known)[0])

    def test_malformed_dumps_are_refused(self):
        self.assertIn("--window", self.run_with(self.rows[:-1])[1])
        changed = copy.deepcopy(self.rows)
        changed[5]["id"] += 1
        self.assertIn("line 6", self.run_with(changed)[1])
        changed = copy.deepcopy(self.rows)
        changed[7]["top"].reverse()
        self.assertIn("not sorted", self.run_with(changed)[1])
        changed = copy.deepcopy(self.rows)
        del changed[0]["top"]
        self.assertEqual(self.run_with(changed)[0], 1)


if __name__ == "__main__":
    unittest.main()

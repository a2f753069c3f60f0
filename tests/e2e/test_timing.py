"""Simulated time, from `axollama bench`: what it counts is the same, and geometries can be measured.

Speeds are not looked at: the machine may be busy.
"""
import json
import os
import subprocess
import tempfile
import unittest

from harness import BUILD, LONG, MODELS, clean_environment, run

SHORT = ("--json", "--threads", "1", "--runs", "1", "--prompt-tokens", "8", "--generate", "6")
COUNTS = ("device_calls_per_token", "bytes_up_per_token", "allocations_per_token")


class Timing(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="axtiming")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.env = clean_environment(self.folder)

    def bench(self, model, **env):
        code, out, errors = run("bench", model, *SHORT, env={**self.env, **env})
        self.assertEqual(code, 0, errors)
        return json.loads(out)

    def test_profiles_change_speeds_only(self):
        model = os.path.join(MODELS, "smollm2", "135m")
        off = self.bench(model)
        timed = self.bench(model, AXSIM_PROFILE="pi5")
        self.assertEqual((off["profile"], timed["profile"]), ("off", "pi5"))
        for key in COUNTS:
            self.assertEqual(timed[key], off[key], key)
        self.assertGreater(timed["device_busy_share"], 0)
        self.assertLess(timed["device_busy_share"], 1.05)

    def test_an_unknown_profile_is_an_error(self):
        model = os.path.join(MODELS, "smollm2", "135m")
        env = {**self.env, "AXSIM_PROFILE": "pi4", "AXOLLAMA_LOG": "error"}
        code, _, errors = run("bench", model, *SHORT, env=env)
        self.assertEqual(code, 1)
        self.assertIn('profile "pi4" is not known', errors)

    def test_a_geometry_is_measured_like_a_model(self):
        bundle = os.path.join(self.folder, "geometry")
        done = subprocess.run(
            [os.path.join(BUILD, "axollama-sim"), "build", "--geometry", "qwen3-0.6b", bundle,
             "--context", "256", "--weights", "s4"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LONG)
        self.assertEqual(done.returncode, 0, done.stderr)
        config = os.path.join(self.folder, "native.json")
        with open(config, "w", encoding="utf-8") as file:
            json.dump({"profile": "native"}, file)
        result = self.bench(bundle, AXSIM_CONFIG=config)
        self.assertEqual(result["profile"], "native")
        self.assertEqual(result["generated_tokens"], 6)
        self.assertGreater(result["cmm_bytes"], 28 * 8_000_000)  # s4: half a byte a weight
        self.assertGreaterEqual(result["bytes_down_per_token"], 2 * 151_936)  # and a mark
        # Its K and V rows have 2,048 bytes: they are written into the caches without a copy.
        self.assertEqual(result["device_calls_per_token"], 28 + 7)


if __name__ == "__main__":
    unittest.main()

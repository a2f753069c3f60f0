"""The same prompt and seed give the same text, whatever else differs; and what a token costs."""
import glob
import json
import os
import tempfile
import unittest

from harness import MODEL, MODELS, Server, clean_environment, rss_anon_mb, run

# smollm2:135m cuts prompts into chunks of 128 rows, this one into chunks of 32.
SMALL_CHUNKS = "smollm2:chunk32"
SAMPLED = {"temperature": 0.9, "seed": 11, "num_predict": 48}
LONG_PROMPT = "Here is what I know about foxes. " + " ".join(
    f"Fact {i}: a fox has {i} ways to cross river number {i * 7}." for i in range(30))


def answers(server, model=MODEL, prompts=("Tell me about foxes.", LONG_PROMPT)):
    """What the server says to each prompt, greedy and sampled."""
    texts = []
    for prompt in prompts:
        for options in ({"temperature": 0, "num_predict": 48}, SAMPLED):
            reply = server.generate(prompt, model=model, options=options)
            assert reply.status == 200, reply.text
            texts.append(reply.json["response"])
    return texts


def probe_file(folder):
    """Where it is kept whether work can be queued on this card; AXOLLAMA_HOME is `folder`/data."""
    [path] = glob.glob(os.path.join(folder, "data", "probes", "*.json"))
    return path


def found_out(folder):
    with open(probe_file(folder), encoding="utf-8") as file:
        return json.load(file)["async"]


def find_out(folder, word):
    with open(probe_file(folder), encoding="utf-8") as file:
        kept = json.load(file)
    with open(probe_file(folder), "w", encoding="utf-8") as file:
        json.dump({**kept, "async": word}, file)


class Exact(unittest.TestCase):
    def test_threads_chunks_and_instruction_sets(self):
        with Server(env={"AXSIM_THREADS": "1"}) as server:
            expected = answers(server)
            self.assertEqual(len(set(expected)), 4)
            self.assertEqual(answers(server, SMALL_CHUNKS), expected)
        with Server(env={"AXSIM_THREADS": "3"}) as server:
            self.assertEqual(answers(server), expected)
        short = expected[:2]
        with Server(env={"AXSIM_ISA": "scalar"}) as server:
            self.assertEqual(answers(server, prompts=("Tell me about foxes.",)), short)

    def test_what_ran_before_and_what_is_cached(self):
        with Server() as server:
            cold = answers(server, prompts=(LONG_PROMPT,))
            server.generate("Something else entirely.")
            self.assertEqual(answers(server, prompts=(LONG_PROMPT,)), cold)
            # A prompt that shares a beginning with the one before is computed from there on.
            longer = LONG_PROMPT + " And now?"
            warm = server.generate(longer, options=SAMPLED).json
            server.unload()
            fresh = server.generate(longer, options=SAMPLED).json
            self.assertEqual(warm["response"], fresh["response"])
            self.assertEqual(warm["prompt_eval_count"], fresh["prompt_eval_count"])

    def test_queued_work_and_single_calls(self):
        with tempfile.TemporaryDirectory(prefix="axe2e") as folder:
            with Server(folder=folder) as server:
                expected = answers(server)
                self.assertIn("queued and waited for once a token", server.log_text())
            self.assertEqual(found_out(folder), "works")
            # As if it had been found out that this library does not do it right.
            find_out(folder, "fails")
            with Server(folder=folder) as server:
                self.assertEqual(answers(server), expected)
                self.assertIn("each call to the card is waited for", server.log_text())
            self.assertEqual(found_out(folder), "fails")

    def test_seeds(self):
        with Server() as server:
            def text(**options):
                return server.generate("Tell me a tale.", options={**SAMPLED, **options}).json[
                    "response"]
            self.assertEqual(text(seed=5), text(seed=5))
            self.assertNotEqual(text(seed=5), text(seed=6))
            self.assertNotEqual(text(seed=-1), text(seed=-1))


class QueuedWork(unittest.TestCase):
    """Where the card does not do what was queued: the answer is the right one all the same."""

    PROMPT = "Tell me about foxes."

    def answer(self, server, **options):
        reply = server.generate(self.PROMPT, options=options)
        self.assertEqual(reply.status, 200, reply.text)
        return reply.json["response"]

    def test_faults(self):
        with tempfile.TemporaryDirectory(prefix="axe2e") as folder:
            with Server(folder=folder) as server:
                expected = self.answer(server)
        for fault, kept in (({"kind": "async_unsupported"}, "unsupported"),
                            ({"kind": "silent_async", "every": 1}, "fails"),
                            ({"kind": "silent_async", "nth": 40}, "fails")):
            with self.subTest(fault), tempfile.TemporaryDirectory(prefix="axe2e") as folder:
                with Server(folder=folder, card={"cards": [{"faults": [fault]}]}) as server:
                    self.assertEqual(self.answer(server), expected)
                    self.assertIn("each call to the card is waited for", server.log_text())
                self.assertEqual(found_out(folder), kept)

    def test_a_layer_that_is_dropped_later(self):
        """The check at load time is 2 x 2 steps; the fault comes in the answer's second token."""
        nth = 4 * 31 + 30 + 31 + 7
        card = {"cards": [{"faults": [{"kind": "silent_async", "nth": nth}]}]}
        with Server(card=card) as server:
            expected = self.answer(server)
            self.assertIn("did not do what was queued (a layer did not run)", server.log_text())
            server.unload()
            self.assertEqual(self.answer(server), expected)


BENCH_KEYS = ["model", "device", "profile", "threads", "prompt_tokens", "generated_tokens",
              "load_ms", "ttft_ms", "prefill_tokens_per_s", "decode_tokens_per_s",
              "host_cpu_ms_per_token", "device_busy_share", "device_calls_per_token",
              "bytes_up_per_token", "bytes_down_per_token", "allocations_per_token",
              "runner_rss_bytes", "cmm_bytes"]


class Costs(unittest.TestCase):
    """Counts of bench: exact, so asserted."""

    def bench(self, folder, prompt, generate):
        env = {**clean_environment(folder), "AXOLLAMA_MODELS": MODELS}
        code, out, errors = run("bench", MODEL, "--json", "--prompt-tokens", str(prompt),
                                "--generate", str(generate), "--runs", "1", env=env)
        self.assertEqual(code, 0, errors)
        return json.loads(out)

    def test_a_token(self):
        with tempfile.TemporaryDirectory(prefix="axbench") as folder:
            bench = self.bench(folder, 160, 32)
            find_out(folder, "fails")
            single_calls = self.bench(folder, 8, 8)
        self.assertEqual(list(bench), BENCH_KEYS)
        self.assertEqual(bench["model"], MODEL)
        self.assertEqual((bench["device"], bench["profile"]), ("sim", "off"))
        self.assertEqual((bench["prompt_tokens"], bench["generated_tokens"]), (160, 32))
        # Three uploads, per layer an execute and two copies, the post model and its logits; queued,
        # a mark that shows what was not computed, and the wait.
        self.assertEqual(bench["device_calls_per_token"], 3 * 30 + 7)
        self.assertEqual(single_calls["device_calls_per_token"], 3 * 30 + 5)
        for each in (bench, single_calls):
            self.assertEqual(each["allocations_per_token"], 0)
            # Up: an embedding row, a mask of 2,048 positions, an index.
            self.assertEqual(each["bytes_up_per_token"], 2 * 576 + 2 * 2048 + 4)
        # Down: the logits; queued, also the mark before them.
        self.assertEqual(single_calls["bytes_down_per_token"], 2 * 49152)
        self.assertLess(bench["bytes_down_per_token"], 2 * 49152 + 2048 + 256)
        for key in BENCH_KEYS[3:]:
            if key != "allocations_per_token":
                self.assertGreater(bench[key], 0, key)

    def test_a_failure_is_one_line(self):
        """Also where the simulated card has something to say, and while threads are tried."""
        with tempfile.TemporaryDirectory(prefix="axbench") as folder:
            env = {**clean_environment(folder), "AXOLLAMA_MODELS": MODELS}
            for card, words in (({"init_error": "0x8030010B"}, "0x8030010B"),
                                ({"cards": []}, "0x80300181"),
                                ({"cards": [{"cmm_mib": 64}]}, "does not fit"),
                                ({"nonsense": 1}, "AXSIM_CONFIG")):
                env["AXSIM_CONFIG"] = os.path.join(folder, "card.json")
                with open(env["AXSIM_CONFIG"], "w", encoding="utf-8") as file:
                    json.dump(card, file)
                for command in (("bench", MODEL), ("perplexity", MODEL, __file__)):
                    code, out, errors = run(*command, env=env)
                    self.assertEqual((code, out), (1, ""), errors)
                    self.assertRegex(errors, r"\Aerror: [^\n]+\n\Z")
                    self.assertIn(words, errors)

    def test_memory_of_the_processes(self):
        with Server() as server:
            server.generate(LONG_PROMPT)
            self.assertLess(rss_anon_mb(server.runners()[0]), 150)
            self.assertLess(rss_anon_mb(server.pid), 40)


if __name__ == "__main__":
    unittest.main()

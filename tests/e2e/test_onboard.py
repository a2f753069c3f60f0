"""On the SoC itself: the simulated board's libraries give the tokens of the simulated card."""
import json
import os
import tempfile
import unittest

from harness import BUILD, MODEL, MODELS, Server, clean_environment, run, wait_until

LIBRARIES = {"AXOLLAMA_AX_SYS_LIB": os.path.join(BUILD, "sim", "libax_sys.so"),
             "AXOLLAMA_AX_ENGINE_LIB": os.path.join(BUILD, "sim", "libax_engine.so")}
# Longer than a chunk of 128 tokens, so that several shape groups are used.
PROMPT = " ".join(f"A fox has {i} ways to cross river number {i * 7}." for i in range(13))


def answer(server):
    reply = server.generate(PROMPT, options={"num_predict": 16})
    assert reply.status == 200, reply.text
    return reply.json


class Onboard(unittest.TestCase):
    def test_the_same_tokens_as_on_the_card(self):
        with Server() as server:
            card = answer(server)
        with Server(args=("--device", "axengine"), env=LIBRARIES) as server:
            before_mb = server.health()["memory_usage_mb"]
            board = answer(server)
            health = server.health()
            self.assertEqual(health["backend_type"], "sim")
            self.assertIsNone(health["temperature_c"])
            self.assertGreater(health["memory_usage_mb"], before_mb + 50)
            with open(f"/proc/{server.runners()[0]}/maps", encoding="utf-8") as maps:
                text = maps.read()
            self.assertIn("libax_engine.so", text)
            self.assertNotIn("libaxcl", text)
            # What the model took is given back.
            server.unload()
            wait_until(lambda: server.health()["memory_usage_mb"] == before_mb,
                       "the board's memory is back")
        for key in ("response", "context", "prompt_eval_count", "eval_count", "done_reason"):
            self.assertEqual(board[key], card[key], key)

    def test_costs_and_refusals(self):
        with tempfile.TemporaryDirectory(prefix="axboard") as folder:
            env = {**clean_environment(folder), "AXOLLAMA_MODELS": MODELS}
            command = ("bench", MODEL, "--json", "--device", "axengine", "--prompt-tokens", "16",
                       "--generate", "4", "--runs", "1")
            code, out, errors = run(*command, env={**env, **LIBRARIES, "AXSIM_THREADS": "2"})
            self.assertEqual(code, 0, errors)
            bench = json.loads(out)
            self.assertEqual(bench["device"], "sim")
            self.assertEqual(bench["allocations_per_token"], 0)
            self.assertGreater(bench["device_busy_share"], 0)
            # The command starts a server of its own for it.
            words = ("run", MODEL, "Hi", "--own-server", "--option", "temperature=0", "--option",
                     "num_predict=4")
            board = run(*words, "--device", "axengine", env={**env, **LIBRARIES})
            self.assertEqual(board[0], 0, board[2])
            self.assertEqual(board[1], run(*words, env=env)[1])
            # A simulator's model wants the simulator's libraries.
            code, out, errors = run(*command, env=env)
            self.assertEqual((code, out), (1, ""))
            self.assertRegex(errors, r"\Aerror: [^\n]*simulated card[^\n]*\n\Z")


if __name__ == "__main__":
    unittest.main()

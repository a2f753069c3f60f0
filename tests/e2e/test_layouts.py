"""A model answers the same whichever layout its folder has: a file per layer, split, or single."""
import json
import os
import subprocess
import tempfile
import unittest

from harness import BUILD, LONG, MODEL, MODELS, Server, clean_environment, link_folder, run

GET_MODEL = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../scripts/get_model.sh")
# More than one chunk, and then a part of one.
PROMPT = "Here is what I know about foxes. " + " ".join(
    f"Fact {i}: a fox has {i} ways to cross river number {i * 7}." for i in range(12))


def answers(server, model):
    texts = []
    for options in ({"temperature": 0, "num_predict": 32},
                    {"temperature": 0.9, "seed": 11, "num_predict": 32}):
        reply = server.generate(PROMPT, model=model, options=options)
        assert reply.status == 200, reply.text
        texts.append(reply.json["response"])
    return texts


class Layouts(unittest.TestCase):
    def test_same_text(self):
        with tempfile.TemporaryDirectory(prefix="axmodels", dir=link_folder()) as root:
            for layout in ("split", "single"):
                made = subprocess.run([GET_MODEL, BUILD, os.path.join(root, "smollm2", layout),
                                       "--layout", layout], stdin=subprocess.DEVNULL,
                                      capture_output=True, text=True, timeout=LONG, check=False)
                self.assertEqual(made.returncode, 0, made.stderr)
            with Server(models=(MODELS, root)) as server:
                expected = answers(server, MODEL)
                self.assertEqual(len(set(expected)), 2)
                for layout in ("split", "single"):
                    model = f"smollm2:{layout}"
                    self.assertEqual(answers(server, model), expected, layout)
                    show = server.post("/api/show", {"model": model}).json
                    self.assertEqual(show["model_info"]["llama.block_count"], 30)
                    self.assertEqual(show["details"]["context_length"], 2048)
                    self.assertIn(f"llama: {layout} bundle of 30 layers, chunk 128",
                                  server.log_text())
            # One execute for all layers, and two copies for each.
            with tempfile.TemporaryDirectory(prefix="axe2e") as folder:
                env = {**clean_environment(folder), "AXOLLAMA_MODELS": root}
                code, out, errors = run("bench", "smollm2:single", "--json", "--prompt-tokens", "8",
                                        "--generate", "4", "--runs", "1", env=env)
                self.assertEqual(code, 0, errors)
                bench = json.loads(out)
                self.assertEqual(bench["device_calls_per_token"], 2 * 30 + 7)
                self.assertEqual(bench["allocations_per_token"], 0)


if __name__ == "__main__":
    unittest.main()

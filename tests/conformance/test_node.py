"""Runs the tests of node/ against a real server: the official clients of npm.

AXOLLAMA_TEST_NODE is the folder that scripts/test_node.sh makes.
"""
import json
import os
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ("e2e", "embeddings"):
    sys.path.insert(0, os.path.join(HERE, "..", folder))
import embedding_models  # noqa: E402  (its folder is known only now)
from able_model import ADDING, THINKING, TOOL, able_model  # noqa: E402
from harness import LONG, MODEL, MODELS, Server  # noqa: E402


class Node(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        root = cls.enterClassContext(able_model())
        embedding_models.build(os.path.join(root, "vectors"))
        cls.server = cls.enterClassContext(Server(models=(root, MODELS)))

    def run_tests(self, name):
        facts = {"url": f"http://{self.server.addresses[0]}", "model": MODEL, "able": "able",
                 "embed": "vectors", "text": MODEL, "adding": ADDING, "thinking": THINKING, "tool": TOOL}
        packages = os.path.join(os.environ["AXOLLAMA_TEST_NODE"], "node_modules")
        done = subprocess.run(
            ["node", os.path.join(HERE, "node", name)], timeout=2 * LONG, check=False, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={"PATH": os.environ["PATH"], "HOME": self.server.env["HOME"],
                 "NODE_PATH": packages, "FACTS": json.dumps(facts)})
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertRegex(done.stdout, r"pass [1-9]")

    def test_ollama(self):
        self.run_tests("ollama.js")

    def test_openai(self):
        self.run_tests("openai.js")

    def test_embeddings(self):
        self.run_tests("embeddings.js")


if __name__ == "__main__":
    unittest.main()

"""axollama-llama-server as the llama-server of a stock Ollama: a model of ours among its own."""
import json
import os
import shutil
import tempfile
import unittest

import embedding_models
import stock_ollama
from harness import (BUILD, Server, card_memory_mb, children, link_folder, processes,
                     wait_until)
from stock_ollama import BRIEF

OLLAMA = stock_ollama.program()
SHIM = os.path.join(BUILD, "axollama-llama-server")
STORY = [{"role": "user", "content": "Tell me a story about a fox."}]
FEW = {"temperature": 0, "num_predict": 8}
PERSON = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 12},
                                           "age": {"type": "integer"}},
          "required": ["name", "age"], "additionalProperties": False}


def shims(stock):
    """The processes that were started as this Ollama's llama-server."""
    return [pid for pid, (_, words) in processes().items()
            if words[0].startswith(stock.folder) and words[0].endswith("llama-server")]


class LlamaServer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.ours = Server().__enter__()
        cls.addClassCleanup(cls.ours.end)
        stock_ollama.make_brief(cls.ours)
        cls.stock = stock_ollama.Stock(OLLAMA, {"AXOLLAMA_SERVER": cls.ours.addresses[0]}, SHIM)
        os.makedirs(cls.stock.store)
        cls.make(BRIEF, "card")
        cls.stock.__enter__()
        cls.addClassCleanup(cls.stock.end)

    @classmethod
    def make(cls, *words):
        made = stock_ollama.script("llama-server-model.py", *words, env=cls.stock.env)
        assert made.returncode == 0, made.stderr
        return made.stdout

    def ask(self, path, **body):
        """The same of our server and through the stock one."""
        options = {**FEW, **body.pop("options", {})}
        return (self.ours.post(path, {"model": BRIEF, "options": options, **body}),
                self.stock.post(path, {"model": "card", "options": options, **body}))

    def text(self, reply):
        self.assertEqual(reply.status, 200, reply.text)
        return "".join(line["message"]["content"] if "message" in line else line["response"]
                       for line in reply.lines)

    def test_answers_are_ours(self):
        ours, theirs = self.ask("/api/chat", messages=STORY)
        self.assertGreater(len(theirs.lines), 2)
        self.assertEqual(self.text(theirs), self.text(ours))
        last, own = theirs.lines[-1], ours.lines[-1]
        self.assertEqual((last["done_reason"], last["eval_count"], last["prompt_eval_count"]),
                         (own["done_reason"], own["eval_count"], own["prompt_eval_count"]))
        ours, theirs = self.ask("/api/generate", prompt="Name a colour.", stream=False)
        self.assertEqual(self.text(theirs), self.text(ours))
        self.assertTrue(theirs.json["context"])
        ours, theirs = self.ask("/api/generate", prompt="The fox", raw=True, stream=False)
        self.assertEqual(self.text(theirs), self.text(ours))
        ours, theirs = self.ask("/api/chat", messages=STORY, logprobs=True, top_logprobs=2,
                                stream=False)
        self.assertEqual([one["token"] for one in theirs.json["logprobs"]],
                         [one["token"] for one in ours.json["logprobs"]])

    def test_forms_are_followed(self):
        long = {"num_predict": 60}
        reply = self.stock.post("/api/chat", {
            "model": "card", "messages": [{"role": "user", "content": "Describe Ann as JSON."}],
            "format": PERSON, "stream": False, "options": {**FEW, **long}})
        self.assertEqual(set(json.loads(self.text(reply))), {"name", "age"})
        reply = self.stock.post("/api/generate", {
            "model": "card", "prompt": "Ann is", "raw": True, "format": PERSON, "stream": False,
            "options": {**FEW, **long}})
        self.assertEqual(set(json.loads(self.text(reply))), {"name", "age"})
        # Ollama's own grammar for JSON.
        reply = self.stock.post("/api/generate", {
            "model": "card", "prompt": "Ann as JSON:", "raw": True, "format": "json",
            "stream": False, "options": FEW})
        self.assertEqual(self.text(reply).lstrip()[:1], "{")

    def test_commands(self):
        for words, expected in ((("run", "card", "Name a colour."), ""), (("list",), "card:latest"),
                                (("ps",), "100% GPU"), (("show", "card"), "2048"),
                                (("stop", "card"), "")):
            code, out, err = stock_ollama.command(OLLAMA, self.stock.addresses[0], *words)
            self.assertEqual(code, 0, err)
            self.assertIn(expected, out)
        wait_until(lambda: shims(self.stock) == [], "the shim is gone")
        wait_until(lambda: self.ours.loaded() == [], "and with it the model")

    def test_errors_are_ours(self):
        ours, theirs = self.ask("/api/chat", messages=STORY, format={"type": "nothing"})
        self.assertEqual(theirs.status, 400, theirs.text)
        self.assertEqual(theirs.error, ours.error)
        ours, theirs = self.ask("/api/chat", messages=STORY, think=True)
        self.assertEqual((theirs.status, "does not support thinking" in theirs.error),
                         (ours.status, True))

    def test_a_client_that_goes_ends_the_work(self):
        stream = self.stock.stream("/api/chat", {"model": "card", "messages": STORY,
                                                 "options": {"num_predict": 1000}})
        self.assertFalse(stream.line()["done"])
        stream.close()
        self.assertEqual(self.ours.generate("The fox", options=FEW).status, 200)


class Embeddings(unittest.TestCase):
    def test_vectors_are_ours(self):
        texts = ["A fox lives in the forest.", "The sea is wide."]
        with tempfile.TemporaryDirectory(prefix="axmodels", dir=link_folder()) as root:
            embedding_models.build(os.path.join(root, "smollm2", "embed"))
            with Server(models=(root,)) as ours:
                stock = stock_ollama.Stock(OLLAMA, {"AXOLLAMA_SERVER": ours.addresses[0]}, SHIM)
                os.makedirs(stock.store)
                made = stock_ollama.script("llama-server-model.py", "smollm2:embed", "vectors",
                                           env=stock.env)
                self.assertEqual(made.returncode, 0, made.stderr)
                with stock:
                    own = ours.post("/api/embed", {"model": "smollm2:embed", "input": texts})
                    theirs = stock.post("/api/embed", {"model": "vectors", "input": texts})
                    self.assertEqual((own.status, theirs.status), (200, 200), theirs.text)
                    self.assertEqual(theirs.json["prompt_eval_count"],
                                     own.json["prompt_eval_count"])
                    for a, b in zip(own.json["embeddings"], theirs.json["embeddings"],
                                    strict=True):
                        self.assertEqual(len(a), len(b))
                        self.assertLess(max(abs(x - y) for x, y in zip(a, b)), 1e-6)
                    refused = stock.post("/api/embed", {"model": "vectors", "truncate": False,
                                                        "input": "fox " * 3000})
                    self.assertEqual(refused.status, 400)
                    self.assertIn("context length", refused.error)


class Ends(unittest.TestCase):
    def stock_before(self, ours):
        """A stock Ollama, not running yet, that has our server's model as "card"."""
        stock_ollama.make_brief(ours)
        stock = stock_ollama.Stock(OLLAMA, {"AXOLLAMA_SERVER": ours.addresses[0]}, SHIM)
        self.addCleanup(shutil.rmtree, stock.folder, True)
        os.makedirs(stock.store)
        if os.geteuid() == 0:
            os.chown(stock.store, 4711, 4712)
        made = stock_ollama.script("llama-server-model.py", BRIEF, "card", env=stock.env)
        self.assertEqual(made.returncode, 0, made.stderr)
        return stock

    def ask(self, stock):
        question = {"model": "card", "prompt": "Hi", "options": FEW, "stream": False}
        self.assertEqual(stock.post("/api/generate", question).status, 200)

    def test_killed_it_leaves_nothing(self):
        with Server() as ours, self.stock_before(ours) as stock:
            self.ask(stock)
            self.assertEqual(ours.loaded(), [BRIEF])
            loaded_mb = card_memory_mb(ours.env)
            [shim] = shims(stock)
            os.kill(shim, 9)
            wait_until(lambda: ours.loaded() == [], "the model is unloaded")
            wait_until(lambda: children(ours.pid, "runner") == [], "its runner has ended")
            self.assertLess(card_memory_mb(ours.env), loaded_mb - 150)  # of its 175
            self.ask(stock)  # and the next request starts over

    def test_without_ollama_or_without_us(self):
        with Server() as ours, self.stock_before(ours) as stock:
            self.ask(stock)
            stock.kill()
            wait_until(lambda: shims(stock) == [], "a killed Ollama leaves no shim")
            wait_until(lambda: ours.loaded() == [], "and no model on the card")
        missing = stock_ollama.script("llama-server-model.py", BRIEF, env=stock.env)
        self.assertEqual(missing.returncode, 1)
        self.assertTrue(missing.stderr.startswith("error: "), missing.stderr)

    @unittest.skipIf(os.geteuid() != 0, "only root makes what is another user's")
    def test_what_root_makes_is_the_store_owners(self):
        with Server() as ours:
            stock = self.stock_before(ours)
        below = [os.path.join(folder, name) for folder, folders, files in os.walk(stock.store)
                 for name in folders + files]
        self.assertGreater(len(below), 6)
        for path in below:
            about = os.stat(path)
            self.assertEqual((about.st_uid, about.st_gid), (4711, 4712), path)

    def test_no_server_is_told(self):
        with Server() as ours:
            stock = self.stock_before(ours)
        with stock:
            reply = stock.post("/api/generate", {"model": "card", "prompt": "Hi"})
            self.assertEqual(reply.status, 500)
            self.assertIn("cannot connect to " + ours.addresses[0], reply.error)


if __name__ == "__main__":
    unittest.main()

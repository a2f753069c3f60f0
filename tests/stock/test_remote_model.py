"""integrations/stock-ollama/remote-model.sh: a stock Ollama serves a model of ours as a remote
model."""
import unittest

import stock_ollama
from harness import Server
from stock_ollama import BRIEF

OLLAMA = stock_ollama.program()
STORY = [{"role": "user", "content": "Tell me a story about a fox."}]
FEW = {"temperature": 0, "num_predict": 8}


def make(ours, stock, *words):
    return stock_ollama.script("remote-model.sh", *words, env={
        **stock.env, "OLLAMA_HOST": stock.addresses[0],
        "AXOLLAMA_SERVER": "http://" + ours.addresses[0]})


class RemoteModel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.ours = Server().__enter__()
        cls.addClassCleanup(cls.ours.end)
        stock_ollama.make_brief(cls.ours)
        cls.stock = stock_ollama.Stock(OLLAMA, {"OLLAMA_REMOTES": "127.0.0.1,ollama.com"})
        cls.stock.__enter__()
        cls.addClassCleanup(cls.stock.end)
        made = make(cls.ours, cls.stock, BRIEF, "card")
        assert made.returncode == 0, made.stderr
        cls.said = made.stdout

    def test_it_is_made_and_described(self):
        self.assertEqual(self.said, f"card is served by http://{self.stock.addresses[0]} from "
                                    f"http://{self.ours.addresses[0]}\n")
        self.assertEqual(make(self.ours, self.stock, BRIEF, "card").returncode, 0)  # once more
        theirs = self.stock.post("/api/show", {"model": "card"}).json
        ours = self.ours.post("/api/show", {"model": BRIEF}).json
        self.assertEqual(theirs["remote_model"], BRIEF)
        self.assertEqual(theirs["capabilities"], ours["capabilities"])
        for key in ("family", "parameter_size", "quantization_level"):
            self.assertEqual(theirs["details"][key], ours["details"][key])
        self.assertEqual(theirs["model_info"]["llama.context_length"], 2048)

    def test_answers_are_ours(self):
        for path, body, text in (
                ("/api/chat", {"messages": STORY}, lambda line: line["message"]["content"]),
                ("/api/generate", {"prompt": "Name a colour."}, lambda line: line["response"])):
            for stream in (True, False):
                with self.subTest(path=path, stream=stream):
                    request = {"stream": stream, "options": FEW, **body}
                    ours = self.ours.post(path, {"model": BRIEF, **request})
                    theirs = self.stock.post(path, {"model": "card", **request})
                    self.assertEqual(theirs.status, 200, theirs.text)
                    self.assertEqual([text(line) for line in theirs.lines],
                                     [text(line) for line in ours.lines])
                    self.assertEqual(theirs.lines[-1]["eval_count"], ours.lines[-1]["eval_count"])
        code, out, err = stock_ollama.command(OLLAMA, self.stock.addresses[0], "run", "card",
                                              "Name a colour.")
        self.assertEqual(code, 0, err)
        self.assertTrue(out.strip())

    def test_errors_are_ours(self):
        ours = self.ours.post("/api/chat", {"model": BRIEF, "messages": STORY, "think": True})
        theirs = self.stock.post("/api/chat", {"model": "card", "messages": STORY, "think": True})
        self.assertEqual((theirs.status, theirs.error), (ours.status, ours.error))

    def test_what_does_not_work_is_told(self):
        missing = make(self.ours, self.stock, "nosuch")
        self.assertEqual(missing.returncode, 1)
        self.assertIn("model 'nosuch' not found", missing.stderr)
        self.assertEqual(make(self.ours, self.stock).returncode, 2)
        with stock_ollama.Stock(OLLAMA) as closed:
            refused = make(self.ours, closed, BRIEF)
            self.assertEqual(refused.returncode, 1)
            self.assertIn("OLLAMA_REMOTES=127.0.0.1,ollama.com", refused.stderr)


if __name__ == "__main__":
    unittest.main()

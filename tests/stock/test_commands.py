"""The stock commands against `axollama serve`, and a stock server as its upstream."""
import os
import tempfile
import unittest

import stock_ollama
from harness import MODEL, Server, clean_environment, wait_until
from stock_ollama import BRIEF
from terminal import Terminal
from tiny_gguf import tiny_gguf

OLLAMA = stock_ollama.program()


class Commands(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.server.__enter__()
        cls.addClassCleanup(cls.server.end)
        stock_ollama.make_brief(cls.server)

    def run_command(self, *words, **kwargs):
        code, out, err = stock_ollama.command(OLLAMA, self.server.addresses[0], *words, **kwargs)
        self.assertEqual(code, 0, err)
        return out

    def rows(self, *words):
        head, *rows = self.run_command(*words).splitlines()
        return head.split(), [row.split() for row in rows]

    def test_list_run_ps_show_stop(self):
        head, rows = self.rows("list")
        self.assertEqual(head, ["NAME", "ID", "SIZE", "MODIFIED"])
        [digest] = [model["digest"] for model in self.server.get("/api/tags").json["models"]
                    if model["name"] == MODEL]
        self.assertIn([MODEL, digest[:12]], [row[:2] for row in rows])
        said = self.run_command("run", BRIEF, "Name a colour.")
        self.assertTrue(said.strip())
        self.assertEqual(self.run_command("run", BRIEF, stdin="Name a colour."), said)
        head, rows = self.rows("ps")
        self.assertEqual(head, ["NAME", "ID", "SIZE", "PROCESSOR", "CONTEXT", "UNTIL"])
        self.assertEqual(rows[0][0], BRIEF)
        self.assertIn("100% GPU", self.run_command("ps"))
        shown = self.run_command("show", MODEL)
        for word in ("architecture", "llama", "context length", "2048", "Capabilities",
                     "completion"):
            self.assertIn(word, shown)
        self.assertIn("FROM " + MODEL, self.run_command("show", MODEL, "--modelfile"))
        self.run_command("stop", BRIEF)
        wait_until(lambda: self.server.loaded() == [], "the model is unloaded")

    def test_cp_create_rm(self):
        self.run_command("cp", MODEL, "twin")
        with tempfile.TemporaryDirectory(prefix="axstock") as folder:
            with open(os.path.join(folder, "Modelfile"), "w") as file:
                file.write('FROM twin\nSYSTEM "Answer in one word."\nPARAMETER temperature 0\n')
            self.run_command("create", "short", "-f", "Modelfile", cwd=folder)
        shown = self.server.post("/api/show", {"model": "short"}).json
        self.assertEqual(shown["system"], "Answer in one word.")
        self.assertIn("temperature", shown["parameters"])
        self.run_command("rm", "short", "twin")
        names = [model["name"] for model in self.server.get("/api/tags").json["models"]]
        self.assertFalse({"short:latest", "twin:latest"} & set(names))

    def test_a_file_pull_push(self):
        with tempfile.TemporaryDirectory(prefix="axstock") as folder:
            for name, data in (("tiny.gguf", tiny_gguf(9)), ("Modelfile", b"FROM ./tiny.gguf\n")):
                with open(os.path.join(folder, name), "wb") as file:
                    file.write(data)
            for words in ((), ("-q", "q4_0")):  # the file is brought each time: it is in the model
                self.run_command("create", "tiny", "-f", "Modelfile", *words, cwd=folder)
        self.assertIn("S4", self.run_command("show", "tiny"))
        self.assertEqual(self.server.generate("ab", model="tiny").status, 200)
        self.run_command("pull", "tiny")  # it is as new as it can be
        code, _, err = stock_ollama.command(OLLAMA, self.server.addresses[0], "push", "tiny")
        self.assertEqual(code, 1)
        self.assertIn("no ollama.com account", err)
        self.run_command("rm", "tiny")

    def test_a_chat(self):
        with tempfile.TemporaryDirectory(prefix="axstock") as folder:
            env = {**clean_environment(folder), "OLLAMA_HOST": self.server.addresses[0],
                   "TERM": "xterm"}
            chat = Terminal([OLLAMA, "run", BRIEF], env)
            self.addCleanup(chat.kill)
            for line, answer in (("Name a colour.", " "),
                                 ("/set parameter num_predict 4", "Set parameter 'num_predict' to '4'"),
                                 ("/set system Be brief.", "Set system message."),
                                 ("/set nothink", "Set 'nothink' mode."),
                                 ("And another one.", " "),
                                 ("/save kept", "Created new model 'kept'"),
                                 ("/load kept", "Loading model 'kept'"),
                                 ("/show system", "Be brief.")):
                chat.until(">>> ")
                chat.type(line + "\r")
                chat.until(line.split()[-1])
                chat.until(answer)
            chat.until(">>> ")
            chat.type("/bye\r")
            self.assertEqual(chat.end(), 0)
        kept = self.server.post("/api/show", {"model": "kept"}).json
        self.assertEqual(kept["system"], "Be brief.")
        self.assertRegex(kept["parameters"], r"(?m)^num_predict +4$")
        self.assertEqual([message["role"] for message in kept["messages"]],
                         ["user", "assistant", "system", "user", "assistant"])
        self.run_command("rm", "kept")

    def test_what_is_not_there(self):
        for word, says in (("show", "model 'nosuch' not found"), ("rm", "model 'nosuch' not found"),
                           ("stop", "couldn't find model \"nosuch\" to stop")):
            code, _, err = stock_ollama.command(OLLAMA, self.server.addresses[0], word, "nosuch")
            self.assertEqual(code, 1, word)
            self.assertIn(says, err)


class StockUpstream(unittest.TestCase):
    """ours -> stock -> another one of ours, under a name that only the stock Ollama has."""

    def test_models_of_a_stock_ollama_come_through(self):
        with Server() as back, \
                stock_ollama.Stock(OLLAMA, {"OLLAMA_REMOTES": "127.0.0.1"}) as stock:
            made = stock_ollama.script("remote-model.sh", MODEL, "far", env={
                **stock.env, "OLLAMA_HOST": stock.addresses[0],
                "AXOLLAMA_SERVER": back.addresses[0]})
            self.assertEqual(made.returncode, 0, made.stderr)
            with Server(models=(), env={"AXOLLAMA_UPSTREAM": stock.addresses[0]}) as front:
                code, out, err = stock_ollama.command(OLLAMA, front.addresses[0], "list")
                self.assertEqual(code, 0, err)
                self.assertIn("far:latest", out)
                options = {"temperature": 0, "num_predict": 8}
                story = [{"role": "user", "content": "Tell me a story."}]
                body = {"messages": story, "options": options}
                near = back.post("/api/chat", {"model": MODEL, **body}).lines
                far = front.post("/api/chat", {"model": "far", **body})
                self.assertEqual(far.status, 200, far.text)
                self.assertEqual(far.headers["Content-Type"], "application/x-ndjson")
                self.assertEqual([line["message"]["content"] for line in far.lines],
                                 [line["message"]["content"] for line in near])
                self.assertEqual(far.lines[0]["remote_model"], MODEL)
                events = front.post("/v1/chat/completions", {
                    "model": "far", "messages": story, "stream": True, "max_tokens": 4})
                self.assertEqual(events.status, 200, events.text)
                self.assertTrue(events.text.endswith("data: [DONE]\n\n"))
                missing = front.post("/api/chat", {"model": "nosuch", **body})
                self.assertEqual((missing.status, missing.error), (404, "model 'nosuch' not found"))


if __name__ == "__main__":
    unittest.main()

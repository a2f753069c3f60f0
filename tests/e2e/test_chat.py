"""The chat of `axollama run`: what is said is kept, lines are edited, and it becomes a model."""
import os
import subprocess
import tempfile
import unittest

from harness import LONG, MODEL, PROGRAM, Server, clean_environment
from terminal import Terminal

GREEDY = ("--option", "temperature=0", "--option", "num_predict=8")


class Chat(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="axchat")
        self.addCleanup(folder.cleanup)
        self.env = clean_environment(folder.name)
        self.server = Server()
        self.addCleanup(self.server.end)
        self.server.start()
        self.env.update(OLLAMA_HOST=self.server.addresses[0], TERM="xterm")

    def chat(self, model=MODEL, *words):
        chat = Terminal([PROGRAM, "run", model, *GREEDY, *words], self.env)
        self.addCleanup(chat.kill)
        chat.until(">>> ")
        return chat

    @staticmethod
    def say(chat, line, answer="\n"):
        """Types a line; what follows `answer` until the next prompt."""
        chat.type(line + "\n")
        chat.until(line + "\r\n")
        chat.until(answer)
        return chat.until(">>> ")

    def show(self, model):
        return self.server.post("/api/show", {"model": model}).json

    def test_the_talk_is_kept(self):
        leader, follower = os.openpty()
        chat = subprocess.Popen([PROGRAM, "run", MODEL, "--verbose", *GREEDY], env=self.env,
                                stdin=follower, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True)
        os.close(follower)
        os.write(leader, b"Say hello.\nAnd again.\n/bye\n")
        out, errors = chat.communicate(timeout=LONG)
        os.close(leader)
        self.assertEqual(chat.returncode, 0, errors)
        self.assertEqual(out.count(">>> "), 3)
        counts = [int(line.split()[3]) for line in errors.splitlines()
                  if line.startswith("prompt eval count:")]
        self.assertEqual(len(counts), 2, errors)
        self.assertGreater(counts[1], counts[0])

    def test_on_a_terminal(self):
        """A person at a terminal: lines are edited, Ctrl-C stops an answer, settings count."""
        chat = self.chat()
        chat.type("/set nonsense\n")
        chat.until("error: there is no /set nonsense")
        chat.until(">>> ")
        chat.type("/set parameter num_predict 2000\n")
        chat.until("num_predict is 2000")
        chat.until(">>> ")
        chat.type("Write a very long story about a lighthouse.\n")
        chat.until("lighthouse.\r\n")
        chat.until(" ")  # it answers
        chat.type("\x03")
        chat.until(">>> ")
        chat.type("/set parameter num_predict 4\n")
        chat.until("num_predict is 4")
        chat.until(">>> ")
        chat.type("/set verbose\n")
        chat.until(">>> ")
        chat.type('"""Name\n')
        chat.until("... ")
        chat.type('a colour."""\n')
        chat.until("eval count:           4 token(s)")
        chat.until(">>> ")
        chat.type("\x03")
        chat.until("/bye or Ctrl-D ends the chat.")
        chat.until(">>> ")
        chat.type("\x04")
        self.assertEqual(chat.end(), 0)
        history = os.path.join(self.env["HOME"], ".local/state/axollama/history")
        self.assertEqual(os.stat(history).st_mode & 0o777, 0o600)
        with open(history) as file:
            self.assertIn("/set verbose\n", file.readlines())

    def test_what_was_said_is_forgotten(self):
        chat = self.chat(MODEL, "--verbose")

        def prompt_tokens(line):
            words = self.say(chat, line, "prompt eval count:")
            return int(words.split()[0])

        first = prompt_tokens("Say hello.")
        self.assertGreater(prompt_tokens("Say hello."), first)
        chat.type("/clear\n")
        chat.until("what was said is forgotten")
        chat.until(">>> ")
        self.assertEqual(prompt_tokens("Say hello."), first)

    def test_a_model_is_shown(self):
        chat = self.chat()
        for command, shown in (("/show", "architecture"), ("/show parameters", "set in this chat:"),
                               ("/show template", "<|im_start|>"),
                               ("/show license", "the model has no license"),
                               ("/show nonsense", "error: there is no /show nonsense")):
            chat.type(command + "\n")
            chat.until(shown)
            chat.until(">>> ")
        chat.type("/set system Be brief.\n")
        chat.until(">>> ")
        chat.type("/show system\n")
        chat.until("/show system\r\n")
        self.assertIn("Be brief.", chat.until(">>> "))

    def test_a_chat_is_saved_as_a_model_and_loaded(self):
        chat = self.chat()
        self.say(chat, "/set system You are a lighthouse.", "the system message is set")
        self.say(chat, "/set parameter seed 7", "seed is 7")
        self.say(chat, "Say hello.")
        self.say(chat, "/save keeper", "saved as keeper")
        kept = self.show("keeper")
        self.assertEqual(kept["system"], "You are a lighthouse.")
        self.assertRegex(kept["parameters"], r"(?m)^seed +7$")
        self.assertEqual([message["role"] for message in kept["messages"]], ["user", "assistant"])
        self.assertEqual(kept["messages"][0]["content"], "Say hello.")
        answer = kept["messages"][1]["content"]

        # What was said is shown again, and the model is asked with it.
        screen = self.say(chat, "/load keeper", "Say hello.\r\n")
        self.assertIn(answer.split()[0], screen)
        self.say(chat, "/set verbose")
        screen = self.say(chat, "And again.", "prompt eval count:")
        count = int(screen.partition("token(s)")[0])
        plain = self.server.post("/api/chat", {
            "model": MODEL, "stream": False, "options": {"num_predict": 1},
            "messages": [{"role": "system", "content": "You are a lighthouse."},
                         *kept["messages"], {"role": "user", "content": "And again."}]})
        self.assertEqual(count, plain.json["prompt_eval_count"])

        # Saved again, all of it is there.
        self.say(chat, "/save keeper:2", "saved as keeper:2")
        said = [message["content"] for message in self.show("keeper:2")["messages"]]
        self.assertEqual(said[:3], ["Say hello.", answer, "And again."])
        self.assertEqual(len(said), 4)

        # A model that is not there leaves the chat as it was.
        self.say(chat, "/load nope", "error: model 'nope' not found")
        self.say(chat, "/save", "error: /save wants a name")
        self.say(chat, "/load", "error: /load wants a model's name")
        self.say(chat, "/save ../x", "error: ")
        self.say(chat, "Once more.", "eval rate:")
        self.say(chat, "/save keeper:3", "saved as keeper:3")
        self.assertEqual(len(self.show("keeper:3")["messages"]), 6)
        chat.type("/bye\n")
        self.assertEqual(chat.end(), 0)


if __name__ == "__main__":
    unittest.main()

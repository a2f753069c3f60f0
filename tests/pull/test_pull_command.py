"""`axollama pull` as a person uses it: what it shows, what it says when it fails, Ctrl-C."""
import json
import re
import tempfile
import unittest

from hub_test import NAME, HubTest

from harness import PROGRAM, clean_environment, run, wait_until
from terminal import Terminal


class PullCommandTest(HubTest):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory(prefix="axpull")
        self.addCleanup(folder.cleanup)
        self.env = {**clean_environment(folder.name), "TERM": "xterm"}
        self.server = self.serve()
        self.env["OLLAMA_HOST"] = self.server.addresses[0]

    def names(self):
        return [model["name"] for model in self.server.get("/api/tags").json["models"]]

    def assert_fails(self, name, *words):
        code, out, errors = run("pull", name, env=self.env)
        self.assertEqual((code, out), (1, ""), errors)
        self.assertEqual(self.names(), [])
        last = errors.splitlines()[-1]
        self.assertTrue(last.startswith("error: "), errors)
        for word in words:
            self.assertIn(word, last)

    def test_lines_where_there_is_no_terminal(self):
        code, out, errors = run("pull", NAME, env=self.env)
        self.assertEqual((code, out), (0, ""), errors)
        lines = errors.splitlines()
        self.assertEqual(lines[0], "pulling manifest")
        self.assertEqual(lines[-3:], ["verifying sha256 digest", "writing manifest", "success"])
        tenths = [re.fullmatch(r"pulling [0-9a-f]{12}: (\d+)% of \d+(\.\d)? MB", line)
                  for line in lines[1:-3]]
        self.assertNotIn(None, tenths, errors)
        shares = [int(match[1]) for match in tenths]
        self.assertEqual((shares, shares[-1]), (sorted(set(shares)), 100))
        self.assertEqual(self.names(), [NAME + ":latest"])

        self.hub.asked.clear()
        code, out, errors = run("pull", NAME, env=self.env)
        self.assertEqual((code, out), (0, ""))
        self.assertTrue(errors.endswith("writing manifest\nsuccess\n"), errors)
        self.assertEqual(self.hub.files_asked(), [])

    def test_the_servers_lines_as_json(self):
        code, out, errors = run("pull", NAME, "--json", env=self.env)
        self.assertEqual((code, errors), (0, ""))
        lines = [json.loads(line) for line in out.splitlines()]
        self.assertEqual((lines[0]["status"], lines[-1]["status"]), ("pulling manifest", "success"))
        total = sum(len(content) for content in self.bundle.values())
        self.assertEqual([line for line in lines if "digest" in line][-1]["completed"], total)

    def test_a_bar_on_a_terminal(self):
        command = Terminal([PROGRAM, "pull", NAME], self.env)
        self.addCleanup(command.kill)
        command.until("pulling manifest")
        command.until("100% [")
        self.assertRegex(command.until("\r\n"), r"^=+\] \d+(\.\d)? MB/\d+(\.\d)? MB$")
        for word in ("verifying sha256 digest", "writing manifest", "success"):
            command.until(word)
        self.assertEqual(command.end(), 0)

    def test_ctrl_c_ends_it_and_the_next_goes_on(self):
        reached, closed = self.hold_the_table()
        command = Terminal([PROGRAM, "pull", NAME], self.env)
        self.addCleanup(command.kill)
        self.assertTrue(reached.wait(60))
        wait_until(lambda: len(set(self.hub.files_asked())) == len(self.bundle), "all are asked for")
        command.until("pulling manifest")
        command.type("\x03")
        self.assertEqual(command.end(), 130)
        self.assertNotIn("error", command.screen)
        self.assertTrue(closed.wait(60))
        self.assertEqual(self.names(), [])
        self.hub.fault = None
        self.hub.asked.clear()
        self.assertEqual(run("pull", NAME, env=self.env)[0], 0)
        self.assertLess(len(self.hub.files_asked()), len(self.bundle))

    def test_failures(self):
        for name in ("nothing:1b", NAME + "-other"):
            self.assert_fails(name, "pull model manifest: file does not exist")
        self.assert_fails("../x", "invalid model name")
        self.assertEqual(run("pull", env=self.env)[0], 2)

        def fault(handler, path):
            if not path.endswith("config.json"):
                return False
            handler.send(200, self.bundle["config.json"].replace(b"llama", b"lla_a"))
            return True

        self.hub.fault = fault
        self.assert_fails(NAME, "config.json: digest mismatch")

    def test_a_server_that_ends_meanwhile(self):
        reached, _ = self.hold_the_table()
        command = Terminal([PROGRAM, "pull", NAME], self.env)
        self.addCleanup(command.kill)
        self.assertTrue(reached.wait(60))
        command.until("pulling manifest")
        self.server.process.kill()
        self.server.process.wait()
        command.until("error: ")
        self.assertEqual(command.end(), 1)

    def test_without_a_server_it_starts_one(self):
        env = {**self.env, **self.hub_environment(), "OLLAMA_HOST": "127.0.0.1:1"}
        code, out, errors = run("pull", NAME, env=env)
        self.assertEqual((code, out), (0, ""), errors)
        self.assertTrue(errors.endswith("success\n"), errors)
        self.assertIn(NAME, run("list", env=env)[1])


if __name__ == "__main__":
    unittest.main()

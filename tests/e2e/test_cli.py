"""The commands as a person uses them: answers, lists, errors, exit codes, Ctrl-C."""
import http.server
import json
import os
import signal
import subprocess
import tempfile
import threading
import unittest

from harness import (LONG, MODEL, MODELS, PROGRAM, Server, clean_environment, processes, run,
                     wait_until)
from tiny_gguf import tiny_gguf

GREEDY = ("--option", "temperature=0", "--option", "num_predict=8")
QUESTION = "Name a colour."


class Cli(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="axcli")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.env = clean_environment(self.folder)
        # Nothing listens there: port 1 is reserved.
        self.env.update(AXOLLAMA_MODELS=MODELS, OLLAMA_HOST="127.0.0.1:1")

    def left_behind(self):
        """Processes of ours that still know this test's folder."""
        mine = []
        for pid in processes():
            try:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    if self.folder.encode() in file.read():
                        mine.append(pid)
            except OSError:
                continue
        return mine

    def assert_all_gone(self):
        wait_until(lambda: not self.left_behind(), "every process of the command has ended")

    def assert_fails(self, result, code, *words):
        status, _, errors = result
        self.assertEqual(status, code, errors)
        lines = [line for line in errors.splitlines() if line.startswith("error: ")]
        self.assertEqual(len(lines), 1, errors)
        for word in words:
            self.assertIn(word, lines[0])

    def test_run_starts_a_server_of_its_own_and_says_so(self):
        code, answer, errors = run("run", MODEL, *GREEDY, QUESTION, env=self.env)
        self.assertEqual(code, 0, errors)
        self.assertTrue(answer.strip())
        self.assertIn("no server answers at 127.0.0.1:1", errors)
        self.assert_all_gone()
        # The same answer without being asked for the server, with speeds, and from a folder.
        folder = os.path.join(MODELS, "smollm2", "135m")
        for words in ((MODEL, "--own-server", "--verbose"), (folder, "--verbose")):
            code, again, errors = run("run", *words, *GREEDY, QUESTION, env=self.env)
            self.assertEqual((code, again), (0, answer), errors)
            self.assertNotIn("no server", errors)
            self.assertIn("eval rate:", errors)
        self.assert_all_gone()

    def test_run_reads_standard_input_and_raw_prompts(self):
        done = subprocess.run([PROGRAM, "run", MODEL, "--own-server", *GREEDY], env=self.env,
                              input=QUESTION, text=True, capture_output=True, timeout=LONG)
        self.assertEqual(done.returncode, 0, done.stderr)
        templated = run("run", MODEL, "--own-server", *GREEDY, QUESTION, env=self.env)[1]
        self.assertEqual(done.stdout, templated)
        raw = run("run", MODEL, "--own-server", "--raw", *GREEDY, "The capital of France is",
                  env=self.env)
        self.assertIn("Paris", raw[1])

    def test_commands_use_a_server(self):
        with Server() as server:
            env = {**self.env, "OLLAMA_HOST": server.addresses[0], "AXOLLAMA_MODELS": "/nowhere"}
            code, out, errors = run("run", MODEL, *GREEDY, QUESTION, env=env)
            self.assertEqual((code, errors), (0, ""), errors)
            self.assertEqual(server.loaded(), [MODEL])
            code, out, _ = run("list", env=env)
            self.assertEqual(code, 0)
            self.assertRegex(out.splitlines()[0], r"^NAME +ID +SIZE +MODIFIED$")
            self.assertRegex(out, rf"(?m)^{MODEL} +[0-9a-f]{{12}} +\d+ MB +\d+ \w+ ago")
            code, out, _ = run("ps", env=env)
            self.assertEqual(code, 0)
            self.assertRegex(out, rf"(?m)^{MODEL} .*100% NPU +2048 +\d+ \w+ from now$")
            code, out, _ = run("show", MODEL, env=env)
            self.assertEqual(code, 0)
            self.assertRegex(out, r"(?m)^    architecture +llama$")
            self.assertRegex(out, r"(?m)^    completion$")
            template = run("show", MODEL, "--template", env=env)[1]
            self.assertEqual(template.strip(),
                             server.post("/api/show", {"model": MODEL}).json["template"].strip())
            for command, path in (("list", "/api/tags"), ("ps", "/api/ps")):
                said = json.loads(run(command, "--json", env=env)[1])
                self.assertEqual([model["name"] for model in said["models"]],
                                 [model["name"] for model in server.get(path).json["models"]])
            self.assertIn("model_info", json.loads(run("show", MODEL, "--json", env=env)[1]))
            self.assertEqual(len(run("list", "SmolLM2:1", env=env)[1].splitlines()), 2)
            self.assertEqual(len(run("list", "other", env=env)[1].splitlines()), 1)
            code, out, errors = run("stop", MODEL, env=env)
            self.assertEqual((code, out, errors), (0, "", ""))
            wait_until(lambda: not server.loaded(), "the model is unloaded")
            self.assert_fails(run("stop", "nope", env=env), 1, "model 'nope' not found")
            self.assert_fails(run("show", "nope", env=env), 1, "model 'nope' not found")

    def test_a_file_becomes_a_model(self):
        for name, data in (("tiny.gguf", tiny_gguf(8)), ("Modelfile", b"FROM ./tiny.gguf\n")):
            with open(os.path.join(self.folder, name), "wb") as file:
                file.write(data)
        modelfile = os.path.join(self.folder, "Modelfile")
        with Server() as server:
            env = {**self.env, "OLLAMA_HOST": server.addresses[0]}
            for name, words, weights in (("tiny", (), "S8"), ("tiny4", ("-q", "q4_0"), "S4")):
                code, out, errors = run("create", name, "-f", modelfile, *words, env=env)
                self.assertEqual((code, out), (0, ""), errors)
                about = json.loads(run("show", name, "--json", env=env)[1])
                self.assertEqual(about["details"]["quantization_level"], weights)
                self.assertEqual(server.generate("ab", model=name).status, 200)

    def test_a_server_behind_a_path(self):
        seen = []

        class Proxy(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                seen.append(self.path)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b'{"models":[]}')

            def log_message(self, *_):
                pass

        with http.server.HTTPServer(("127.0.0.1", 0), Proxy) as proxy:
            thread = threading.Thread(target=proxy.serve_forever)
            thread.start()
            try:
                host = f"http://127.0.0.1:{proxy.server_port}/gate/ollama/"
                code, out, errors = run("list", env={**self.env, "OLLAMA_HOST": host})
            finally:
                proxy.shutdown()
                thread.join()
        self.assertEqual((code, errors, seen), (0, "", ["/gate/ollama/api/version", "/gate/ollama/api/tags"]))
        self.assertEqual(len(out.splitlines()), 1)

    def test_models_are_made_copied_and_removed(self):
        modelfile = os.path.join(self.folder, "Modelfile")
        with open(modelfile, "w") as file:
            file.write(f"FROM {MODEL}\nSYSTEM Be brief.\nPARAMETER temperature 0\n")
        with Server() as server:
            env = {**self.env, "OLLAMA_HOST": server.addresses[0]}
            code, out, errors = run("create", "mine", "-f", modelfile, env=env)
            self.assertEqual((code, out), (0, ""), errors)
            self.assertTrue(errors.endswith("success\n"), errors)
            self.assertEqual(run("show", "mine", "--system", env=env)[1], "Be brief.\n")
            self.assertIn("temperature", run("show", "mine", "--parameters", env=env)[1])
            self.assertEqual(run("cp", "mine", "other:x", env=env)[0], 0)
            names = [line.split()[0] for line in run("list", env=env)[1].splitlines()]
            self.assertIn("mine:latest", names)
            self.assertIn("other:x", names)
            self.assertEqual(run("rm", "mine", "other:x", env=env)[0], 0)
            self.assertEqual([model["name"] for model in server.get("/api/tags").json["models"]
                              if model["name"] in ("mine:latest", "other:x")], [])
            self.assert_fails(run("rm", "mine", env=env), 1, "mine")
            self.assert_fails(run("cp", "mine", "other", env=env), 1, "mine")
            code, out, errors = run("create", "again", "--json", "-f", modelfile, env=env)
            self.assertEqual((code, errors), (0, ""))
            self.assertEqual(json.loads(out.splitlines()[-1]), {"status": "success"})
            with open(modelfile, "w") as file:
                file.write("FROM ./missing.gguf\n")
            self.assert_fails(run("create", "mine", "-f", modelfile, env=env), 1, "missing.gguf")
            with open(modelfile, "w") as file:
                file.write("FORM x\n")
            self.assert_fails(run("create", "mine", "-f", modelfile, env=env), 1, "(line 1)")
            self.assert_fails(run("embed", MODEL, "text", env=env), 1)

    def test_lists_without_a_server(self):
        code, out, errors = run("list", env=self.env)
        self.assertEqual((code, errors), (0, ""))
        self.assertIn(MODEL, out)
        self.assert_all_gone()

    def test_completion_in_bash(self):
        names = subprocess.run(
            ["bash", "--norc", "-c",
             'eval "$(axollama completion bash)"\n'
             'complete_line() { COMP_LINE=$1 COMP_POINT=${#1}; COMPREPLY=(); _axollama; '
             'echo "${COMPREPLY[*]}"; }\n'
             'complete_line "axollama sh"; complete_line "axollama run --thi"; '
             'complete_line "axollama show smoll"; COMP_WORDBREAKS=:; '
             'complete_line "axollama run smollm2:135"'],
            env={**self.env, "PATH": os.path.dirname(PROGRAM) + ":" + self.env["PATH"]},
            capture_output=True, text=True, timeout=LONG)
        self.assertEqual(names.returncode, 0, names.stderr)
        commands, options, models, tags = names.stdout.splitlines()
        self.assertEqual((commands, options), ("show", "--think"))
        self.assertIn(MODEL, models.split())
        self.assertIn("135m", tags.split())
        self.assert_all_gone()

    def test_interrupt_ends_the_command_and_its_server(self):
        command = subprocess.Popen(
            [PROGRAM, "run", MODEL, "--own-server", "--option", "num_predict=2000",
             "--option", "ignored_option=1", "Write a very long story."],
            env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        self.assertTrue(command.stdout.read(1))  # it answers
        command.send_signal(signal.SIGINT)
        command.communicate(timeout=LONG)
        self.assertEqual(command.returncode, 130)
        self.assert_all_gone()

    def test_kill_of_the_command_ends_its_server(self):
        command = subprocess.Popen(
            [PROGRAM, "run", MODEL, "--own-server", "--option", "num_predict=2000", "A story."],
            env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)
        self.assertTrue(command.stdout.read(1))
        command.kill()
        command.communicate(timeout=LONG)
        self.assert_all_gone()

    def test_wrong_usage_and_failures(self):
        self.assert_fails(run("run", env=self.env), 2, "MODEL")
        self.assert_fails(run("run", MODEL, "--nonsense", env=self.env), 2)
        self.assert_fails(run("run", MODEL, "--option", "temperature", "x", env=self.env), 2,
                          "KEY=VALUE")
        self.assert_fails(run("run", "nope", "x", env=self.env), 1, "model 'nope' not found")
        self.assert_fails(run("run", "/no/such", "x", env=self.env), 1, "/no/such")
        self.assert_fails(run("run", MODEL, "--own-server", env=self.env), 1, "no prompt")
        self.assert_fails(run("ps", env=self.env), 1, "axollama serve")
        self.assert_fails(run("run", MODEL, "--format", "xml", "x", env=self.env), 2, "xml")
        self.assert_fails(run("run", MODEL, "--think=maybe", "x", env=self.env), 2, "maybe")
        self.assert_fails(run("show", MODEL, "--system", "--template", env=self.env), 2)
        self.assert_fails(run("completion", "tcsh", env=self.env), 2, "fish")
        self.assert_fails(run("create", "mine", "-f", "/no/Modelfile", env=self.env), 1,
                          "/no/Modelfile")
        code, _, errors = run("nonsense", env=self.env)
        self.assertEqual(code, 2)
        self.assertIn("nonsense", errors)
        for command in ("run", "list", "ps", "show", "stop", "pull", "create", "cp", "rm", "embed",
                        "completion", "catalog", "key", "serve", "runner", "warden", "bench",
                        "perplexity"):
            code, out, errors = run(command, "--help", env=self.env)
            self.assertEqual((code, errors), (0, ""), command)
            self.assertIn(command, out)
        self.assertEqual(run("--version", env=self.env)[0], 0)

    def test_a_dump_is_kept_until_there_are_new_lines(self):
        folder, dump = os.path.join(self.folder, "model"), os.path.join(self.folder, "dump")
        os.mkdir(folder)
        with open(dump, "w") as file:
            file.write("old lines\n" * 100)
        words = ("perplexity", "--window", "8", "--dump", dump)
        self.assert_fails(run(*words, folder, __file__, env=self.env), 1, "not a model folder")
        with open(dump) as file:
            self.assertEqual(file.read(), "old lines\n" * 100)
        text = os.path.join(self.folder, "text")
        with open(text, "w") as file:
            file.write("The quick brown fox.")
        code, _, errors = run(*words, MODEL, text, env=self.env)
        self.assertEqual(code, 0, errors)
        with open(dump) as file:
            lines = [json.loads(line) for line in file]
        self.assertGreater(len(lines), 3)

    def test_closed_and_full_standard_streams(self):
        for command in ("ps", "run nope x", "show", "runner --nonsense", "warden --nonsense",
                        "bench nope", "perplexity nope x", "serve --listen x", "nonsense", ""):
            for closed in ("<&- >&- 2>&-", "</dev/null >/dev/full 2>/dev/full"):
                code = subprocess.run(["sh", "-c", f"{PROGRAM} {command} {closed}"],
                                      env=self.env, timeout=LONG, check=False).returncode
                self.assertIn(code, (1, 2), f"{command} {closed}")
        self.assert_all_gone()
        for command in ("--version", "--help", "list --help"):
            done = subprocess.run(["sh", "-c", f"{PROGRAM} {command} >/dev/full"], env=self.env,
                                  stderr=subprocess.PIPE, timeout=LONG, text=True, check=False)
            self.assertEqual(done.returncode, 1, command)
            self.assertIn("standard output", done.stderr)

    def test_troubles_of_the_card_are_one_line(self):
        config = os.path.join(self.folder, "card.json")
        self.env["AXSIM_CONFIG"] = config
        for settings, words in (({"cards": []}, ["0x80300181"]),
                                ({"init_error": "0x8030010B"}, ["0x8030010B", "driver"]),
                                ({"cards": [{"id": 1, "cmm_mib": 100}]}, ["does not fit", "CMM"])):
            with open(config, "w", encoding="utf-8") as file:
                json.dump(settings, file)
            self.assert_fails(run("run", MODEL, "--own-server", "x", env=self.env), 1, *words)
        self.assert_all_gone()


if __name__ == "__main__":
    unittest.main()

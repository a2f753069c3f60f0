"""How the program starts, listens, and says that it cannot."""
import http.server
import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import unittest

from harness import LONG, MODEL, MODELS, PROGRAM, Server, run, wait_until


class Start(unittest.TestCase):
    def run_serve(self, *args, **env):
        with Server() as server:  # for a clean environment and a taken port
            return run("serve", *args, env={**server.env, **env})

    def assert_one_line(self, error):
        self.assertTrue(error.startswith("error: "), error)
        self.assertEqual(error.count("\n"), 1, error)

    def test_wrong_usage(self):
        for args in (("--nonsense",), ("--device", "gpu"), ("--listen",), ("extra",)):
            code, out, error = self.run_serve(*args)
            self.assertEqual((code, out), (2, ""), error)
            self.assert_one_line(error)
        code, _, error = self.run_serve(AXOLLAMA_REBOOT="perhaps")
        self.assertEqual(code, 2)
        self.assertIn("AXOLLAMA_REBOOT", error)

    def test_help(self):
        code, out, _ = self.run_serve("--help")
        self.assertEqual(code, 0)
        self.assertIn("--listen", out)

    def test_every_setting_is_documented(self):
        code, out, error = self.run_serve("--print-config", "--json", OLLAMA_MAX_QUEUE="7")
        self.assertEqual(code, 0, error)
        printed = json.loads(out)
        self.assertEqual(printed["settings"]["max_queue"]["value"], "7")
        with open(os.path.join(os.path.dirname(__file__), "../../docs/settings.md")) as file:
            page = file.read()
        for name, setting in printed["settings"].items():
            self.assertIn(f"`{name}`", page)
            for variable in setting["environment"][1:]:
                self.assertIn(f"`{variable}`", page)
        for variable in printed["unused_environment"]:
            self.assertIn(f"`{variable}`", page)

    def test_configuration_file(self):
        settings = {"keep_alive": "500ms", "models": [MODELS], "listen": "127.0.0.1:0"}
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(settings, file)
            file.flush()
            with Server(models=(), listen=False, args=("--config", file.name)) as server:
                self.assertEqual(len(server.addresses), 1)
                self.assertEqual(server.generate("Hi", options={"num_predict": 2}).status, 200)
                wait_until(lambda: not server.loaded(), "the idle model is unloaded")

    def test_taken_by_another_of_us(self):
        with Server() as server:
            server.health()
            code, _, error = run("serve", "--listen", server.addresses[0], env=server.env)
            self.assertEqual(code, 1)
            last = error.splitlines()[-1]
            self.assertIn(server.addresses[0], last)
            self.assertIn("another axollama", last)
            self.assertIn("--listen", last)

    def test_taken_by_ollama_or_a_stranger(self):
        for body, name in ((b"Ollama is running", "Ollama"), (b"hello", "another program")):
            class Other(http.server.BaseHTTPRequestHandler):
                def do_GET(self):
                    found = self.path == "/"
                    answer = body if found else b"404 page not found"
                    self.send_response(200 if found else 404)
                    self.send_header("Content-Length", str(len(answer)))
                    self.end_headers()
                    self.wfile.write(answer)

                def log_message(self, *args):
                    pass

            other = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Other)
            thread = threading.Thread(target=other.serve_forever)
            thread.start()
            try:
                address = f"127.0.0.1:{other.server_port}"
                code, _, error = self.run_serve(OLLAMA_HOST=address)
                self.assertEqual(code, 1)
                self.assertIn(name, error.splitlines()[-1])
            finally:
                other.shutdown()
                thread.join(LONG)
                other.server_close()

    def test_a_bad_address(self):
        code, _, error = self.run_serve("--listen", "127.0.0.1:notaport")
        self.assertEqual(code, 1)
        self.assertIn("notaport", error)

    def test_several_listeners(self):
        with Server(args=("--listen", "127.0.0.1:0", "--listen", "[::1]:0" if has_ipv6()
                          else "127.0.0.1:0")) as server:
            self.assertEqual(len(set(server.addresses)), 3)
            for address in server.addresses[:2]:
                self.assertEqual(server.get("/health", address=address).status, 200)

    def test_ollama_host(self):
        with Server(env={"OLLAMA_HOST": "http://127.0.0.1:0"}, listen=False) as server:
            self.assertEqual(len(server.addresses), 1)
            self.assertTrue(server.addresses[0].startswith("127.0.0.1:"))
            self.assertEqual(server.get("/").status, 200)

    def test_two_servers_share_a_runtime_folder(self):
        with Server() as first:
            runtime = first.env["AXOLLAMA_RUNTIME_DIR"]
            with Server(env={"AXOLLAMA_RUNTIME_DIR": runtime,
                             "AXSIM_STATE": first.env["AXSIM_STATE"]}) as second:
                for server in (first, second):
                    reply = server.generate("Hi", options={"num_predict": 4})
                    self.assertEqual(reply.status, 200, reply.text)
                self.assertEqual(len([name for name in os.listdir(runtime)
                                      if name.startswith("serve-")]), 2)
            reply = first.generate("Hi", options={"num_predict": 4})
            self.assertEqual(reply.status, 200, reply.text)

    def test_the_card_is_not_rebooted_under_another_server(self):
        with Server() as first:
            self.assertEqual(first.generate("Hi", options={"num_predict": 2}).status, 200)
            shared = {name: first.env[name] for name in ("AXOLLAMA_RUNTIME_DIR", "AXSIM_STATE")}
            with Server(env=shared) as second:
                self.assertEqual(second.generate("Hi", options={"num_predict": 2}).status, 200)
                runner, = second.runners()
                # The first one's model goes: what is left on the card is the second one's.
                first.unload()
                wait_until(lambda: not first.runners(), "the runner has ended")
                # It comes again and dies: its memory is lost, but the card is not ours alone.
                self.assertEqual(first.generate("Hi", options={"num_predict": 2}).status, 200)
                os.kill(first.runners()[0], signal.SIGKILL)
                wait_until(lambda: "not rebooting" in first.log_text(), "the ladder has ended")
                self.assertEqual(first.generate("Hi", options={"num_predict": 2}).status, 200)
                self.assertEqual(second.generate("Hi", options={"num_predict": 2}).status, 200)
                self.assertEqual(second.runners(), [runner])
                self.assertNotIn("rebooting the card", first.log_text() + second.log_text())

    def test_closed_stdin_and_few_descriptors(self):
        with Server() as server:
            env = dict(server.env, AXOLLAMA_RUNTIME_DIR=os.path.join(server.folder, "few"))
            read, write = os.pipe()
            process = subprocess.Popen(
                ["/bin/sh", "-c", 'ulimit -n 64; exec "$0" "$@" <&-', PROGRAM, "serve", "--listen",
                 "127.0.0.1:0", "--models", MODELS, "--ready-fd", str(write)],
                env=env, pass_fds=(write,), stderr=subprocess.PIPE)
            os.close(write)
            try:
                with os.fdopen(read) as ready:
                    address = ready.read().strip()
                self.assertTrue(address)
                body = ('{"model":"%s","prompt":"Hi","stream":false,"options":{"num_predict":2}}'
                        % MODEL)
                reply = server.post("/api/generate", body, address=address)
                self.assertEqual(reply.status, 200, reply.text)
            finally:
                process.terminate()
                process.communicate()
            self.assertEqual(process.returncode, 0)

    def test_no_models_at_all(self):
        with Server(models=(), env={"AXOLLAMA_MODELS": "/nowhere"}) as server:
            self.assertEqual(server.get("/api/tags").json, {"models": []})
            self.assertEqual(server.get("/api/ps").json, {"models": []})
            self.assertEqual(server.generate("Hi").status, 404)

    def test_models_by_environment(self):
        with Server(models=(), env={"AXOLLAMA_MODELS": f"/nowhere:{MODELS}"}) as server:
            names = [model["name"] for model in server.get("/api/tags").json["models"]]
            self.assertIn(MODEL, names)

    def test_idle_models_unload(self):
        with Server(env={"OLLAMA_KEEP_ALIVE": "500ms"}) as server:
            self.assertEqual(server.generate("Hi", options={"num_predict": 2}).status, 200)
            wait_until(lambda: not server.loaded() and not server.runners(),
                       "the idle model is unloaded")


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


if __name__ == "__main__":
    unittest.main()

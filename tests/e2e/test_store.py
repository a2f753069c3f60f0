"""The routes that change models: create, copy, delete, blobs; and what the others say of them."""
import hashlib
import json
import os
import tempfile
import threading
import unittest

from harness import MODEL, MODELS, Server, copy_model, linked_model, run, wait_until
import tiny_model
from tiny_gguf import tiny_gguf


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Store(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.server.__enter__()
        cls.addClassCleanup(cls.server.end)

    def post(self, path, body, status=200):
        reply = self.server.post(path, body)
        self.assertEqual(reply.status, status, reply.text)
        return reply

    def create(self, name, status=200, **fields):
        return self.post("/api/create", {"model": name, **fields}, status)

    def delete(self, name, status=200):
        reply = self.server.request("DELETE", "/api/delete", {"model": name})
        self.assertEqual(reply.status, status, reply.text)
        return reply

    def show(self, name, **fields):
        return self.post("/api/show", {"model": name, **fields}).json

    def tags(self):
        return {model["name"]: model for model in self.server.get("/api/tags").json["models"]}

    def upload(self, data):
        digest = digest_of(data)
        self.assertEqual(self.server.post(f"/api/blobs/{digest}", data).status, 201)
        return digest

    # --- create from a model ---

    def test_create_says_each_step_and_show_has_it_all(self):
        lines = self.create("Mine", **{
            "from": MODEL, "system": "You are a pirate.", "license": ["MIT", "and more"],
            "requires": "v0.14.0",
            "parameters": {"temperature": 0, "num_predict": 7, "stop": ["zzz", "yyy"]},
            "messages": [{"role": "user", "content": "Hi"},
                         {"role": "assistant", "content": "Arr!"}]}).lines
        statuses = [line["status"] for line in lines]
        self.assertRegex(statuses[0], "^creating new layer sha256:[0-9a-f]{64}$")
        self.assertEqual(statuses[-2:], ["writing manifest", "success"])
        show = self.show("mine")
        self.assertEqual(show["system"], "You are a pirate.")
        self.assertEqual(show["license"], "MIT\nand more")
        self.assertEqual(show["requires"], "0.14.0")
        self.assertEqual(show["messages"], [{"role": "user", "content": "Hi"},
                                            {"role": "assistant", "content": "Arr!"}])
        for line in show["parameters"].splitlines():
            self.assertRegex(line, r'^(\S+)\s+((?:".*")|\S+)$')  # what Continue expects
        self.assertIn('stop                           "zzz"', show["parameters"].splitlines())
        self.assertIn("PARAMETER stop zzz\n", show["modelfile"])
        session = self.post("/api/show", {"model": "mine", "options": {"num_predict": 9}}).json
        self.assertIn("PARAMETER num_predict 9\n", session["modelfile"])
        self.assertEqual(session["parameters"], show["parameters"])
        self.assertIn(f"FROM {MODEL}\n", show["modelfile"])
        self.assertIn("MESSAGE assistant Arr!\n", show["modelfile"])
        self.assertEqual(show["details"]["parent_model"], MODEL)
        self.assertEqual(show["model_info"]["llama.attention.head_count"], 9)
        self.assertGreater(self.tags()["Mine:latest"]["size"], self.tags()[MODEL]["size"])
        self.delete("Mine")

    def test_what_was_created_is_what_answers(self):
        self.create("brief", **{"from": MODEL, "system": "You are a pirate.",
                                "parameters": {"temperature": 0, "num_predict": 7}})
        answer = self.post("/api/generate", {"model": "BRIEF", "prompt": "Hello", "stream": False}
                           ).json
        self.assertEqual(answer["model"], "BRIEF")
        self.assertEqual(answer["eval_count"], 7)
        same = self.server.generate("Hello", system="You are a pirate.",
                                    options={"num_predict": 7}).json
        self.assertEqual(answer["context"], same["context"])
        # One folder is loaded once, whatever its names.
        self.assertEqual(len(self.server.runners()), 1)
        # A request goes over the model's parameters, and a new model over its base.
        self.create("briefer", **{"from": "brief", "parameters": {"num_predict": 3}})
        answer = self.post("/api/generate", {"model": "briefer", "prompt": "Hello",
                                             "stream": False}).json
        self.assertEqual(answer["eval_count"], 3)
        self.assertEqual(self.show("briefer")["system"], "You are a pirate.")
        self.delete("brief")
        self.delete("briefer")

    def test_a_template_takes_the_place_of_the_models_own(self):
        template = "{{ .System }}|{{ .Prompt }}|{{ if .Suffix }}{{ .Suffix }}{{ end }}"
        self.create("templated", **{"from": MODEL, "template": template, "system": "S"})
        body = {"model": "templated", "prompt": "Hello", "stream": False,
                "options": {"temperature": 0, "num_predict": 4}}
        raw = {**body, "model": MODEL, "prompt": "S|Hello|", "raw": True}
        self.assertEqual(self.post("/api/generate", body).json["response"],
                         self.post("/api/generate", raw).json["response"])
        show = self.show("templated")
        self.assertEqual(show["template"], template)
        self.assertIn(f"TEMPLATE {template}\n", show["modelfile"])
        self.assertEqual(show["capabilities"], ["completion", "insert"])
        self.delete("templated")

    def test_create_refuses(self):
        for fields, words in (({}, "neither 'from' or 'files' was specified"),
                              ({"from": MODEL, "adapters": {"a": "sha256:x"}}, "adapter"),
                              ({"from": MODEL, "remote_host": "http://x"}, "remote"),
                              ({"from": MODEL, "requires": "new"}, "valid semver"),
                              ({"from": MODEL, "template": "{{ if }}"}, "template error: "),
                              ({"from": MODEL, "parameters": {"top_k": "x"}},
                               'option "top_k" must be of type integer'),
                              ({"files": {"../x": "sha256:x"}}, "file path must be relative"),
                              ({"files": {"x": "sha256:x"}}, "invalid digest format")):
            self.assertIn(words, self.create("m", 400, **fields).error)
        self.assertEqual(self.create("../m", 400, **{"from": MODEL}).error, "invalid model name")
        self.assertEqual(self.create("m", 404, **{"from": "none"}).error, "model 'none' not found")
        self.assertEqual(self.post("/api/create", "", 400).error, "missing request body")
        self.assertNotIn("m:latest", self.tags())

    def test_create_without_a_stream(self):
        reply = self.create("quiet", stream=False, **{"from": MODEL})
        self.assertEqual(reply.json, {"status": "success"})
        self.delete("quiet")

    # --- create from files ---

    def test_a_gguf_file_becomes_a_model(self):
        data = tiny_gguf()
        digest = self.upload(data)
        self.assertEqual(self.server.request("HEAD", f"/api/blobs/{digest}").status, 200)
        self.assertEqual(self.server.post(f"/api/blobs/{digest}", data).status, 200)
        lines = self.create("tiny", files={"tiny.gguf": digest}, system="S").lines
        self.assertEqual(lines[0], {"status": "parsing GGUF"})
        self.assertEqual(lines[-1], {"status": "success"})
        self.assertEqual(self.show("tiny")["details"]["quantization_level"], "S8")
        self.assertEqual(self.server.generate("ab", model="tiny").status, 200)
        # The upload is in the model now, and the folder goes with its last name.
        self.assertEqual(self.server.request("HEAD", f"/api/blobs/{digest}").status, 404)
        bundles = os.path.join(self.server.env["AXOLLAMA_HOME"], "store", "bundles")
        self.assertEqual(len(os.listdir(bundles)), 1)
        self.delete("tiny")
        self.assertEqual(os.listdir(bundles), [])
        wait_until(lambda: "tiny:latest" not in self.server.loaded(), "tiny is unloaded")

    def test_a_folder_with_safetensors_becomes_a_model(self):
        with tempfile.TemporaryDirectory(prefix="axstore") as folder:
            tiny_model.write_source(folder)
            files = {}
            for name in os.listdir(folder):
                with open(os.path.join(folder, name), "rb") as file:
                    files[name] = self.upload(file.read())
            with open(os.path.join(folder, "model.safetensors"), "rb") as file:
                weights = file.read()
        lines = self.create("tensors", files=files, parameters={"num_ctx": 256}).lines
        self.assertEqual(lines[-1], {"status": "success"})
        show = self.show("tensors")
        self.assertEqual(show["details"]["family"], "llama")
        self.assertEqual(show["model_info"]["llama.context_length"], 256)
        self.assertEqual(show["model_info"]["general.file_type"], 7)
        self.assertEqual(show["tensors"], [{"name": "token_embd.weight", "type": "BF16", "shape": [
            tiny_model.HIDDEN, tiny_model.VOCABULARY]}])
        reply = self.server.generate("ab", model="tensors", options={"num_predict": 3})
        self.assertEqual(reply.json["eval_count"], 3, reply.text)
        # What measures takes the same names.
        code, out, errors = run("bench", "tensors", "--prompt-tokens", "4", "--generate", "2",
                                "--runs", "1", "--threads", "1", "--json", env=self.server.env)
        self.assertEqual(code, 0, errors)
        self.assertEqual(json.loads(out)["model"], "tensors:latest")
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("The quick brown fox.")
            file.flush()
            code, out, errors = run("perplexity", "tensors", "--window", "8", "--json", file.name,
                                    env=self.server.env)
        self.assertEqual(code, 0, errors)
        self.assertEqual(json.loads(out)["model"], "tensors:latest")
        self.delete("tensors")
        # Weights alone are none.
        reply = self.create("x", 400, files={"model.safetensors": self.upload(weights)})
        self.assertIn("config.json and the tokenizer's files are missing", reply.error)
        self.assertNotIn("x:latest", self.tags())

    def test_quantize(self):
        digest = self.upload(tiny_gguf(2))
        self.create("tiny4", files={"tiny.gguf": digest}, quantize="q4_K_M")
        self.assertEqual(self.show("tiny4")["details"]["quantization_level"], "S4")
        self.delete("tiny4")
        digest = self.upload(tiny_gguf(3))
        error = self.create("tiny5", 400, files={"tiny.gguf": digest}, quantize="q5_1").error
        self.assertIn('unsupported quantization "q5_1"', error)

    def test_files_that_are_no_model(self):
        digest = self.upload(b"no model")
        error = self.create("x", 400, files={"x.gguf": digest}).error
        self.assertEqual(error, "supplied file was not in GGUF format")
        broken = self.upload(tiny_gguf(4)[:3000])
        last = self.create("x", files={"x.gguf": broken}).lines[-1]
        self.assertIn("cannot make a model of these files", last["error"])
        missing = digest_of(b"never sent")
        self.assertIn("not found", self.create("x", 400, files={"x.gguf": missing}).error)
        self.assertNotIn("x:latest", self.tags())
        work = os.path.join(self.server.env["AXOLLAMA_HOME"], "store", "tmp")
        self.assertEqual(os.listdir(work), [])

    # --- blobs ---

    def test_blobs(self):
        digest = digest_of(b"other")
        for method in ("HEAD", "POST"):
            for bad in ("sha256:../../x", "sha256:12", "sha512:" + "a" * 64, "%2e%2e"):
                self.assertEqual(self.server.request(method, f"/api/blobs/{bad}", b"x").status, 400)
        self.assertEqual(self.server.request("HEAD", f"/api/blobs/{digest}").status, 404)
        reply = self.server.post(f"/api/blobs/{digest}", b"something else")
        self.assertEqual(reply.status, 400)
        self.assertEqual(reply.error, f'digest mismatch, expected "{digest}", got '
                                      f'"{digest_of(b"something else")}"')
        self.assertEqual(self.server.request("HEAD", f"/api/blobs/{digest}").status, 404)
        large = os.urandom(1 << 20) * 80  # more than a request may hold
        self.upload(large)

    # --- copy and delete ---

    def test_copy(self):
        self.assertEqual(self.post("/api/copy", {"source": MODEL, "destination": "me/twin:x"}).body,
                         b"")
        tags = self.tags()
        self.assertEqual(tags["me/twin:x"]["digest"], tags[MODEL]["digest"])
        self.assertEqual(self.server.generate("Hi", model="me/twin:x").status, 200)
        for source, target, status, words in (
                ("..", "x", 400, 'source ".." is invalid'),
                (MODEL, "a b", 400, 'destination "a b" is invalid'),
                ("none", "x", 404, 'model "none" not found')):
            reply = self.post("/api/copy", {"source": source, "destination": target}, status)
            self.assertEqual(reply.error, words)
        self.delete("me/twin:x")
        self.assertNotIn("me/twin:x", self.tags())

    def test_delete_refuses(self):
        self.assertEqual(self.delete("none", 404).error, "model 'none' not found")
        self.assertEqual(self.delete("../x", 400).error, 'name "../x" is invalid')
        # The test's models lie in a folder of somebody else.
        self.assertIn("not axollama's own folder", self.delete(MODEL, 409).error)
        self.assertIn(MODEL, self.tags())

    # --- names, and what clients ask besides ---

    def test_a_model_stays_loaded_while_it_has_a_name(self):
        self.create("second", **{"from": MODEL})
        self.assertEqual(self.server.generate("Hi", model="second", keep_alive=-1).status, 200)
        runners = self.server.runners()
        self.assertEqual(len(runners), 1)
        self.delete("second")
        self.assertEqual([model["name"] for model in self.server.get("/api/ps").json["models"]],
                         [MODEL])
        self.assertEqual(self.server.generate("Hi").status, 200)
        self.assertEqual(self.server.runners(), runners)

    def test_a_name_that_only_one_model_can_mean(self):
        with linked_model("SmolLM2-360M-Instruct") as root:
            with Server(models=[root]) as server:
                for name in ("smollm2:360m", "smollm2", "SmolLM2:360M-instruct"):
                    show = server.post("/api/show", {"model": name})
                    self.assertEqual(show.status, 200, name)
                self.assertEqual(server.post("/api/show", {"model": "smollm2:135m"}).status, 404)
                answer = server.generate("Hi", model="smollm2:360m").json
                self.assertEqual(answer["model"], "smollm2:360m")

    def test_copilot_sees_the_name_it_asked_for(self):
        agent = {"User-Agent": "GitHubCopilotChat/0.1"}
        reply = self.server.post("/api/show", {"model": MODEL.upper()}, headers=agent)
        self.assertEqual(reply.json["model_info"]["general.basename"], MODEL.upper())
        self.assertEqual(self.show(MODEL)["model_info"]["general.basename"], "smollm2")

    def test_names_that_cannot_be(self):
        for path in ("/api/show", "/api/generate", "/api/chat"):
            for name in ("../../etc/passwd", "a/../b", "a\0b", "%2e%2e/x", "x" * 500):
                self.assertEqual(self.post(path, {"model": name}, 400).error, "invalid model name")
            self.assertEqual(self.post(path, {"model": "none"}, 404).error,
                             "model 'none' not found")

    def test_status_account_and_push(self):
        self.assertEqual(self.server.get("/api/status").json,
                         {"cloud": {"disabled": True, "source": "config"}})
        self.assertEqual(self.post("/api/me", "", 404).error,
                         "this server has no ollama.com account")
        self.assertIn("cannot be pushed", self.post("/api/push", {"model": MODEL}, 400).error)
        self.assertEqual(self.post("/api/push", {}, 400).error, "model is required")
        self.assertEqual(self.post("/api/push", {"model": "none"}, 404).error,
                         "model 'none' not found")

    def test_what_was_created_is_there_after_a_restart(self):
        with Server() as server:
            server.post("/api/create", {"model": "kept", "from": MODEL, "system": "S"})
            home = server.env["AXOLLAMA_HOME"]
            with Server(env={"AXOLLAMA_HOME": home, "AX650_MODEL_PATH": "kept"}) as other:
                show = other.post("/api/show", {"model": "kept"}).json
                self.assertEqual(show["system"], "S")
                wait_until(lambda: other.loaded() == ["kept:latest"], "it is loaded at start")

    def test_own_models_can_be_removed_and_links_outlive_nothing(self):
        with Server(models=[]) as server:
            own = os.path.join(server.env["AXOLLAMA_HOME"], "models", "own", "1")
            copy_model(own)
            self.assertEqual(server.generate("Hi", model="own:1").status, 200)
            server.post("/api/copy", {"source": "own:1", "destination": "link"})
            reply = server.request("DELETE", "/api/delete", {"model": "own:1"})
            self.assertEqual(reply.status, 409, reply.text)
            os.rename(own, own + "x")
            reply = server.post("/api/show", {"model": "link"})
            self.assertEqual(reply.status, 500)
            self.assertIn("its folder", reply.error)
            self.assertIn("link:latest",
                          [model["name"] for model in server.get("/api/tags").json["models"]])
            os.rename(own + "x", own)
            server.request("DELETE", "/api/delete", {"model": "link"})
            self.assertEqual(server.request("DELETE", "/api/delete", {"name": "own:1"}).status, 200)
            self.assertFalse(os.path.exists(own))
            self.assertEqual(server.get("/api/tags").json, {"models": []})

    def test_add_links_a_folder(self):
        env, folder = self.server.env, os.path.join(MODELS, "smollm2", "135m")
        code, out, error = run("add", folder, "linked:1", env=env)
        self.assertEqual((code, error), (0, ""))
        self.assertIn("linked:1: llama, ", out)
        self.assertEqual(self.server.generate("Hi", model="linked:1").status, 200)
        code, _, error = run("add", folder, "LINKED:1", env=env)
        self.assertEqual(code, 1)
        self.assertIn("already", error)
        for words in (("/etc", "x"), (folder, "../x"), ("nothing", "x")):
            self.assertEqual(run("add", *words, env=env)[0], 1, words)
        self.assertEqual(run("add", folder, env=env)[0], 2)
        self.delete("linked:1")
        self.assertTrue(os.path.exists(folder))

    def test_many_at_once(self):
        replies = []

        def work(number):
            body = {"model": f"many:{number % 3}", "from": MODEL, "system": f"S{number}"}
            replies.append(self.server.post("/api/create", body))

        threads = [threading.Thread(target=work, args=(n,)) for n in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual({reply.lines[-1].get("status") for reply in replies}, {"success"})
        for number in range(3):
            self.assertRegex(self.show(f"many:{number}")["system"], r"^S\d+$")
            self.delete(f"many:{number}")


if __name__ == "__main__":
    unittest.main()

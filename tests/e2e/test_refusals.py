"""What cannot work says so: no card, no driver, a full card, bad model folders."""
import contextlib
import json
import os
import tempfile
import unittest

from harness import MODEL, MODELS, Server, copy_model, link_folder


@contextlib.contextmanager
def broken_model(breaking):
    """A model root with `bad:latest`, a copy of the test model that `breaking(folder)` changed."""
    with tempfile.TemporaryDirectory(prefix="axmodels", dir=link_folder()) as root:
        folder = os.path.join(root, "bad")
        copy_model(folder)
        breaking(folder)
        yield root


def replace(path, content):
    os.remove(path)  # it may be a link to the real one
    with open(path, "wb") as file:
        file.write(content)


def find(folder, ending):
    return sorted(os.path.join(folder, name) for name in os.listdir(folder)
                  if name.endswith(ending))


class Cards(unittest.TestCase):
    def assert_refused(self, card, status, *words):
        with Server(card=card) as server:
            for path, body in (("/api/generate", {"model": MODEL, "prompt": "Hi"}),
                               ("/api/chat", {"model": MODEL, "messages": [
                                   {"role": "user", "content": "Hi"}]}),
                               ("/load", {"model_path": os.path.join(MODELS, "smollm2/135m")})):
                reply = server.post(path, body)
                self.assertEqual(reply.status, status, reply.text)
                for word in words:
                    self.assertIn(word, reply.error)
            # It serves what needs no card, and says how it is.
            self.assertEqual(server.get("/api/tags").status, 200)
            self.assertEqual(server.get("/api/version").status, 200)
            return server.get("/health")

    def test_no_card(self):
        health = self.assert_refused({"cards": []}, 503, "card")
        self.assertEqual((health.status, health.json["status"]), (503, "failed"))
        self.assertEqual(health.json["backend_type"], "sim")
        self.assertIsNone(health.json["memory_total_mb"])

    def test_no_driver(self):
        health = self.assert_refused({"init_error": "0x8030010B"}, 503, "driver")
        self.assertEqual((health.status, health.json["status"]), (503, "failed"))

    def test_full_card(self):
        health = self.assert_refused({"cards": [{"id": 1, "cmm_mib": 100}]}, 503, "CMM")
        self.assertEqual((health.status, health.json["status"]), (200, "ok"))
        self.assertFalse(health.json["model_loaded"])

    def test_a_card_that_appears_is_used(self):
        with Server(card={"cards": []}) as server:
            self.assertEqual(server.generate("Hi").status, 503)
            reply = server.post("/reset")
            self.assertEqual(reply.status, 503, reply.text)
            self.assertIn("0x80300181", reply.error)
            server.configure({"cards": [{"id": 1}]})
            reply = server.generate("Hi", options={"num_predict": 2})
            self.assertEqual(reply.status, 200, reply.text)


class Folders(unittest.TestCase):
    def assert_refused(self, breaking, *words):
        with broken_model(breaking) as root, Server(models=(root, MODELS)) as server:
            for stream in (True, False):
                reply = server.post("/api/generate", {"model": "bad", "prompt": "Hi",
                                                      "stream": stream})
                self.assertIn(reply.status, (400, 404), reply.text)
                for word in words:
                    self.assertIn(word, reply.error)
            self.assertNotIn("bad:latest", server.loaded())
            # The others are served.
            self.assertEqual(server.generate("Hi", options={"num_predict": 2}).status, 200)

    def test_missing_layer(self):
        def breaking(folder):
            os.remove(find(folder, "_l3_together.axmodel")[0])

        self.assert_refused(breaking, "missing", "index 3")

    def test_empty_file(self):
        def breaking(folder):
            replace(find(folder, "_l0_together.axmodel")[0], b"")

        self.assert_refused(breaking, "_l0_together.axmodel")

    def test_git_lfs_pointer(self):
        pointer = (b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 +
                   b"\nsize 1234567\n")

        def breaking(folder):
            replace(find(folder, "_post.axmodel")[0], pointer)

        self.assert_refused(breaking, "LFS", "_post.axmodel")

    def test_embedding_of_another_size(self):
        def breaking(folder):
            path = find(folder, ".bfloat16.bin")[0]
            replace(path, b"\0" * (1 << 20))

        self.assert_refused(breaking, "embed")

    def test_garbage_in_a_layer(self):
        def breaking(folder):
            path = find(folder, "_l5_together.axmodel")[0]
            replace(path, os.urandom(os.path.getsize(path)))

        self.assert_refused(breaking, "_l5_together.axmodel")

    def test_a_file_for_the_npu_on_the_simulated_card(self):
        def breaking(folder):
            for path in find(folder, ".axmodel"):
                with open(path, "rb") as file:
                    content = file.read()
                # The same length, so that nothing else in the file moves.
                replace(path, content.replace(b"axollama-sim", b"Pulsar2-6.00", 1))

        with broken_model(breaking) as root, Server(models=(root,), args=("--device", "sim")) as server:
            reply = server.post("/api/generate", {"model": "bad", "prompt": "Hi"})
            self.assertEqual(reply.status, 400, reply.text)
            self.assertIn("simulat", reply.error)

    def test_an_empty_config_is_no_reason(self):
        def breaking(folder):
            replace(os.path.join(folder, "config.json"), b"")

        with broken_model(breaking) as root, Server(models=(root,)) as server:
            reply = server.generate("Hi", model="bad", options={"num_predict": 2})
            self.assertEqual(reply.status, 200, reply.text)

    def test_a_contradicting_config(self):
        def breaking(folder):
            path = os.path.join(folder, "config.json")
            with open(path) as file:
                config = json.load(file)
            config["axmodel_num"] = 7
            replace(path, json.dumps(config).encode())

        with broken_model(breaking) as root, Server(models=(root,)) as server:
            # What is really there decides.
            reply = server.generate("Hi", model="bad", options={"num_predict": 2})
            self.assertEqual(reply.status, 200, reply.text)


if __name__ == "__main__":
    unittest.main()

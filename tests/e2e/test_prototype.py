"""The Python prototype's routes: /load, /generate, /reset, /health."""
import os
import unittest

from harness import MODEL, MODELS, Server, wait_until

FOLDER = os.path.realpath(os.path.join(MODELS, "smollm2", "135m"))


class Prototype(unittest.TestCase):
    def test_the_whole_life(self):
        with Server() as server:
            health = server.get("/health")
            self.assertEqual(health.status, 200)
            self.assertEqual(sorted(health.json), sorted([
                "status", "backend_type", "model_loaded", "model_path", "temperature_c",
                "memory_usage_mb", "memory_total_mb", "npu_utilization_pct"]))
            self.assertEqual(health.json["status"], "ok")
            self.assertEqual(health.json["backend_type"], "sim")
            self.assertFalse(health.json["model_loaded"])
            self.assertIsNone(health.json["model_path"])
            before_mb = health.json["memory_usage_mb"]

            for path in ("/generate", "/load"):
                reply = server.post(path, {"prompt": "x"} if path == "/generate" else None)
                self.assertEqual((reply.status, reply.json), (409, {"error": "no model loaded"}))

            loaded = server.post("/load", {"model_path": FOLDER})
            self.assertEqual(loaded.status, 200, loaded.text)
            self.assertEqual(loaded.json["status"], "loaded")
            self.assertEqual(loaded.json["backend"], "sim")
            self.assertEqual(loaded.json["model"], MODEL)
            self.assertEqual(server.post("/load").json, loaded.json)
            self.assertEqual(server.loaded(), [MODEL])

            def health_of_loaded():
                now = server.health()
                return now if now["memory_usage_mb"] > before_mb + 50 else None

            now = wait_until(health_of_loaded, "the model's memory is in /health")
            self.assertTrue(now["model_loaded"])
            self.assertEqual(now["model_path"], FOLDER)
            self.assertGreater(now["memory_total_mb"], now["memory_usage_mb"])
            self.assertIsInstance(now["temperature_c"], (int, float))

            prompt = "<|im_start|>user\nSay hello.<|im_end|>\n<|im_start|>assistant\n"
            whole = server.post("/generate", {"prompt": prompt, "max_tokens": 12,
                                              "temperature": 0})
            self.assertEqual(list(whole.json), ["text"])
            self.assertTrue(whole.json["text"])
            self.assertNotIn("<|im", whole.json["text"])
            lines = server.post("/generate", {"prompt": prompt, "max_tokens": 12,
                                              "temperature": 0, "stream": True}).lines
            self.assertEqual("".join(line["text"] for line in lines), whole.json["text"])
            self.assertTrue(lines[-1]["done"])

            pid, = server.runners()
            reset = server.post("/reset")
            self.assertEqual((reset.status, reset.json), (200, {"status": "reset"}))
            after, = server.runners()
            self.assertNotEqual(pid, after)
            self.assertEqual(server.loaded(), [MODEL])
            self.assertEqual(server.post("/generate", {"prompt": prompt, "max_tokens": 12,
                                                       "temperature": 0}).json, whole.json)

    def test_bad_input(self):
        with Server() as server:
            for body in ({}, {"prompt": ""}, {"max_tokens": 3}, None):
                reply = server.post("/generate", body)
                self.assertEqual((reply.status, reply.json), (400, {"error": "missing prompt"}))
            for field, value in (("prompt", 1), ("max_tokens", "x"), ("temperature", []),
                                 ("stream", "yes")):
                reply = server.post("/generate", {"prompt": "x", field: value})
                self.assertEqual(reply.status, 400)
                self.assertIn(field, reply.error)
            # Outside the roots nothing is said about what is there.
            errors = set()
            for path in ("/etc", "/nowhere", "../..", FOLDER + "/../../../..", "none:none"):
                reply = server.post("/load", {"model_path": path})
                self.assertEqual(reply.status, 404, reply.text)
                errors.add(reply.error.replace(path, "PATH"))
            self.assertEqual(len(errors), 1, errors)
            self.assertEqual(server.post("/load", {"model_path": 1}).status, 400)

    def test_environment(self):
        with Server(env={"AX650_MODEL_PATH": FOLDER, "AX650_PORT": "0"}) as server:
            self.assertEqual(len(server.addresses), 2)
            wait_until(lambda: server.loaded() == [MODEL], "the model is loaded at start")
            for address in server.addresses:
                reply = server.post("/generate", {"prompt": "The sun", "max_tokens": 3},
                                    address=address)
                self.assertEqual(reply.status, 200, reply.text)
            # Until somebody else decides, it stays.
            self.assertGreater(server.get("/api/ps").json["models"][0]["expires_at"], "2100")

    def test_empty_variables_are_unset(self):
        with Server(env={"AX650_MODEL_PATH": "", "AX650_PORT": "", "OLLAMA_KEEP_ALIVE": "",
                         "AXOLLAMA_REBOOT": "", "OLLAMA_ORIGINS": ""}) as server:
            self.assertEqual(len(server.addresses), 1)
            self.assertEqual(server.health()["status"], "ok")
            self.assertEqual(server.loaded(), [])

    def test_reset_without_a_model(self):
        with Server() as server:
            self.assertEqual(server.post("/reset").json, {"status": "reset"})
            self.assertEqual(server.health()["status"], "ok")


if __name__ == "__main__":
    unittest.main()

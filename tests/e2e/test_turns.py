"""How a prompt is made of a request: the template, what does not fit, and what is said of it."""
import unittest

from able_model import inserting_model
from harness import MODEL, Server

LONG_TEXT = "The quick brown fox jumps over the lazy dog. " * 4


class Turns(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.server.__enter__()
        cls.addClassCleanup(cls.server.end)

    def chat(self, messages, status=200, **fields):
        options = {"temperature": 0, "num_predict": 2, **fields.pop("options", {})}
        reply = self.server.post("/api/chat", {"model": MODEL, "messages": messages,
                                               "stream": False, "options": options, **fields})
        self.assertEqual(reply.status, status, reply.text)
        return reply

    def rendered(self, path, **fields):
        reply = self.server.post(path, {"model": MODEL, "_debug_render_only": True, **fields})
        self.assertEqual(reply.status, 200, reply.text)
        self.assertFalse(reply.json["done"])
        return reply.json["_debug_info"]["rendered_template"]

    def test_what_the_model_would_get(self):
        user = {"role": "user", "content": "Hi"}
        prompt = self.rendered("/api/chat", messages=[{"role": "system", "content": "Be brief."},
                                                      user])
        self.assertEqual(prompt, "<|im_start|>system\nBe brief.<|im_end|>\n"
                         "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")
        self.assertEqual(self.rendered("/api/generate", prompt="Hi", system="Be brief."), prompt)
        self.assertEqual(self.rendered("/api/generate", prompt="Hi", raw=True), "Hi")

    def test_a_template_of_the_requests_own(self):
        go = "{{ if .System }}<s>{{ .System }}</s>{{ end }}<u>{{ .Prompt }}</u>"
        fields = {"prompt": "Hi", "system": "Be brief."}
        self.assertEqual(self.rendered("/api/generate", template=go, **fields),
                         "<s>Be brief.</s><u>Hi</u>")
        self.assertEqual(self.rendered("/api/generate", template="{{ .Prompt }}", **fields),
                         self.rendered("/api/generate", **fields))
        options = {"temperature": 0, "num_predict": 8}
        answer = self.server.generate(**fields, template=go, options=options).json
        raw = self.server.generate("<s>Be brief.</s><u>Hi</u>", raw=True, options=options).json
        for name in ("response", "prompt_eval_count"):
            self.assertEqual(answer[name], raw[name])
        for bad in ("{{ .Prompt", "{{ nonsense }}"):
            reply = self.server.generate("Hi", template=bad)
            self.assertEqual(reply.status, 400, reply.text)

    def test_the_oldest_messages_are_dropped(self):
        system = {"role": "system", "content": "Remember the number 7."}
        talk = [system]
        for i in range(20):
            talk.append({"role": "user", "content": f"Question {i}: {LONG_TEXT}"})
            talk.append({"role": "assistant", "content": f"Answer {i}."})
        talk.append({"role": "user", "content": "And the last one?"})
        options = {"num_ctx": 256}
        reply = self.chat(talk, options=options)
        dropped = int(reply.headers["X-Axollama-Truncated-Messages"])
        self.assertGreater(dropped, 20)
        self.assertLess(dropped, len(talk) - 2)
        kept = [system] + talk[1 + dropped:]
        prompt = self.rendered("/api/chat", messages=talk, options=options)
        self.assertEqual(prompt, self.rendered("/api/chat", messages=kept, options=options))
        self.assertTrue(prompt.startswith("<|im_start|>system\nRemember"))
        self.assertIn("And the last one?", prompt)
        shorter = self.chat(kept, options=options)
        self.assertNotIn("X-Axollama-Truncated-Messages", shorter.headers)
        for name in ("prompt_eval_count", "message"):
            self.assertEqual(reply.json[name], shorter.json[name])
        # One message more would not have fitted.
        more = self.chat([system] + talk[dropped:], options=options)
        self.assertEqual(more.headers["X-Axollama-Truncated-Messages"], "1")
        self.chat(talk, truncate=False, status=400, options=options)

    def test_a_conversation_that_may_not_be_truncated(self):
        talk = [{"role": "user", "content": LONG_TEXT * 8}, {"role": "assistant", "content": "Yes."},
                {"role": "user", "content": "Why?"}]
        reply = self.chat(talk, truncate=False, status=400, options={"num_ctx": 64})
        self.assertIn("the prompt is longer than the context length", reply.error)
        self.assertEqual(self.chat(talk, options={"num_ctx": 64}).headers[
            "X-Axollama-Truncated-Messages"], "1")

    def test_megabytes_of_old_messages_are_dropped_too(self):
        talk = [{"role": "user", "content": "word " * 600_000},
                {"role": "assistant", "content": "Yes."}, {"role": "user", "content": "Why?"}]
        self.assertEqual(self.chat(talk).headers["X-Axollama-Truncated-Messages"], "1")
        self.assertIn("bytes", self.chat(talk, truncate=False, status=400).error)
        self.assertIn("bytes", self.chat(talk[:1], status=400).error)

    def test_a_prompt_is_cut(self):
        reply = self.server.generate(LONG_TEXT * 8, options={"num_ctx": 64, "num_predict": 2})
        self.assertEqual(reply.status, 200, reply.text)
        self.assertEqual(reply.json["prompt_eval_count"], 34)  # 4 kept, half of 60 at the end
        self.assertGreater(int(reply.headers["X-Axollama-Truncated-Tokens"]), 200)
        reply = self.server.generate(LONG_TEXT * 8, shift=False,
                                     options={"num_ctx": 64, "num_predict": 2})
        self.assertEqual(reply.status, 400)

    def test_a_full_context_is_shifted(self):
        options = {"num_ctx": 64, "num_predict": 150, "temperature": 0, "num_keep": 10}
        prompt = "Once upon a time there was a"
        reply = self.server.generate(prompt, raw=True, options=options).json
        self.assertEqual((reply["eval_count"], reply["done_reason"]), (150, "length"))
        ended = self.server.generate(prompt, raw=True, shift=False, options=options).json
        self.assertEqual(ended["prompt_eval_count"] + ended["eval_count"], 64)
        self.assertEqual(ended["done_reason"], "length")
        self.assertTrue(reply["response"].startswith(ended["response"]))
        endless = self.server.generate(prompt, raw=True,
                                       options={**options, "num_ctx": 16, "num_predict": -1}).json
        self.assertLessEqual(endless["eval_count"], 160)

    def test_capabilities_are_looked_at_before_a_load(self):
        self.server.post("/api/generate", {"model": MODEL, "keep_alive": 0})
        for path, fields, words in (
                ("/api/generate", {"images": ["aGk="]}, "does not support vision"),
                ("/api/generate", {"suffix": "x"}, "does not support insert"),
                ("/api/generate", {"think": True}, f'"{MODEL}" does not support thinking')):
            reply = self.server.post(path, {"model": MODEL, "prompt": "Hi", **fields})
            self.assertEqual(reply.status, 400, reply.text)
            self.assertIn(words, reply.error)
            if not fields.get("think"):
                self.assertIn(f"registry.ollama.ai/library/{MODEL} ", reply.error)

    def test_the_middle_of_a_text_is_asked_for_with_the_tokenizers_marks(self):
        with inserting_model() as root, Server(models=(root,)) as server:
            show = server.post("/api/show", {"model": "inserting"}).json
            self.assertIn("insert", show["capabilities"])
            body = {"model": "inserting", "stream": False,
                    "options": {"temperature": 0, "num_predict": 8}}
            middle = server.post("/api/generate", {**body, "prompt": "def add(a, b):\n    return ",
                                                   "suffix": "\n\nprint(add(1, 2))"})
            self.assertEqual(middle.status, 200, middle.text)
            raw = server.post("/api/generate", {
                **body, "raw": True, "prompt": "<fim_prefix>def add(a, b):\n    return <fim_suffix>"
                "\n\nprint(add(1, 2))<fim_middle>"}).json
            self.assertEqual(middle.json["prompt_eval_count"], raw["prompt_eval_count"])
            self.assertEqual(middle.json["response"], raw["response"])
            legacy = server.post("/v1/completions", {
                "model": "inserting", "prompt": "def add(a, b):\n    return ", "temperature": 0,
                "suffix": "\n\nprint(add(1, 2))", "max_tokens": 8}).json
            self.assertEqual(legacy["choices"][0]["text"], raw["response"])


if __name__ == "__main__":
    unittest.main()

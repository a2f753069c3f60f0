"""What an answer may be made of: tool calls, thinking, JSON, the tokens' logprobs."""
import json
import unittest

from able_model import ADDING, THINKING, TOOL, able_model
from harness import MODEL, MODELS, Server

CALL = '<tool_call>\n{"name": "add", "arguments": {"b": 2, "a": 1}}\n</tool_call>'
SCHEMA = {"type": "object", "properties": {"colour": {"enum": ["red", "green"]},
                                           "count": {"type": "integer", "minimum": 0,
                                                     "maximum": 9}},
          "required": ["colour", "count"], "additionalProperties": False}
GREEDY = {"temperature": 0, "num_predict": 64}


class Tools(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        root = cls.enterClassContext(able_model())
        cls.server = cls.enterClassContext(Server(models=(root, MODELS)))

    def ask(self, path, status=200, **body):
        reply = self.server.post(path, {"model": "able", "stream": False,
                                        "options": GREEDY, **body})
        self.assertEqual(reply.status, status, reply.text)
        return reply

    def chat(self, content, **fields):
        return self.ask("/api/chat", messages=[{"role": "user", "content": content}], **fields)

    def rendered(self, messages, **fields):
        return self.ask("/api/chat", messages=messages, _debug_render_only=True,
                        **fields).json["_debug_info"]["rendered_template"]

    # --- Tools ---

    def test_the_template_gets_tools_and_calls(self):
        messages = [{"role": "user", "content": "1 and 2?"},
                    {"role": "assistant", "content": "", "tool_calls": [
                        {"function": {"name": "add", "arguments": {"b": 2, "a": 1}}}]},
                    {"role": "tool", "content": "3", "tool_name": "add"}]
        prompt = self.rendered(messages, tools=[TOOL], think=False)
        self.assertIn('"name": "add"', prompt)
        self.assertIn(CALL + "<|im_end|>\n<|im_start|>tool\n3<|im_end|>", prompt)
        self.assertNotIn("Call them as", self.rendered(messages, think=False))

    def test_a_call_is_told_apart(self):
        body = {"messages": ADDING, "tools": [TOOL]}
        whole = self.ask("/api/chat", **body).json
        call, = whole["message"]["tool_calls"]
        self.assertRegex(call["id"], r"^call_[a-z0-9]{8}$")
        self.assertEqual(call["function"], {"index": 0, "name": "add",
                                            "arguments": {"b": 2, "a": 1}})
        self.assertEqual(list(call["function"]["arguments"]), ["b", "a"])
        self.assertEqual(whole["done_reason"], "stop")
        self.assertNotIn("tool_call", whole["message"]["content"])
        lines = self.server.post("/api/chat", {"model": "able", "options": GREEDY, **body}).lines
        calls = [line for line in lines if line["message"].get("tool_calls")]
        self.assertEqual(len(calls), 1)
        self.assertEqual(calls[0]["message"]["tool_calls"][0]["function"], call["function"])
        self.assertTrue(lines[-1]["done"])
        self.assertEqual("".join(line["message"]["content"] for line in lines),
                         whole["message"]["content"])
        # Without tools it is text like any other.
        plain = self.ask("/api/chat", messages=ADDING).json["message"]
        self.assertNotIn("tool_calls", plain)

    def test_required_calls_cannot_be_malformed(self):
        other = {"type": "function", "function": {
            "name": "say", "parameters": {"type": "object", "additionalProperties": False,
                                          "properties": {"mood": {"enum": ["good", "bad"]}},
                                          "required": ["mood"]}}}
        for choice, names in (("required", ("add", "say")),
                              ({"type": "function", "function": {"name": "say"}}, ("say",))):
            for seed in range(3):
                reply = self.server.post("/v1/chat/completions", {
                    "model": "able", "messages": [{"role": "user", "content": "Hello."}],
                    "tools": [TOOL, other], "tool_choice": choice, "parallel_tool_calls": False,
                    "reasoning_effort": "none", "max_tokens": 200, "seed": seed})
                self.assertEqual(reply.status, 200, reply.text)
                said, = reply.json["choices"]
                self.assertEqual(said["finish_reason"], "tool_calls", reply.text)
                call, = said["message"]["tool_calls"]
                self.assertIn(call["function"]["name"], names)
                arguments = json.loads(call["function"]["arguments"])
                if call["function"]["name"] == "say":
                    self.assertIn(arguments["mood"], ("good", "bad"))
                else:
                    self.assertEqual({type(arguments[key]) for key in ("a", "b")}, {int})

    def test_a_model_without_tools_says_so(self):
        reply = self.ask("/api/chat", 400, model=MODEL, tools=[TOOL],
                         messages=[{"role": "user", "content": "Hi"}])
        self.assertEqual(reply.error, f"registry.ollama.ai/library/{MODEL} does not support tools")

    # --- Thinking ---

    def test_thinking_is_told_apart(self):
        body = {"messages": THINKING}
        whole = self.ask("/api/chat", **body).json["message"]
        self.assertEqual((whole["thinking"], whole["content"]), ("I say black.", "black"))
        lines = self.server.post("/api/chat", {"model": "able", "options": GREEDY, **body}).lines
        self.assertEqual("".join(line["message"].get("thinking", "") for line in lines),
                         "I say black.")
        self.assertEqual("".join(line["message"]["content"] for line in lines), "black")
        kinds = ["thinking" in line["message"] for line in lines if not line["done"]]
        self.assertEqual(kinds, sorted(kinds, reverse=True))  # first all thinking, then the answer

    def test_tokens_of_thinking_are_counted(self):
        usage = self.ask("/v1/responses", input=THINKING, temperature=0,
                         max_output_tokens=64).json["usage"]
        thought = usage["output_tokens_details"]["reasoning_tokens"]
        # All but the answer's one word and the end; this model's opening mark is several tokens.
        self.assertIn(usage["output_tokens"] - thought, range(2, 8))
        self.assertGreater(thought, 5)
        usage = self.ask("/v1/responses", input="Hi", reasoning={"effort": "none"},
                         max_output_tokens=8).json["usage"]
        self.assertEqual(usage["output_tokens_details"]["reasoning_tokens"], 0)

    def test_thinking_is_switched(self):
        begin = "<|im_start|>assistant\n<think>"
        hi = [{"role": "user", "content": "Hi"}]
        self.assertNotIn("thinking", self.chat("Hi", think=False).json["message"])
        self.assertIn(begin, self.rendered(hi, think=False))
        for think in (True, "low", "max", None):
            self.assertNotIn(begin, self.rendered(hi, think=think))

    def test_raw_is_not_taken_apart(self):
        chat = self.ask("/api/chat", messages=THINKING).json
        prompt = self.rendered(THINKING)
        raw = self.ask("/api/generate", prompt=prompt, raw=True).json
        self.assertNotIn("thinking", raw)
        self.assertIn("</think>", raw["response"])
        self.assertEqual(chat["prompt_eval_count"], raw["prompt_eval_count"])

    # --- Format ---

    def test_a_schema_is_followed(self):
        for path, body in (("/api/generate", {"prompt": "A colour?"}),
                           ("/api/chat", {"messages": [{"role": "user", "content": "A colour?"}]})):
            for model in ("able", MODEL):
                said = self.ask(path, model=model, format=SCHEMA, think=False, **body).json
                text = said["response"] if "response" in said else said["message"]["content"]
                answer = json.loads(text)
                self.assertEqual(said["done_reason"], "stop")
                self.assertEqual(sorted(answer), ["colour", "count"])
                self.assertIn(answer["colour"], ("red", "green"))
                self.assertIn(answer["count"], range(10))

    def test_json_is_an_object(self):
        options = {"temperature": 0.8, "seed": 3, "num_predict": 200}
        said = self.chat("Give me a JSON object with one key.", format="json", think=False,
                         options=options).json
        if said["done_reason"] == "stop":
            self.assertIsInstance(json.loads(said["message"]["content"]), dict)
        self.assertTrue(said["message"]["content"].lstrip().startswith("{"))

    def test_behind_free_thinking_the_form_begins(self):
        prompt = self.rendered([{"role": "user", "content": "Hi"}], format=SCHEMA)
        self.assertTrue(prompt.endswith("<|im_start|>assistant\n<think>\n"))
        said = self.chat("Repeat this:\nOne is one.\n</think>\n\nHi.", format=SCHEMA,
                         options={**GREEDY, "num_predict": 200}).json
        self.assertTrue(said["message"]["thinking"])
        if said["done_reason"] == "stop":
            self.assertEqual(sorted(json.loads(said["message"]["content"])), ["colour", "count"])

    def test_a_form_leaves_room_for_calls(self):
        """With tools beside it the answer has the form, or it calls them."""
        body = {"tools": [TOOL], "format": SCHEMA}
        with able_model(thinking=False) as root, Server(models=(root,)) as server:
            said = server.post("/api/chat", {"model": "able", "messages": ADDING, "stream": False,
                                             "options": GREEDY, **body}).json["message"]
        call, = said["tool_calls"]
        self.assertEqual(call["function"]["arguments"], {"a": 1, "b": 2})
        self.assertEqual(said["content"], "")
        body["think"] = False
        for content in ("A colour?", "Write a poem."):
            said = self.chat(content, **body).json["message"]
            if "tool_calls" not in said:
                self.assertEqual(sorted(json.loads(said["content"])), ["colour", "count"])
        # No call is allowed: the form alone is left.
        reply = self.server.post("/v1/chat/completions", {
            "model": "able", "messages": [{"role": "user", "content": "A colour?"}],
            "tools": [TOOL], "tool_choice": "none", "reasoning_effort": "none", "temperature": 0,
            "response_format": {"type": "json_schema",
                                "json_schema": {"name": "c", "schema": SCHEMA}}})
        self.assertEqual(reply.status, 200, reply.text)
        content = reply.json["choices"][0]["message"]["content"]
        self.assertEqual(sorted(json.loads(content)), ["colour", "count"])

    def test_a_bad_format_is_refused(self):
        for bad in ("xml", 3, [1]):
            self.assertIn('expected "json" or a valid JSON Schema object',
                          self.chat_refused(format=bad))
        self.assertIn("type", self.chat_refused(format={"type": "nonsense"}))

    def chat_refused(self, **fields):
        reply = self.ask("/api/chat", 400, messages=[{"role": "user", "content": "Hi"}], **fields)
        return reply.error

    # --- Logprobs ---

    def test_logprobs(self):
        body = {"prompt": "The capital of France is", "raw": True, "logprobs": True,
                "options": {"temperature": 0, "num_predict": 5}}
        whole = self.ask("/api/generate", top_logprobs=2, **body).json
        self.assertEqual(len(whole["logprobs"]), 5)
        self.assertEqual("".join(one["token"] for one in whole["logprobs"]), whole["response"])
        for one in whole["logprobs"]:
            self.assertLessEqual(one["logprob"], 0)
            self.assertEqual(bytes(one["bytes"]).decode(), one["token"])
            self.assertEqual(len(one["top_logprobs"]), 2)
            self.assertEqual(one["top_logprobs"][0]["token"], one["token"])
        streamed = self.server.post("/api/generate", {"model": "able", **body}).lines
        parts = [one for line in streamed for one in line.get("logprobs", [])]
        self.assertEqual([one["logprob"] for one in parts],
                         [one["logprob"] for one in whole["logprobs"]])
        self.assertTrue(all("top_logprobs" not in one for one in parts))
        self.assertNotIn("logprobs", self.ask("/api/generate", **{**body, "logprobs": False}).json)


if __name__ == "__main__":
    unittest.main()

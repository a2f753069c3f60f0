"""OpenAI's and Anthropic's routes where a client's library hides the bytes: events, failures, and
that every API gives the same answer."""
import json
import os
import signal
import unittest

from able_model import TOOL, able_model
from harness import MODEL, Server, wait_until

STORY = [{"role": "user", "content": "Tell me a story about a fox."}]
ROUTES = {  # what each API calls a conversation and its length
    "/v1/chat/completions": ("messages", "max_tokens"),
    "/v1/responses": ("input", "max_output_tokens"),
    "/v1/messages": ("messages", "max_tokens"),
}


def request(path, tokens, **fields):
    conversation, length = ROUTES[path]
    return {"model": MODEL, conversation: STORY, length: tokens, "temperature": 0, **fields}


def zstd(body):
    """A frame of zstd that holds a short body as it is."""
    size = len(body)
    assert size < 256
    return b"\x28\xb5\x2f\xfd\x20" + bytes([size]) + (size << 3 | 1).to_bytes(3, "little") + body


def events(reply):
    """[(event's name or None, its data)]: every event is one or two lines and an empty one."""
    out = []
    for block in reply.text.split("\n\n")[:-1]:
        lines = block.split("\n")
        name = lines.pop(0).removeprefix("event: ") if len(lines) == 2 else None
        data = lines[0].removeprefix("data: ")
        assert lines[0] != data, block
        out.append((name, data if data == "[DONE]" else json.loads(data)))
    assert reply.text.endswith("\n\n"), reply.text
    return out


class OneAnswer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.server.__enter__()
        cls.addClassCleanup(cls.server.end)

    def stream(self, path, tokens=10, **fields):
        reply = self.server.post(path, request(path, tokens, stream=True, **fields))
        self.assertEqual(reply.status, 200, reply.text)
        self.assertEqual(reply.headers["Content-Type"], "text/event-stream")
        return events(reply)

    def test_every_api_gives_the_same_text(self):
        options = {"temperature": 0, "num_predict": 10}
        native = self.server.post("/api/chat", {"model": MODEL, "messages": STORY, "stream": False,
                                                "options": options}).json["message"]["content"]
        chat = self.stream("/v1/chat/completions")
        self.assertEqual(chat[-1], (None, "[DONE]"))
        self.assertEqual("".join(data["choices"][0]["delta"].get("content", "")
                                 for _, data in chat[:-1]), native)
        responses = self.stream("/v1/responses")
        self.assertEqual("".join(data["delta"] for name, data in responses
                                 if name == "response.output_text.delta"), native)
        messages = self.stream("/v1/messages")
        self.assertEqual("".join(data["delta"]["text"] for name, data in messages
                                 if name == "content_block_delta"), native)
        for name, data in responses + messages:
            self.assertEqual(data["type"], name)
        self.assertEqual([data["sequence_number"] for _, data in responses],
                         list(range(len(responses))))
        generated = self.server.post("/api/generate", {
            "model": MODEL, "prompt": STORY[0]["content"], "stream": False, "options": options})
        completion = self.server.post("/v1/completions", {
            "model": MODEL, "prompt": STORY[0]["content"], "temperature": 0, "max_tokens": 10})
        self.assertEqual(completion.json["choices"][0]["text"], generated.json["response"])

    def test_the_context_is_shown(self):
        for path in ROUTES:
            reply = self.server.post(path, request(path, 1))
            self.assertEqual(reply.headers["X-Axollama-Context-Length"],
                             self.server.post("/api/chat", {
                                 "model": MODEL, "messages": STORY, "stream": False,
                                 "options": {"num_predict": 1}}
                             ).headers["X-Axollama-Context-Length"])

    def test_names_of_models_in_the_path(self):
        for name in (MODEL, MODEL.replace(":", "%3A")):
            self.assertEqual(self.server.get("/v1/models/" + name).json["id"], MODEL)
        reply = self.server.get("/v1/models/none")
        self.assertEqual((reply.status, reply.error["message"]), (404, "model 'none' not found"))
        self.assertEqual(self.server.get("/v1/models/").status, 404)


    def test_bodies_that_are_compressed(self):
        body = json.dumps(request("/v1/responses", 1)).encode()
        headers = {"Content-Encoding": "zstd"}
        reply = self.server.post("/v1/responses", zstd(body), headers=headers)
        self.assertEqual(reply.json["usage"]["output_tokens"], 1, reply.text)
        for data, encoding, words in ((body, "zstd", "no good zstd"),
                                      (body, "gzip", "\"gzip\" is not supported")):
            reply = self.server.post("/v1/responses", data, headers={"Content-Encoding": encoding})
            self.assertEqual(reply.status, 400)
            self.assertIn(words, reply.error["message"])


class OnePrompt(unittest.TestCase):
    """A conversation with thinking, two calls and their results, as each API writes it."""
    ARGUMENTS = ({"b": 2, "a": 1}, {"a": 3, "b": 4})
    QUESTION, THOUGHT, TEXT, LAST = "1 and 2? 3 and 4?", "Two sums.", "I add.", "And then?"
    RESULTS = "3", "7"

    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server(models=(cls.enterClassContext(able_model()),)))

    def post(self, path, body):
        reply = self.server.post(path, {"model": "able", **body})
        self.assertEqual(reply.status, 200, reply.text)
        return reply.json

    def test_every_api_gives_the_same_prompt(self):
        calls = list(zip(("c1", "c2"), self.ARGUMENTS, self.RESULTS))
        function = TOOL["function"]
        native = self.post("/api/chat", {
            "stream": False, "think": False, "tools": [TOOL], "options": {"num_predict": 1},
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": self.QUESTION},
                {"role": "assistant", "content": self.TEXT, "thinking": self.THOUGHT,
                 "tool_calls": [
                    {"id": i, "function": {"name": "add", "arguments": a}} for i, a, _ in calls]},
                *({"role": "tool", "content": r, "tool_call_id": i, "tool_name": "add"}
                  for i, _, r in calls),
                {"role": "user", "content": self.LAST}]})["prompt_eval_count"]
        chat = self.post("/v1/chat/completions", {
            "max_tokens": 1, "reasoning_effort": "none", "tools": [TOOL], "messages": [
                {"role": "developer", "content": "Be brief."},
                {"role": "user", "content": self.QUESTION},
                {"role": "assistant", "content": self.TEXT, "reasoning": self.THOUGHT,
                 "tool_calls": [
                    {"id": i, "type": "function",
                     "function": {"name": "add", "arguments": json.dumps(a)}}
                    for i, a, _ in calls]},
                *({"role": "tool", "content": r, "tool_call_id": i} for i, _, r in calls),
                {"role": "user", "content": self.LAST}]})["usage"]["prompt_tokens"]
        responses = self.post("/v1/responses", {
            "max_output_tokens": 1, "reasoning": {"effort": "none"}, "instructions": "Be brief.",
            "tools": [{"type": "function", **function}], "input": [
                {"role": "user", "content": self.QUESTION},
                {"type": "reasoning", "summary": [{"type": "summary_text", "text": self.THOUGHT}]},
                {"role": "assistant", "content": [{"type": "output_text", "text": self.TEXT}]},
                *({"type": "function_call", "call_id": i, "name": "add", "arguments": json.dumps(a)}
                  for i, a, _ in calls),
                *({"type": "function_call_output", "call_id": i, "output": r}
                  for i, _, r in calls),
                {"role": "user", "content": self.LAST}]})["usage"]["input_tokens"]
        messages = {
            "thinking": {"type": "disabled"}, "system": "Be brief.",
            "tools": [{"name": "add", "description": function["description"],
                       "input_schema": function["parameters"]}],
            "messages": [
                {"role": "user", "content": self.QUESTION},
                {"role": "assistant", "content": [
                    {"type": "thinking", "thinking": self.THOUGHT, "signature": ""},
                    {"type": "text", "text": self.TEXT},
                    *({"type": "tool_use", "id": i, "name": "add", "input": a}
                      for i, a, _ in calls)]},
                {"role": "user", "content": [
                    *({"type": "tool_result", "tool_use_id": i, "content": r}
                      for i, _, r in calls),
                    {"type": "text", "text": self.LAST}]}]}
        usage = self.post("/v1/messages", {"max_tokens": 1, **messages})["usage"]
        count = self.post("/v1/messages/count_tokens", messages)["input_tokens"]
        self.assertEqual([chat, responses, count], [native] * 3)
        self.assertEqual(usage["input_tokens"] + usage["cache_read_input_tokens"], native)


class Failures(unittest.TestCase):
    def test_a_runner_that_dies_in_mid_answer(self):
        with Server() as server:
            for path in ROUTES:
                stream = server.stream(path, request(path, 1000, stream=True))
                self.assertTrue(stream.response.readline())
                os.kill(server.runners()[0], signal.SIGKILL)
                rest = stream.response.read().decode()
                last = rest.strip().split("\n\n")[-1]
                self.assertIn("model runner has unexpectedly stopped", last)
                if path == "/v1/chat/completions":
                    error = json.loads(last.removeprefix("data: "))["error"]
                    self.assertEqual(error["type"], "api_error")
                    self.assertNotIn("[DONE]", rest)
                elif path == "/v1/responses":
                    self.assertTrue(last.startswith("event: response.failed\n"), last)
                else:
                    self.assertTrue(last.startswith("event: error\n"), last)

    def test_a_full_queue(self):
        with Server(env={"OLLAMA_MAX_QUEUE": "1"}) as server:
            path = "/v1/messages"
            running = server.stream(path, request(path, 100_000, stream=True))
            running.response.readline()
            waiting = server.connect()
            waiting.request("POST", path, json.dumps(request(path, 1)))

            def refused():
                reply = server.post(path, request(path, 1))
                # Until the other one stands in the queue this one may be the one that waits.
                return reply if reply.status != 200 else None

            reply = wait_until(refused, "the queue is full")
            self.assertEqual(reply.status, 529)
            self.assertEqual(reply.error["type"], "overloaded_error")
            self.assertIn("Retry-After", reply.headers)
            path = "/v1/chat/completions"
            reply = server.post(path, request(path, 1))
            self.assertEqual(reply.status, 503)
            self.assertEqual(reply.error["message"], "server busy, please try again.  "
                             "maximum pending requests exceeded")
            self.assertIn("Retry-After", reply.headers)
            running.close()
            self.assertEqual(waiting.getresponse().status, 200)
            waiting.close()


if __name__ == "__main__":
    unittest.main()

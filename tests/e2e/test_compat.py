"""OpenAI's and Anthropic's routes where a client's library hides the bytes: events, failures, and
that every API gives the same answer."""
import json
import os
import signal
import unittest

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

"""A server whose upstream serves the models that it does not have. The upstream is another server of
ours; test_stock_ollama.py has a stock Ollama in both places."""
import contextlib
import json
import unittest

from harness import MODEL, Server, linked_model, wait_until

STORY = [{"role": "user", "content": "Tell me a story about a fox."}]
OURS = "mine:latest"
FEW = {"temperature": 0, "num_predict": 6}


def names(reply, key="models"):
    return [model.get("name", model.get("id")) for model in reply.json[key]]


class TwoServers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with contextlib.ExitStack() as stack:
            root = stack.enter_context(linked_model("mine"))
            cls.back = stack.enter_context(Server())
            cls.front = stack.enter_context(Server(
                models=(root,), env={"AXOLLAMA_UPSTREAM": f"http://{cls.back.addresses[0]}/"}))
            cls.addClassCleanup(stack.pop_all().close)

    def test_lists_are_merged(self):
        front, back = self.front, self.back
        listed = names(front.get("/api/tags"))
        self.assertEqual(listed[0], OURS)
        self.assertEqual(listed[1:], names(back.get("/api/tags")))
        self.assertIn(MODEL, listed)
        entry = front.get("/api/tags").json["models"][listed.index(MODEL)]
        self.assertIn(entry, back.get("/api/tags").json["models"])
        self.assertEqual(names(front.get("/v1/models"), "data")[0], OURS)
        self.assertIn(MODEL, names(front.get("/v1/models"), "data"))
        self.assertEqual(front.get(f"/v1/models/{MODEL}").json, back.get(f"/v1/models/{MODEL}").json)
        show = {"model": MODEL}
        self.assertEqual(front.post("/api/show", show).json, back.post("/api/show", show).json)
        self.assertEqual(front.get("/v1/models/nosuch").status, 404)

    def test_answers_come_through(self):
        front, back = self.front, self.back
        for path, body in (
                ("/api/generate", {"prompt": "The fox", "options": FEW}),
                ("/api/chat", {"messages": STORY, "options": FEW}),
                ("/v1/chat/completions", {"messages": STORY, "temperature": 0, "max_tokens": 6}),
                ("/v1/completions", {"prompt": "The fox", "temperature": 0, "max_tokens": 6}),
                ("/v1/responses", {"input": STORY, "temperature": 0, "max_output_tokens": 16}),
                ("/v1/messages", {"messages": STORY, "temperature": 0, "max_tokens": 6})):
            for stream in (True, False):
                with self.subTest(path=path, stream=stream):
                    request = {"model": MODEL, "stream": stream, **body}
                    theirs, ours = back.post(path, request), front.post(path, request)
                    self.assertEqual((ours.status, ours.headers["Content-Type"]),
                                     (200, theirs.headers["Content-Type"]), ours.text)
                    self.assertEqual(texts(ours.text), texts(theirs.text))
        self.assertEqual(front.post("/v1/messages/count_tokens",
                                    {"model": MODEL, "messages": STORY}).json,
                         back.post("/v1/messages/count_tokens",
                                   {"model": MODEL, "messages": STORY}).json)
        # Loaded there and not here.
        self.assertIn(MODEL, front.loaded())
        self.assertEqual(front.runners(), [])

    def test_ours_is_served_here(self):
        reply = self.front.generate("The fox", model=OURS, options=FEW)
        self.assertEqual(reply.status, 200, reply.text)
        self.assertIn(OURS, self.front.loaded())
        self.assertNotIn(OURS, self.back.loaded())

    def test_errors_are_the_upstreams(self):
        for path, body in (("/api/chat", {"model": "nosuch", "messages": STORY}),
                           ("/api/chat", {"model": MODEL, "messages": STORY, "think": True}),
                           ("/api/generate", {"model": MODEL, "prompt": "x", "format": "xml"}),
                           ("/v1/chat/completions", {"model": "nosuch", "messages": STORY}),
                           ("/v1/messages", {"model": "nosuch", "max_tokens": 1,
                                             "messages": STORY})):
            with self.subTest(path=path, model=body["model"]):
                ours, theirs = self.front.post(path, body), self.back.post(path, body)
                self.assertGreaterEqual(ours.status, 400)
                self.assertEqual(ours.status, theirs.status)
                self.assertEqual(ours.json["error"], theirs.json["error"])

    def test_who_leaves_ends_the_work_there(self):
        stream = self.front.stream("/api/chat", {"model": MODEL, "messages": STORY,
                                                 "options": {"num_predict": 1000}})
        self.assertEqual(stream.status, 200)
        self.assertFalse(stream.line()["done"])
        stream.close()
        # Only a sequence that is free again answers.
        reply = self.front.generate("The fox", options=FEW)
        self.assertEqual(reply.status, 200, reply.text)

    def test_theirs_are_changed_there(self):
        where = f"at the upstream Ollama, http://{self.back.addresses[0]}: change it there"
        for method, path, body in (("DELETE", "/api/delete", {"model": MODEL}),
                                   ("POST", "/api/copy", {"source": MODEL, "destination": "b"}),
                                   ("POST", "/api/create", {"model": "b", "from": MODEL})):
            reply = self.front.request(method, path, body)
            self.assertEqual(reply.status, 400, reply.text)
            self.assertEqual(reply.error, f"model '{MODEL}' is {where}")
        reply = self.front.request("DELETE", "/api/delete", {"model": "nosuch"})
        self.assertEqual((reply.status, reply.error), (404, "model 'nosuch' not found"))


class OneServer(unittest.TestCase):
    def test_an_upstream_that_is_not_there(self):
        with Server(env={"AXOLLAMA_UPSTREAM": "127.0.0.1:1"}) as server:
            self.assertIn(MODEL, names(server.get("/api/tags")))
            self.assertEqual(server.loaded(), [])
            reply = server.generate("Hi", model="theirs", options=FEW)
            self.assertEqual(reply.status, 502)
            self.assertIn("model 'theirs' is not here, and the upstream Ollama at "
                          "http://127.0.0.1:1 does not serve it: cannot reach", reply.error)
            reply = server.request("DELETE", "/api/delete", {"model": "theirs"})
            self.assertEqual(reply.status, 404)
            wait_until(lambda: server.log_text().count("are not listed") == 1, "it is logged once")

    def test_an_upstream_that_is_this_server(self):
        with Server() as server:
            address = server.addresses[0]
        with Server(env={"AXOLLAMA_UPSTREAM": address}, args=("--listen", address),
                    listen=False) as server:
            self.assertEqual(len(names(server.get("/api/tags"))),
                             len(set(names(server.get("/api/tags")))))
            reply = server.generate("Hi", model="nosuch", options=FEW)
            self.assertEqual((reply.status, reply.error), (404, "model 'nosuch' not found"))

    def test_a_url_that_is_none_ends_the_start(self):
        with self.assertRaises(AssertionError) as failed:
            Server(env={"AXOLLAMA_UPSTREAM": "ftp://host"}).__enter__()
        self.assertIn('AXOLLAMA_UPSTREAM: "ftp://host" is neither http nor https',
                      str(failed.exception))


def texts(body):
    """Every piece of generated text in an answer of whatever API, in order."""
    out = []

    def walk(value, key=None):
        if isinstance(value, dict):
            for name, inner in value.items():
                walk(inner, name)
        elif isinstance(value, list):
            for inner in value:
                walk(inner, key)
        elif key in ("response", "content", "text", "delta") and value:
            out.append(value)

    for line in body.splitlines():
        line = line.removeprefix("data: ")
        if line.startswith("{"):
            walk(json.loads(line))
    assert out, body
    return out


if __name__ == "__main__":
    unittest.main()

"""Requests and what must be answered, as the files in requests/ say: sequences that known clients
send, every error that Ollama's documents name, and one prompt through every API.

A file is {"what": TEXT, "env": {...}, "headers": {...}, "steps": [STEP, ...]}, a step {"request": ...,
"response": ...}. A request has method, path, headers beside the file's, and body (JSON) or text. A
response has status, headers, and one of
  body    the JSON value           text    the text
  lines   NDJSON, a list           events  a list of {"event": NAME, "data": JSON}
each a pattern of patterns.py. "joined": {NAME: "a.0.b"} joins the texts at that place of all lines
or events, and holds them against "<is:NAME>". Names live as long as their file. The steps of a file
are made one after another; a file with "env" has a server of its own.
"""
import json
import os
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", part) for part in ("e2e", "embeddings")]
from able_model import able_model  # noqa: E402  (their folders are known only now)
from embedding_models import build  # noqa: E402
from harness import MODELS, Server  # noqa: E402
from patterns import difference, filled  # noqa: E402

REQUESTS = os.path.join(HERE, "requests")


def events(text):
    """[{"event": name, "data": value}] of a stream of server-sent events."""
    out = []
    for block in text.split("\n\n")[:-1]:
        event = {}
        for line in block.split("\n"):
            field, _, value = line.partition(": ")
            event[field] = value
        if event.get("data", "").startswith("{"):
            event["data"] = json.loads(event["data"])
        out.append(event)
    return out


def text_at(value, place):
    """The text at a place such as "choices.0.delta.content", empty where there is none."""
    for part in place.split("."):
        if isinstance(value, list):
            value = value[int(part)] if int(part) < len(value) else None
        else:
            value = value.get(part) if isinstance(value, dict) else None
    return value or ""


def wrong_with(response, reply, names):
    """What is wrong with a reply, or None."""
    if reply.status != response["status"]:
        return f"status {reply.status}: {reply.text}"
    for name, pattern in response.get("headers", {}).items():
        wrong = difference(pattern, reply.headers[name], names, name)
        if wrong:
            return wrong
    if "text" in response:
        return difference(response["text"], reply.text, names, "text")
    if "body" in response:
        return difference(response["body"], reply.json, names)
    parts = reply.lines if "lines" in response else events(reply.text)
    wrong = difference(response["lines"] if "lines" in response else response["events"], parts,
                       names, "line" if "lines" in response else "event")
    for name, place in response.get("joined", {}).items():
        whole = "".join(text_at(part, place) for part in parts)
        wrong = wrong or difference(f"<is:{name}>", whole, names, f"all {place}")
    return wrong


def send(server, request, names, headers):
    body = filled(request["body"], names) if "body" in request else request.get("text")
    return server.request(request["method"], request["path"], body,
                          {**headers, **request.get("headers", {})})


class Requests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        vectors = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="axgolden"))
        build(os.path.join(vectors, "smollm2", "embed"))
        cls.roots = (cls.enterClassContext(able_model()), MODELS, vectors)
        cls.server = cls.enterClassContext(Server(models=cls.roots))

    def play(self, name):
        with open(os.path.join(REQUESTS, name)) as file:
            sequence = json.load(file)
        if "env" in sequence:
            with Server(models=self.roots, env=sequence["env"]) as server:
                self.play_steps(server, sequence)
        else:
            self.play_steps(self.server, sequence)

    def play_steps(self, server, sequence):
        names = {}
        for number, step in enumerate(sequence["steps"], 1):
            request = step["request"]
            reply = send(server, request, names, sequence.get("headers", {}))
            wrong = wrong_with(step["response"], reply, names)
            self.assertIsNone(wrong, f"step {number}, {request['method']} {request['path']}")


for file_name in sorted(os.listdir(REQUESTS)):
    setattr(Requests, "test_" + file_name.removesuffix(".json"),
            lambda self, name=file_name: self.play(name))


class Patterns(unittest.TestCase):
    def assert_differs(self, pattern, value, *words):
        wrong = difference(pattern, value, {"known": "x"})
        for word in words:
            self.assertIn(word, wrong or "")

    def test_what_is_equal(self):
        for pattern, value in (
                ({"a": 1, "b?": 2}, {"a": 1}), ({"a": 1, "<more>": True}, {"a": 1, "b": 2}),
                ([{"<some>": "<int>"}, "x"], [1, 2, "x"]), ({"<has>": {"a": 1}}, [{}, {"a": 1}]),
                ("<is:known>", "x"), ("<re:^a.c$>", "abc"), ("<time>", "2026-01-02T03:04:05.6Z"),
                (["<is:new>", "<is:new>"], [3, 3])):
            self.assertIsNone(difference(pattern, value, {"known": "x"}))

    def test_what_is_not(self):
        self.assert_differs({"a": 1}, {"a": True}, "body.a", "True")
        self.assert_differs({"a": 1}, {"a": 1, "b": 2}, "no b")
        self.assert_differs({"a": 1}, {}, "a is missing")
        self.assert_differs([{"<some>": 1}], [], "ends")
        self.assert_differs([{"<some>": 1}], [1, 2], "should end")
        self.assert_differs([1, 2], [1], "ends")
        self.assert_differs({"<has>": 1}, [2], "no element")
        self.assert_differs("<is:known>", "y", "'x'")
        self.assert_differs("<digest>", "0f", "digest")
        self.assert_differs("<int>", 1.5, "1.5")
        self.assert_differs("<int>", True, "True")
        self.assert_differs("<re:^b>", "abc", "abc")


if __name__ == "__main__":
    unittest.main()

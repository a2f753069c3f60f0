"""Requests made to hurt: numbers, sizes, shapes, paths and addresses that no honest client sends."""
import gzip
import json
import os
import random
import socket
import tempfile
import threading
import unittest

from harness import (BUILD, LONG, MODEL, MODELS, Server, children, copy_model, link_folder,
                     rss_anon_mb)
from tiny_model import tiny_root

GROWTH_MB = 200  # of the server, after bodies of many megabytes: none of them is kept
GENERATE = {"model": MODEL, "prompt": "Hi", "stream": False}
CHAT = {"model": MODEL, "stream": False, "max_tokens": 1,
        "messages": [{"role": "user", "content": "Hi"}]}
ONE = {"num_predict": 1, "temperature": 0}
# Every numeric field: (route, a good request, the fields to spoil).
NUMBERS = (
    ("/api/generate", {**GENERATE, "options": ONE},
     [("options", name) for name in (
         "num_ctx", "num_predict", "num_keep", "seed", "top_k", "top_p", "min_p", "typical_p",
         "repeat_last_n", "repeat_penalty", "presence_penalty", "frequency_penalty", "temperature",
         "num_batch", "num_gpu", "main_gpu", "num_thread", "draft_num_predict")]
     + [("top_logprobs",), ("keep_alive",), ("context",)]),
    ("/api/chat", {"model": MODEL, "messages": CHAT["messages"], "stream": False, "options": ONE},
     [("options", "num_ctx"), ("options", "num_predict"), ("top_logprobs",), ("keep_alive",)]),
    ("/v1/chat/completions", CHAT,
     [(name,) for name in ("max_tokens", "max_completion_tokens", "n", "seed", "temperature",
                           "top_p", "top_logprobs", "presence_penalty", "frequency_penalty")]
     + [("logit_bias", "5")]),
    ("/v1/completions", {"model": MODEL, "prompt": "Hi", "max_tokens": 1},
     [(name,) for name in ("max_tokens", "n", "best_of", "logprobs", "seed", "temperature",
                           "top_p")]),
    ("/v1/responses", {"model": MODEL, "input": "Hi", "max_output_tokens": 1},
     [(name,) for name in ("max_output_tokens", "temperature", "top_p", "top_logprobs")]),
    ("/v1/messages", {"model": MODEL, "max_tokens": 1, "messages": CHAT["messages"]},
     [(name,) for name in ("max_tokens", "temperature", "top_p", "top_k")]
     + [("thinking", "budget_tokens")]),
    ("/generate", {"prompt": "Hi", "max_tokens": 1},
     [(name,) for name in ("max_tokens", "temperature", "top_p", "top_k")]),
)
# As JSON, since Python's cannot be brought to write some of them.
VALUES = ("-1", "-9223372036854775809", "9223372036854775807", "18446744073709551616", "1e308",
          "1e999", "0.5", "NaN", '"5"', "[5]", "{}")
# Valid ones that ask for a whole context of tokens: the first is enough.
LONG_ANSWERS = {"num_predict", "max_tokens", "max_completion_tokens", "max_output_tokens"}


def spoiled(body, path, value):
    """`body` as JSON with `value`, which is JSON, at `path`."""
    body = json.loads(json.dumps(body))
    place = body
    for name in path[:-1]:
        place = place.setdefault(name, {})
    place[path[-1]] = "@@"
    return json.dumps(body).replace('"@@"', value)


class Requests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # What is refused is, whatever the model, and what is answered costs little with a tiny one.
        root = cls.enterClassContext(tiny_root(os.path.join(BUILD, "axollama-sim"), MODEL))
        cls.server = Server(models=(root,)).start()
        cls.addClassCleanup(cls.server.end)
        assert cls.server.generate("Hi", keep_alive=-1).status == 200
        assert cls.server.post("/load", {"model_path": MODEL}).status == 200

    def setUp(self):
        self.processes = (self.server.pid, children(self.server.pid))
        self.memory_mb = rss_anon_mb(self.server.pid)

    def tearDown(self):
        """Whatever was asked: the same processes still answer."""
        self.assertEqual(self.server.generate("Hi", keep_alive=-1).status, 200)
        self.assertEqual((self.server.pid, children(self.server.pid)), self.processes)
        self.assertLess(rss_anon_mb(self.server.pid), self.memory_mb + GROWTH_MB)

    def assert_refused(self, reply, *statuses):
        self.assertIn(reply.status, statuses or (400,), reply.text[:300])
        self.assertTrue(reply.json["error"])

    def test_numbers(self):
        for route, body, paths in NUMBERS:
            for path in paths:
                for value in VALUES:
                    with self.subTest(route=route, path=path, value=value):
                        self.ask_number(route, spoiled(body, path, value), path[-1])

    def ask_number(self, route, body, name):
        if name in LONG_ANSWERS:
            body = body.replace('"stream": false', '"stream": true')
            if '"stream"' not in body:
                body = '{"stream": true, ' + body[1:]
        connection = self.server.connect()
        try:
            connection.request("POST", route, body)
            response = connection.getresponse()
            self.assertIn(response.status, (200, 400))
            if response.status == 200 and name in LONG_ANSWERS:
                self.assertTrue(response.readline())
                connection.sock.shutdown(socket.SHUT_RDWR)
                return
            answer = json.loads(response.read())
            self.assertEqual("error" in answer and answer["error"] is not None,
                             response.status == 400)
            if name == "keep_alive" and response.status == 200:
                self.server.generate("Hi", keep_alive=-1)
        finally:
            connection.close()

    def test_lists_and_strings_without_end(self):
        many = 20_000
        cases = (
            ("/api/chat", {"model": MODEL, "messages": [{"role": "user", "content": ""}] * many}),
            ("/api/chat", {"model": MODEL, "messages": [{"role": "user", "content": "a " * many}],
                           "truncate": False}),
            ("/api/generate", {**GENERATE, "prompt": "a" * 3_000_000}),
            ("/api/generate", {**GENERATE, "prompt": "a" * 500_000}),
            ("/api/generate", {**GENERATE, "options": {**ONE, "stop": ["x"] * many}}),
            ("/api/generate", {**GENERATE, "options": {**ONE, "stop": ["x" * 8_000_000]}}),
            ("/api/generate", {**GENERATE, "context": [1] * many, "options": ONE}),
            ("/api/generate", {**GENERATE, "context": [2**40], "options": ONE}),
            ("/api/generate", {**GENERATE, "options": {**ONE, **{str(i): i for i in range(many)}}}),
            ("/v1/chat/completions", {**CHAT, "n": many}),
            ("/v1/chat/completions", {**CHAT, "logit_bias": {str(i): 1 for i in range(many)}}),
            ("/v1/messages", {"model": MODEL, "max_tokens": 1, "messages": CHAT["messages"],
                              "stop_sequences": ["x"] * many}),
            ("/api/show", {"model": "a" * 8_000_000}),
        )
        for route, body in cases:
            with self.subTest(route=route, body=str(body)[:60]):
                reply = self.server.post(route, {"stream": False, "options": ONE, **body})
                self.assertIn(reply.status, (200, 400, 404), reply.text[:300])
                if reply.status == 200:
                    self.assertTrue({"eval_count", "usage"} & set(reply.json))

    def test_bodies(self):
        deep = b'{"model":"smollm2:135m","format":' + b"[" * 60_000 + b"]" * 60_000 + b"}"
        many = b'{"a":[' + b"[]," * 2_000_000 + b"1]}"
        for body in (deep, many, b"[" * 1_000_000, b'{"a":' * 100_000, b"\xff\xfe{}", b"\0", b"5",
                     b'"x"', b"null", b"{} {}", b'{"model":"\xed\xa0\x80"}'):
            for route in ("/api/generate", "/api/chat", "/v1/chat/completions", "/v1/messages",
                          "/v1/responses", "/api/show", "/load"):
                with self.subTest(route=route, body=body[:20]):
                    self.assert_refused(self.server.post(route, body))

    def test_compressed_bodies(self):
        """zstd alone is taken apart, within bounds (content_encoding_test.cc)."""
        bomb = gzip.compress(b" " * 50_000_000 + b"{}")
        for encoding in ("gzip", "zstd", "br", "deflate", "gzip, gzip"):
            for route in ("/api/chat", "/v1/responses", "/v1/chat/completions"):
                self.assert_refused(self.server.post(route, bomb, headers={
                    "Content-Encoding": encoding}))
        plain = self.server.post("/api/show", {"model": MODEL},
                                 headers={"Content-Encoding": "identity"})
        self.assertEqual(plain.status, 200)

    def test_names_are_no_paths(self):
        names = ("../../etc/passwd", "/etc/passwd", "..", ".", "smollm2:../135m", "smollm2:..",
                 "smollm2/135m/../135m", "smollm2%2f135m", "%2e%2e/x", "..%2f..%2fetc%2fpasswd",
                 "smollm2:135m\0", "smollm2:135m/..", "\\\\host\\share", "file:///etc/passwd",
                 MODELS, os.path.join(MODELS, "smollm2/135m"), "a" * 5000, "sha256-" + "0" * 64,
                 "smollm2:135m\n", " smollm2:135m", "~/x", "$HOME", "a:b:c")
        for name in names:
            for route, body in (("/api/show", {"model": name}),
                                ("/api/generate", {**GENERATE, "model": name}),
                                ("/api/chat", {"model": name, "messages": CHAT["messages"]}),
                                ("/v1/chat/completions", {**CHAT, "model": name})):
                with self.subTest(route=route, name=name[:40]):
                    self.assert_refused(self.server.post(route, body), 400, 404)

    def test_nothing_is_stored_outside(self):
        before = sorted(os.listdir(self.server.folder))
        for name in ("../../evil", "..", "/tmp/evil", "x:../evil", "x:..", "a/../../evil", "x\0y",
                     "..%2f..%2fevil", "%2e%2e/evil", "a/b/c/d/e", "~/evil", "x" * 5000):
            for method, route, body in (
                    ("POST", "/api/copy", {"source": MODEL, "destination": name}),
                    ("POST", "/api/copy", {"source": name, "destination": "good"}),
                    ("POST", "/api/create", {"model": name, "from": MODEL, "stream": False}),
                    ("POST", "/api/create", {"model": "good", "from": name, "stream": False}),
                    ("DELETE", "/api/delete", {"model": name})):
                with self.subTest(route=route, name=name[:40]):
                    reply = self.server.request(method, route, body)
                    self.assert_refused(reply, 400, 404)
        for digest in ("sha256:../../evil", "sha256-" + "0" * 63, "sha256:" + "0" * 65, "..",
                       "sha256:" + "g" * 64, "..%2f..%2fevil", "sha256:" + "0" * 64 + "/../evil"):
            with self.subTest(digest=digest):
                self.assert_refused(self.server.post("/api/blobs/" + digest, b"x"), 400)
        self.assertEqual(sorted(os.listdir(self.server.folder)), before)

    def test_an_upload_larger_than_the_disk_is_refused_at_once(self):
        disk = os.statvfs(self.server.folder)
        length = disk.f_bavail * disk.f_frsize + (1 << 34)
        connection = self.server.connect()
        self.addCleanup(connection.close)
        connection.putrequest("POST", "/api/blobs/sha256:" + "0" * 64)
        connection.putheader("Content-Length", str(length))
        connection.endheaders()
        response = connection.getresponse()
        # A disk may have more room than a body may have bytes.
        self.assertEqual(response.status, 413 if length > 256 << 30 else 500)
        self.assertRegex(json.loads(response.read())["error"],
                         "over the limit|not enough room on the disk of .*: the file needs")

    def test_nothing_tells_whether_a_file_is_there(self):
        """The answers for what exists and what does not are the same but for the name."""
        for there, missing in (("/etc/passwd", "/etc/passwx"), ("/root", "/rooo"),
                               ("../../../../etc/passwd", "../../../../etc/passwx")):
            for route, key in (("/api/show", "model"), ("/load", "model_path"),
                               ("/api/generate", "model")):
                with self.subTest(route=route, there=there):
                    one = self.server.post(route, {key: there})
                    other = self.server.post(route, {key: missing})
                    self.assertEqual((one.status, one.text.replace(there, "X")),
                                     (other.status, other.text.replace(missing, "X")))

    def test_images_are_never_fetched(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(0.5)
            here = f"http://127.0.0.1:{listener.getsockname()[1]}/x.png"
            for url in (here, "file:///etc/passwd", "/etc/passwd", "ftp://127.0.0.1/x",
                        "data:image/png;base64,!!", "data:text/html,x"):
                part = {"type": "image_url", "image_url": {"url": url}}
                message = {"role": "user", "content": [part]}
                self.assert_refused(self.server.post("/v1/chat/completions",
                                                     {**CHAT, "messages": [message]}))
                source = {"type": "url", "url": url}
                message = {"role": "user", "content": [{"type": "image", "source": source}]}
                self.assert_refused(self.server.post("/v1/messages", {
                    "model": MODEL, "max_tokens": 1, "messages": [message]}))
                self.assert_refused(self.server.post("/api/chat", {"model": MODEL, "messages": [
                    {"role": "user", "content": "x", "images": [url]}]}))
            with self.assertRaises(TimeoutError):
                listener.accept()

    def test_text_of_users_is_no_template(self):
        attack = "{{ 7 * 7 }}{% for i in range(9) %}x{% endfor %}{{ cycler.__init__ }}{{ .System }}"
        reply = self.server.post("/api/chat", {"model": MODEL, "_debug_render_only": True,
                                               "messages": [{"role": "user", "content": attack}]})
        self.assertEqual(reply.status, 200, reply.text)
        self.assertIn(attack, reply.json["_debug_info"]["rendered_template"])


class Folders(unittest.TestCase):
    def test_links_out_of_a_root_are_no_models(self):
        with tempfile.TemporaryDirectory(prefix="axroot", dir=link_folder()) as folder:
            outside = os.path.join(folder, "outside")
            root = os.path.join(folder, "root")
            copy_model(os.path.join(root, "good"))
            copy_model(outside)
            os.symlink(outside, os.path.join(root, "evil"))
            with Server(models=(root,)) as server:
                names = [model["name"] for model in server.get("/api/tags").json["models"]]
                self.assertEqual(names, ["good:latest"])
                for path in ("evil", outside, os.path.join(root, "evil"),
                             os.path.join(root, "good", "..", "..", "outside")):
                    self.assertEqual(server.post("/load", {"model_path": path}).status, 404, path)
                self.assertEqual(server.post("/api/show", {"model": "evil"}).status, 404)


class Caches(unittest.TestCase):
    """Two users share no more of the cache than equal tokens, whatever stands behind them."""

    def test_a_prefix_is_reused_token_by_token(self):
        words = ["red", "blue", "green", "tea", "12", "21", "a", "Anna", "b"]
        shuffle = random.Random(7)
        prompts = []
        for _ in range(6):
            shuffle.shuffle(words)
            # The same words in another order, and sums that a weak check takes for equal.
            prompts.append("Secret " + " ".join(words[:shuffle.randint(1, 9)]))
        with Server() as server:
            before = ""
            for prompt in prompts:
                reply = server.post("/v1/completions", {
                    "model": MODEL, "prompt": prompt, "max_tokens": 4, "temperature": 0}).json
                native = server.generate(prompt, options={"num_predict": 4}).json
                self.assertEqual(reply["choices"][0]["text"], native["response"])
                cached = reply["usage"]["prompt_tokens_details"]["cached_tokens"]
                self.assertLessEqual(cached, common(before, prompt), (before, prompt))
                before = prompt
            answers = {prompt: server.generate(prompt).json["response"] for prompt in prompts}
            for prompt in prompts[:2]:
                server.unload()  # an empty cache
                self.assertEqual(server.generate(prompt).json["response"], answers[prompt])


def common(one, other):
    """Tokens that two prompts can share at most: a token has a character or more, the template's
    beginning is the same for all."""
    template_tokens = 40
    return template_tokens + len(os.path.commonprefix([one, other]))


class Logs(unittest.TestCase):
    """No word of a prompt stands in the log, also where something goes wrong."""

    MARK = "zebrafinch"

    def test_no_prompt_is_logged(self):
        mark = self.MARK
        asks = (
            ("/api/generate", {**GENERATE, "prompt": mark, "system": mark, "options": ONE}),
            ("/api/generate", {**GENERATE, "prompt": mark, "options": {**ONE, "stop": 5}}),
            ("/api/generate", {**GENERATE, "prompt": (mark + " ") * 5000, "truncate": False,
                               "shift": False, "options": ONE}),
            ("/api/generate", {**GENERATE, "prompt": mark, "format": mark, "options": ONE}),
            ("/api/chat", {"model": MODEL, "stream": False, "options": ONE, "messages": [
                {"role": "system", "content": mark}, {"role": "user", "content": mark}],
                "tools": [{"type": "function", "function": {"name": mark, "description": mark}}]}),
            ("/api/chat", {"model": MODEL, "options": ONE, "messages": [
                {"role": mark, "content": mark}]}),
            ("/v1/chat/completions", {**CHAT, "messages": [{"role": "user", "content": mark}]}),
            ("/v1/chat/completions", {**CHAT, "messages": [{"role": "user", "content": [mark]}]}),
            ("/v1/completions", {"model": MODEL, "prompt": mark, "max_tokens": 1}),
            ("/v1/responses", {"model": MODEL, "input": mark, "max_output_tokens": 1}),
            ("/v1/messages", {"model": MODEL, "max_tokens": 1, "system": mark,
                              "messages": [{"role": "user", "content": mark}]}),
            ("/generate", {"prompt": mark, "max_tokens": 1}),
        )
        for env in ({}, {"OLLAMA_DEBUG_LOG_REQUESTS": "1"}):
            with Server(env=env) as server:
                for route, body in asks:
                    server.post(route, body)
                    server.post(route, json.dumps(body)[:-1])  # broken JSON
                    stream = server.stream(route, {**body, "stream": True})
                    stream.close()  # a client that goes
                server.post("/api/generate", b'{"prompt":"' + mark.encode() + b"\n\x1b[2J")
                for runner in server.runners():
                    os.kill(runner, 9)
                server.generate(mark)
                server.end()
                self.assertNotIn(mark, server.log_text())
                self.assertNotIn("\x1b", server.log_text())

    def test_a_request_cannot_write_lines_of_the_log(self):
        with Server() as server:
            server.generate("Hi", options={"x\n2026 fake line\x1b[31m": 1, "num_predict": 1})
            flood = {f"{i}" + "x" * 500: i for i in range(1000)}
            server.generate("Hi", options={**flood, "num_predict": 1})
            server.end()
            self.assertLess(server.log_text().count("invalid option"), 20)
            self.assertNotIn("x" * 100, server.log_text())
            for line in server.log:
                self.assertRegex(line, r"^\d{4}-\d\d-\d\dT")


class Admissions(unittest.TestCase):
    def test_many_at_once_are_refused_not_kept(self):
        """More requests than may wait: each is answered, those over the limit with 503."""
        with Server(env={"OLLAMA_MAX_QUEUE": "4"}) as server:
            self.assertEqual(server.generate("Hi").status, 200)
            replies = []
            asks = [threading.Thread(target=lambda: replies.append(
                server.generate("Tell me a story", options={"num_predict": 24})))
                for _ in range(24)]
            for ask in asks:
                ask.start()
            for ask in asks:
                ask.join(LONG)
            self.assertEqual(len(replies), 24)
            refused = [reply for reply in replies if reply.status != 200]
            self.assertTrue(refused)
            for reply in refused:
                self.assertEqual(reply.status, 503)
                self.assertEqual(reply.error, "server busy, please try again.  "
                                              "maximum pending requests exceeded")
                self.assertTrue(int(reply.headers["Retry-After"]) >= 1)


if __name__ == "__main__":
    unittest.main()

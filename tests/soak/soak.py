#!/usr/bin/env python3
"""Thousands of requests against one server: answers, streams, clients that vanish, nonsense, and
runners that are killed. What a server holds must be the same at the end as after the first of them:
processes, descriptors, threads, memory, the card's memory, files.

    soak.py [REQUESTS]      AXOLLAMA_BUILD and AXOLLAMA_TEST_MODELS as in tests/e2e/harness.py

The model is a tiny one with random weights, so that most of the time goes into the server; its KV
cache is large enough that a killed runner's memory is missed. Ends with the line `N passed, N
failed`.
"""

import os
import pathlib
import queue
import random
import shutil
import signal
import sys
import tempfile
import threading
import unittest

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS / "e2e"), str(TESTS / "fidelity")]
import random_models  # noqa: E402
from harness import (Server, children, clean_environment, rss_anon_mb, run,  # noqa: E402
                     run_and_count, wait_until)

MODEL = "tiny:latest"
CONTEXT = 4096  # 24 MiB of KV cache
CLIENTS = 4
ROUND = 200  # requests between two kills of the runner
MARGIN_MB = 16
STOPPED = "model runner has unexpectedly stopped"


def build_model(root):
    folder = tempfile.mkdtemp(prefix="axsoak")
    try:
        gguf = os.path.join(folder, "tiny.gguf")
        random_models.CONTEXT = CONTEXT
        random_models.MODELS["soak"] = {**random_models.MODELS["llama"], "arch": "llama",
                                        "kv_heads": 4, "head_dim": 128}
        random_models.write_gguf("soak", pathlib.Path(gguf))
        code, _, error = run("sim", "build", gguf, os.path.join(root, "tiny"), "--context", str(CONTEXT),
                             "--prefill-len", "32", env=clean_environment(folder))
        assert code == 0, error
    finally:
        shutil.rmtree(folder)


class Client(threading.Thread):
    """Takes seeds from the queue and makes one request of each, until there are no more."""

    def __init__(self, server, seeds):
        super().__init__()
        self.server, self.seeds = server, seeds
        self.wrong = []
        self.stopped = 0

    def run(self):
        while True:
            try:
                seed = self.seeds.get_nowait()
            except queue.Empty:
                return
            try:
                self.ask(random.Random(seed))
            except Exception as error:  # whatever it is, the test is to show it
                self.wrong.append(f"request {seed}: {error!r}")

    def ask(self, choice):
        kind = choice.choice(("whole", "whole", "whole", "chat", "stream", "vanish", "list", "bad"))
        words = choice.choice(("Hi", "Once upon a time", "a b c d e f g h")) + str(choice.random())
        body = {"model": MODEL, "prompt": words, "options": {"num_predict": 1 + choice.randrange(8)}}
        if kind == "whole":
            self.expect(self.server.post("/api/generate", {**body, "stream": False}))
        elif kind == "chat":
            body["messages"] = [{"role": "user", "content": body.pop("prompt")}]
            self.expect(self.server.post("/api/chat", {**body, "stream": False}))
        elif kind == "stream":
            self.expect(self.server.post("/api/generate", body))
        elif kind == "vanish":
            body["options"]["num_predict"] = 200
            self.server.post_and_vanish("/api/generate", body, choice.random() < 0.5)
        elif kind == "list":
            reply = self.server.get(choice.choice(("/api/tags", "/api/ps", "/health")))
            assert reply.status == 200, reply.text
        else:
            bad = choice.choice((b"", b"{", b'{"model":5}', b'{"model":"none","prompt":"a"}'))
            reply = self.server.post("/api/generate", bad)
            assert reply.status in (400, 404), reply.text

    def expect(self, reply):
        last = reply.lines[-1]
        if STOPPED in last.get("error", ""):
            self.stopped += 1  # it had begun when its runner was killed
            return
        assert reply.status == 200 and last["done"] and last["eval_count"] > 0, reply.text


class SoakServer(Server):
    def post_and_vanish(self, path, body, at_once):
        stream = self.stream(path, body)
        self.streams.remove(stream)
        if not at_once:
            stream.line()
        stream.close()


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def threads(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


def files_below(folder):
    return sum(len(names) for _, _, names in os.walk(folder))


class Soak(unittest.TestCase):
    requests = 2000

    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="axsoak")
        self.addCleanup(shutil.rmtree, self.root, ignore_errors=True)
        build_model(self.root)

    def round(self, server, first, count):
        """Asks `count` requests from several clients; returns how many a kill cut short."""
        seeds = queue.SimpleQueue()
        for seed in range(first, first + count):
            seeds.put(seed)
        clients = [Client(server, seeds) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        if first > 0:
            wait_until(lambda: seeds.qsize() < count // 2, "half of the round is asked")
            for runner in server.runners():
                os.kill(runner, signal.SIGKILL)
        for client in clients:
            client.join()
        for client in clients:
            self.assertEqual(client.wrong, [])
        return sum(client.stopped for client in clients)

    def held(self, server):
        """What the server and its runner hold once nothing is asked."""
        self.assertEqual(server.generate("Hi", MODEL).status, 200)  # the model is loaded
        wait_until(lambda: descriptors(server.pid) <= self.idle_descriptors
                   and threads(server.pid) <= self.idle_threads, "the server is idle again")
        runner, = server.runners()
        return {"descriptors": descriptors(server.pid), "threads": threads(server.pid),
                "children": len(children(server.pid)), "runner's descriptors": descriptors(runner),
                "card MB": round(server.memory_mb()), "files": files_below(server.folder)}

    def test_nothing_grows(self):
        with SoakServer(models=(self.root,)) as server:
            empty_mb = server.memory_mb()
            self.assertEqual(server.generate("Hi", MODEL).status, 200)
            self.idle_descriptors, self.idle_threads = (descriptors(server.pid), threads(server.pid))
            self.round(server, 0, ROUND)
            before, before_mb = self.held(server), rss_anon_mb(server.pid)
            stopped = 0
            for first in range(ROUND, self.requests, ROUND):
                stopped += self.round(server, first, min(ROUND, self.requests - first))
            after, after_mb = self.held(server), rss_anon_mb(server.pid)
            print(f"{self.requests} requests, {stopped} cut short by a kill; {after}; memory of the "
                  f"server {before_mb:.1f} MB, then {after_mb:.1f} MB")
            self.assertEqual(after, before)
            self.assertLess(after_mb, before_mb + MARGIN_MB)
            server.unload(MODEL)
            wait_until(lambda: not server.runners() and
                       round(server.memory_mb()) == round(empty_mb), "the card is empty again")


if __name__ == "__main__":
    if len(sys.argv) == 2:
        Soak.requests = int(sys.argv.pop())
    sys.exit(run_and_count(Soak))

#!/usr/bin/env python3
"""Many clients at once, many one after another: nothing is lost, mixed up or kept.

    tests/load/load.py [--full]      (AXOLLAMA_BUILD, AXOLLAMA_TEST_MODELS as in tests/e2e)

Streams: 1,000 idle keep-alive connections and 32 streaming ones (in short: 8), each with a prompt
of its own; each stream's text must be what its prompt alone gives. Short requests: 10,000 (in
short: 500) over 16 kept connections: a fifth of them /api/generate with one token, the others
/api/version, /api/tags and /api/show. Memory, descriptors and threads of the server and its runner
are compared at points where nothing is asked.
"""
import json
import os
import queue
import resource
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
from harness import MARGIN_MB, MODEL, Server, rss_anon_mb, run_and_count, wait_until  # noqa: E402

FULL = "--full" in sys.argv
IDLE = 1000
STREAMS = 32 if FULL else 8
TOKENS = 48 if FULL else 12
SHORT = 10_000 if FULL else 500
CLIENTS = 16
IDLE_MB = 8  # of the server, for 1,000 connections that wait: some KB each


def prompt(i):
    return f"Story number {i}: once upon a time there were {i} "


def count(pid, what):
    return len(os.listdir(f"/proc/{pid}/{what}"))


class Load(unittest.TestCase):
    def setUp(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        self.server = Server(env={"OLLAMA_KEEP_ALIVE": "-1"}).start()
        self.addCleanup(self.server.end)
        self.assertEqual(self.server.generate("Hi").status, 200)

    def held(self):
        """What the server and its runner hold once nothing is asked any more."""
        pids = {"serve": self.server.pid, "runner": self.server.runners()[0]}
        wait_until(lambda: all(count(pid, "task") <= 16 for pid in pids.values()),
                   "threads without work are gone")
        out = {}
        for name, pid in pids.items():
            out[name] = (count(pid, "fd"), rss_anon_mb(pid))
        return out

    def assert_flat(self, before, after, margin_mb=MARGIN_MB):
        for name, (descriptors, memory_mb) in after.items():
            self.assertLessEqual(descriptors, before[name][0], name)
            self.assertLess(memory_mb, before[name][1] + margin_mb, name)

    def in_threads(self, work, arguments):
        wrong = []

        def guarded(*args):
            try:
                work(*args)
            except Exception as error:  # whatever it was, the test fails with it
                wrong.append(f"{args}: {error!r}")
        threads = [threading.Thread(target=guarded, args=args) for args in arguments]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_idle_connections_and_streams(self):
        alone = {}
        for i in range(STREAMS):
            alone[i] = self.server.generate(prompt(i), options={"num_predict": TOKENS}).json
        before = self.held()
        idle = []
        self.addCleanup(lambda: [connection.close() for connection in idle])
        for _ in range(IDLE):
            connection = self.server.connect()
            idle.append(connection)
            self.assert_alive(connection)
        with_idle = self.held()
        self.assertLess(with_idle["serve"][1], before["serve"][1] + IDLE_MB)

        texts = {}

        def stream(i):
            lines = self.server.stream("/api/generate", {
                "model": MODEL, "prompt": prompt(i),
                "options": {"temperature": 0, "num_predict": TOKENS}}).rest()
            self.assertTrue(lines[-1]["done"])
            self.assertEqual(lines[-1]["eval_count"], alone[i]["eval_count"])
            texts[i] = "".join(line["response"] for line in lines)
        self.in_threads(stream, [(i,) for i in range(STREAMS)])
        self.assertEqual(texts, {i: alone[i]["response"] for i in range(STREAMS)})
        for open_stream in self.server.streams:
            open_stream.close()
        for connection in idle:
            self.assert_alive(connection)  # none of them was given up for the streams
        for connection in idle:
            connection.close()
        wait_until(lambda: count(self.server.pid, "fd") <= before["serve"][0],
                   "closed connections are let go")
        after = self.held()
        print(f"{IDLE} idle and {STREAMS} streaming: (descriptors, MB) before {before}, with idle "
              f"{with_idle}, after {after}", flush=True)
        self.assert_flat(before, after)

    def assert_alive(self, connection):
        socket_before = connection.sock
        connection.request("GET", "/api/version")
        response = connection.getresponse()
        self.assertEqual((response.status, "version" in json.loads(response.read())), (200, True))
        if socket_before is not None:
            self.assertIs(connection.sock, socket_before)

    def test_short_requests(self):
        self.short_requests(0, SHORT // 5)  # what is made once is made
        before = self.held()
        self.short_requests(SHORT // 5, SHORT)
        after = self.held()
        print(f"{SHORT} short requests: (descriptors, MB) before {before}, after {after}",
              flush=True)
        self.assert_flat(before, after)

    def short_requests(self, first, end):
        numbers = queue.SimpleQueue()
        for number in range(first, end):
            numbers.put(number)

        def client():
            connection = self.server.connect()
            try:
                while True:
                    self.short_request(connection, numbers.get_nowait())
            except queue.Empty:
                connection.close()
        self.in_threads(client, [()] * CLIENTS)

    def short_request(self, connection, number):
        kind = number % 5
        if kind == 0:
            body = {"model": MODEL, "prompt": "Hi", "stream": number % 10 == 0,
                    "options": {"num_predict": 1, "temperature": 0}}
            connection.request("POST", "/api/generate", json.dumps(body))
        elif kind == 1:
            connection.request("POST", "/api/show", json.dumps({"model": MODEL}))
        else:
            connection.request("GET", ("/api/version", "/api/version", "/api/tags")[kind - 2])
        response = connection.getresponse()
        data = response.read()
        self.assertEqual(response.status, 200, data)
        last = json.loads(data.splitlines()[-1])
        if kind == 0:
            self.assertEqual((last["done"], last["eval_count"]), (True, 1))


if __name__ == "__main__":
    sys.exit(run_and_count(Load))

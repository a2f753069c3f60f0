#!/usr/bin/env python3
"""How much later than the card has a token does a client see it?

    bench/added_latency.py [--build build] [--tokens 400] [--model qwen3-0.6b] [--profile pi5]
                           [--sampled]

The runner waits once for each token's work on the card. A few lines of C stand before the simulated
card's library (AXOLLAMA_AXCL_LIB; needs cc) and write down when each such wait is over: the card is
done, and its host awake. A token has arrived when the kernel has put it into its client's socket
(SO_TIMESTAMPNS), a bare one on loopback. The difference of the two is everything that our processes
do between them: sampling from the whole vocabulary, making text of the token, the runner's HTTP, the
server's, and waking up the next in line each time. Nothing is subtracted. `seen_ms` has the client's
own waking up too, which here is Python's. The model is a geometry (shapes without weights), so that
no arithmetic of the simulator is in the way. `--sampled` draws with Ollama's default options
instead of taking the likeliest token.

For /api/version: the time from sending to having read the answer, on one kept connection.

Goals: median <= 0.3 ms, p99 <= 2 ms; /api/version median <= 1 ms. Exit code 1 when missed.
Python's standard library only.
"""

import argparse
import json
import os
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

/* [0]: how many moments are written down; then they themselves. */
static _Atomic int64_t* moments;

int32_t axclrtSynchronizeStreamWithTimeout(void* stream, int32_t timeout) {
  static int32_t (*card)(void*, int32_t);
  if (card == NULL) {
    card = dlsym(RTLD_NEXT, "axclrtSynchronizeStreamWithTimeout");
    const int fd = open(getenv("ADDED_LATENCY_LOG"), O_RDWR | O_CLOEXEC);
    moments = mmap(NULL, MOMENTS * 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (moments == MAP_FAILED) abort();
  }
  const int32_t result = card(stream, timeout);
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  const int64_t at = moments[0] + 1;
  if (at == MOMENTS) abort();
  moments[at] = now.tv_sec * 1000000000LL + now.tv_nsec;
  moments[0] = at;
  return result;
}
"""
MOMENTS = 1 << 16
SO_TIMESTAMPNS = 35  # of asm-generic/socket.h
GOAL_MEDIAN_MS, GOAL_P99_MS, GOAL_VERSION_MS = 0.3, 2.0, 1.0
SKIPPED = 5  # tokens, while caches warm up
VERSIONS = 2000


def now_ns():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


class Server:
    """`axollama serve` with one geometry, and the shim before its card."""

    def __init__(self, arguments, folder):
        def path(*parts):
            return os.path.join(folder, *parts)
        build = os.path.abspath(arguments.build)
        subprocess.run([os.path.join(build, "axollama-sim"), "build", "--geometry", arguments.model,
                        path("models", "geometry"), "--context", "2048"],
                       check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(path("shim.c"), "w", encoding="utf-8") as file:
            file.write(f"#define MOMENTS {MOMENTS}\n{SHIM}")
        # What the shim does not have, dlsym finds in the library that it needs.
        library = os.path.join(build, "sim", "libaxcl_rt.so")
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-Wl,--no-as-needed", "-o",
                        path("shim.so"), path("shim.c"), library, "-ldl"], check=True)
        self.log_path = path("moments")
        with open(self.log_path, "wb") as file:
            file.truncate(MOMENTS * 8)
        env = {**os.environ, "HOME": folder, "AXOLLAMA_HOME": path("home"),
               "AXOLLAMA_RUNTIME_DIR": path("run"), "AXSIM_STATE": path("card"),
               "AXSIM_PROFILE": arguments.profile, "AXOLLAMA_AXCL_LIB": path("shim.so"),
               "LD_LIBRARY_PATH": os.path.dirname(library),
               "ADDED_LATENCY_LOG": self.log_path, "AXOLLAMA_LOG": "warn"}
        os.makedirs(path("card"))
        ready_read, ready_write = os.pipe()
        self.process = subprocess.Popen(
            [os.path.join(build, "axollama"), "serve", "--listen", "127.0.0.1:0", "--models",
             path("models"), "--ready-fd", str(ready_write)],
            env=env, stdin=subprocess.DEVNULL, pass_fds=(ready_write,))
        os.close(ready_write)
        with os.fdopen(ready_read) as ready:
            host, port = ready.read().split()[0].rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)

    def end(self):
        self.socket.close()
        self.process.terminate()
        self.process.wait()

    def send(self, method, path, body=b""):
        self.socket.sendall(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n"
                            f"Content-Length: {len(body)}\r\n\r\n".encode() + body)

    def stream(self, tokens, sampled=False):
        """[(when it was in the socket, when it was seen)] of each chunk with text of a new answer"""
        options = {"num_predict": tokens} if sampled else {"num_predict": tokens, "temperature": 0}
        self.send("POST", "/api/generate", json.dumps({
            "model": "geometry", "prompt": "Hi", "raw": True,
            "options": {**options, "seed": 7}}).encode())
        # The kernel's time of a packet is the wall clock's.
        offset_ns = time.time_ns() - now_ns()
        arrivals, seen = [], b""
        while b"0\r\n\r\n" not in seen[-8:]:
            data, extra, _, _ = self.socket.recvmsg(65536, socket.CMSG_SPACE(16))
            seen_ns = now_ns()
            if not data:
                raise SystemExit(f"error: the server closed: {seen.decode(errors='replace')}")
            if b'"done":false' in data:
                seconds, ns = struct.unpack("qq", extra[0][2])
                arrivals.append((seconds * 1000000000 + ns - offset_ns, seen_ns))
            seen = (seen + data)[-4096:]
        if b'"done":true' not in seen:
            raise SystemExit(f"error: no answer: {seen.decode(errors='replace')}")
        return arrivals

    def version_ms(self):
        begun_ns = now_ns()
        self.send("GET", "/api/version")
        if b'"version"' not in self.socket.recv(65536):
            raise SystemExit("error: /api/version did not answer whole")
        return (now_ns() - begun_ns) / 1e6

    def waits_ns(self):
        """When each wait for the card was over."""
        with open(self.log_path, "rb") as file:
            count, *moments = struct.unpack(f"<{MOMENTS}q", file.read())
            return moments[:count]


def latencies_ms(arrivals, waits):
    """[(until it was in the socket, until it was seen)], each from the end of the last wait before
    it, of which there must be one per token."""
    out = []
    at = 0
    for (before, _), (came, seen) in zip(arrivals, arrivals[1:]):
        while at < len(waits) and waits[at] <= before:
            at += 1
        mine = [ns for ns in waits[at:at + 3] if ns <= came]
        if len(mine) != 1:
            raise SystemExit(f"error: {len(mine)} waits between two tokens: is the work not queued, "
                             "or the machine too busy?")
        out.append(((came - mine[0]) / 1e6, (seen - mine[0]) / 1e6))
    return out


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--tokens", type=int, default=400)
    parser.add_argument("--model", default="qwen3-0.6b")
    parser.add_argument("--profile", default="pi5")
    parser.add_argument("--sampled", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="axlatency") as folder:
        server = Server(arguments, folder)
        try:
            server.stream(SKIPPED)  # loads
            arrivals = server.stream(arguments.tokens + SKIPPED, arguments.sampled)[SKIPPED:]
            added, seen = zip(*latencies_ms(arrivals, server.waits_ns()))
            versions = [server.version_ms() for _ in range(VERSIONS)]
        finally:
            server.end()
    result = {"model": arguments.model, "profile": arguments.profile, "tokens": len(added),
              "added_ms": {"median": round(statistics.median(added), 3),
                           "p90": round(percentile(added, 0.9), 3),
                           "p99": round(percentile(added, 0.99), 3),
                           "max": round(max(added), 3)},
              "seen_ms": {"median": round(statistics.median(seen), 3)},
              "version_ms": {"median": round(statistics.median(versions), 3),
                             "p99": round(percentile(versions, 0.99), 3)}}
    print(json.dumps(result))
    good = (result["added_ms"]["median"] <= GOAL_MEDIAN_MS
            and result["added_ms"]["p99"] <= GOAL_P99_MS
            and result["version_ms"]["median"] <= GOAL_VERSION_MS)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

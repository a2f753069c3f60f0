"""Starts `axollama serve` for a test, talks to it, looks at its processes, and always ends it.

AXOLLAMA_BUILD is the build folder, AXOLLAMA_TEST_MODELS a model root that holds smollm2/135m.
Every server has a temporary folder of its own for HOME, the runtime folder and the state of the
simulated card, so tests run beside each other and beside whatever else is on the machine.
"""
import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

BUILD = os.environ["AXOLLAMA_BUILD"]
PROGRAM = os.path.join(BUILD, "axollama")
MODELS = os.environ["AXOLLAMA_TEST_MODELS"]
MODEL = "smollm2:135m"
LONG = 120  # seconds: a limit for what should take one or two, on a machine that is busy
MARGIN_MB = 16


def wait_until(condition, what, limit=LONG):
    """Polls until condition() is true and returns its value; fails after `limit` seconds."""
    end = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {limit} s: {what}")
        time.sleep(0.05)


def clean_environment(folder):
    """What a program of ours gets: nothing of the caller's settings, folders below `folder`."""
    keep = ("PATH", "LANG", "TMPDIR", "ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS", "QEMU_LD_PREFIX")
    env = {name: os.environ[name] for name in keep if name in os.environ}
    env.update(HOME=os.path.join(folder, "home"), AXOLLAMA_HOME=os.path.join(folder, "data"),
               AXOLLAMA_RUNTIME_DIR=os.path.join(folder, "run"),
               AXSIM_STATE=os.path.join(folder, "card"))
    for name in ("HOME", "AXSIM_STATE"):
        os.makedirs(env[name], exist_ok=True)
    return env


def processes():
    """{pid: (parent's pid, words of the command line)} of every process that still runs."""
    out = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
            with open(f"/proc/{name}/cmdline", "rb") as file:
                words = file.read().decode(errors="replace").split("\0")
        except OSError:
            continue  # it ended meanwhile
        if fields[0] != "Z":
            out[int(name)] = (int(fields[1]), words)
    return out


def children(pid, word=None):
    return [child for child, (parent, words) in processes().items()
            if parent == pid and (word is None or word in words)]


def rss_anon_mb(pid):
    with open(f"/proc/{pid}/status") as file:
        for line in file:
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) / 1024
    raise AssertionError(f"no RssAnon of process {pid}")


@contextlib.contextmanager
def linked_model(name):
    """A model root that holds the test model under another name, as hard links where it can."""
    with tempfile.TemporaryDirectory(prefix="axmodels", dir=link_folder()) as root:
        copy_model(os.path.join(root, name))
        yield root


def link_folder():
    """Where links to the test model's files can be made: near it, else the usual place."""
    near = os.path.dirname(os.path.realpath(MODELS))
    return near if os.access(near, os.W_OK) else None


def copy_model(target, source=os.path.join(MODELS, "smollm2", "135m")):
    os.makedirs(target)
    for folder, _, files in os.walk(source):
        place = os.path.join(target, os.path.relpath(folder, source))
        os.makedirs(place, exist_ok=True)
        for name in files:
            try:
                os.link(os.path.join(folder, name), os.path.join(place, name))
            except OSError:
                shutil.copy(os.path.join(folder, name), os.path.join(place, name))


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def lines(self):
        return [json.loads(line) for line in self.body.splitlines()]

    @property
    def error(self):
        return self.json["error"]


class Stream:
    """An answer that is read line by line; close() is a client that goes."""

    def __init__(self, connection, response):
        self.connection, self.response, self.status = connection, response, response.status

    def line(self):
        """The next object, or None at the end."""
        text = self.response.readline()
        return json.loads(text) if text.strip() else None

    def rest(self):
        return list(iter(self.line, None))

    def close(self):
        # shutdown, since the response object holds another reference to the socket.
        if self.connection.sock is not None:
            with contextlib.suppress(OSError):
                self.connection.sock.shutdown(socket.SHUT_RDWR)
        self.response.close()
        self.connection.close()


class Server:
    """One `axollama serve`. `card`: AXSIM_CONFIG as an object. A context manager."""

    def __init__(self, models=(MODELS,), env=None, args=(), card=None, folder=None, listen=True):
        self.own_folder = folder is None
        self.folder = folder or tempfile.mkdtemp(prefix="axe2e")
        self.env = clean_environment(self.folder)
        if card is not None:
            self.configure(card)
        self.env.update(env or {})
        self.models, self.args, self.listen = models, args, listen
        self.process = None
        self.addresses = []
        self.log = []
        self.streams = []

    def configure(self, card):
        path = os.path.join(self.folder, "card.json")
        with open(path + ".new", "w") as file:
            json.dump(card, file)
        os.replace(path + ".new", path)
        self.env["AXSIM_CONFIG"] = path

    def start(self):
        ready_read, ready_write = os.pipe()
        life_read, self.lifeline = os.pipe()
        command = [PROGRAM, "serve", "--ready-fd", str(ready_write), "--lifeline-fd", str(life_read)]
        if self.listen:
            command += ["--listen", "127.0.0.1:0"]
        for root in self.models:
            command += ["--models", root]
        self.process = subprocess.Popen(command + list(self.args), env=self.env,
                                        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        pass_fds=(ready_write, life_read))
        os.close(ready_write)
        os.close(life_read)
        self.reader = threading.Thread(target=self._read_log, daemon=True)
        self.reader.start()
        with os.fdopen(ready_read) as ready:
            self.addresses = ready.read().split()
        if not self.addresses:
            self.process.wait(LONG)
            self.reader.join(LONG)
            code = self.process.returncode
            raise AssertionError(f"serve ended with {code} before it was ready:\n{self.log_text()}")
        return self

    def _read_log(self):
        for line in self.process.stderr:
            self.log.append(line.decode(errors="replace"))

    def log_text(self):
        return "".join(self.log)

    @property
    def pid(self):
        return self.process.pid

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.end()
            raise

    def __exit__(self, kind, value, trace):
        if kind is not None:
            print(f"--- log of serve ---\n{self.log_text()}---", flush=True)
        self.end()

    def terminate(self, limit=15):
        """SIGTERM; returns the exit code and how many seconds it took."""
        start = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(limit)
        return code, time.monotonic() - start

    def end(self):
        for stream in self.streams:
            stream.close()
        if self.process is not None:
            if self.process.poll() is None:
                self.process.terminate()
                try:
                    self.process.wait(20)
                except subprocess.TimeoutExpired:
                    self.process.kill()
                    self.process.wait()
            self.reader.join(LONG)
            self.process.stderr.close()
            os.close(self.lifeline)
            self.process = None
        if self.own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    # --- HTTP ---

    def connect(self, address=None, timeout=LONG):
        host, port = (address or self.addresses[0]).rsplit(":", 1)
        return http.client.HTTPConnection(host, int(port), timeout=timeout)

    def request(self, method, path, body=None, headers=None, address=None):
        connection = self.connect(address)
        try:
            if body is not None and not isinstance(body, (bytes, str)):
                body = json.dumps(body)
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())
        finally:
            connection.close()

    def get(self, path, **kwargs):
        return self.request("GET", path, **kwargs)

    def post(self, path, body=None, **kwargs):
        return self.request("POST", path, body, **kwargs)

    def stream(self, path, body):
        connection = self.connect()
        connection.request("POST", path, json.dumps(body))
        self.streams.append(Stream(connection, connection.getresponse()))
        return self.streams[-1]

    def generate(self, prompt, model=MODEL, **fields):
        """A non-streamed /api/generate, greedy unless the options say otherwise."""
        options = {"temperature": 0, "num_predict": 16, **fields.pop("options", {})}
        return self.post("/api/generate", {"model": model, "prompt": prompt, "stream": False,
                                           "options": options, **fields})

    def health(self):
        return self.get("/health").json

    def loaded(self):
        return [model["name"] for model in self.get("/api/ps").json["models"]]

    def unload(self, model=MODEL):
        reply = self.post("/api/generate", {"model": model, "keep_alive": 0})
        assert reply.json["done_reason"] == "unload", reply.text
        wait_until(lambda: model not in self.loaded(), f"{model} is unloaded")

    # --- Processes and the card ---

    def runners(self):
        return children(self.pid, "runner")

    def memory_mb(self):
        return card_memory_mb(self.env)


def card_properties(env):
    """What a warden of our own says of the card, whether or not a server runs."""
    read, write = os.pipe()
    question = b'{"id":1,"op":"properties"}\n'
    warden = subprocess.Popen([PROGRAM, "warden", "--device", "sim", "--lifeline-fd", str(read)],
                              env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, pass_fds=(read,))
    os.close(read)
    try:
        warden.stdin.write(question)
        warden.stdin.flush()
        answer = json.loads(warden.stdout.readline())
    finally:
        os.close(write)
        warden.stdin.close()
        warden.stdout.close()
        warden.stderr.close()
        try:
            warden.wait(LONG)
        except subprocess.TimeoutExpired:
            warden.kill()
            warden.wait()
    assert answer["ok"], answer
    return answer["properties"]


def card_memory_mb(env):
    card = card_properties(env)
    return (card["cmm_total_bytes"] - card["cmm_free_bytes"]) / (1 << 20)


def run_and_count(case):
    """A program of one test case that is a stage of `./test --full`: its last line is `N passed, N
    failed`. Returns the exit code."""
    result = unittest.TextTestRunner().run(unittest.defaultTestLoader.loadTestsFromTestCase(case))
    broken = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - broken} passed, {broken} failed", flush=True)
    return 1 if broken else 0


def run(*args, env, limit=LONG, **kwargs):
    """A command to its end: the exit code, standard output, standard error."""
    done = subprocess.run([PROGRAM, *args], env=env, stdin=subprocess.DEVNULL, timeout=limit,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kwargs)
    return done.returncode, done.stdout, done.stderr

"""A stock Ollama for the tests beside this file: its commands, and a server of its own."""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

from harness import LONG, MODEL, Server, clean_environment, wait_until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCRIPTS = os.path.join(ROOT, "integrations", "stock-ollama")
BRIEF = "brief:latest"
LISTENING = re.compile(r"Listening on (127\.0\.0\.1:\d+)")


def program():
    """The path of the program. Where there is none the whole test file is left out, and says so."""
    made = subprocess.run([os.path.join(ROOT, "scripts", "stock_ollama.sh")], text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if made.returncode == 3:
        print(f"skipped: {made.stderr.strip().splitlines()[-1]}")
        sys.exit(0)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def make_brief(server):
    """On a server of ours: the model as BRIEF, which says a few words, always the same."""
    reply = server.post("/api/create", {"model": BRIEF, "from": MODEL, "stream": False,
                                        "parameters": {"num_predict": 8, "temperature": 0}})
    assert reply.status == 200, reply.text


class Stock(Server):
    """A running `ollama serve` that is asked like a server of ours. `env`: more of its environment;
    `llama_server`: what stands where it looks for its llama-server."""

    def __init__(self, ollama, env=None, llama_server=None):
        super().__init__()
        self.store = os.path.join(self.folder, "store")
        self.env.update(OLLAMA_HOST="127.0.0.1:0", OLLAMA_MODELS=self.store, **(env or {}))
        self.program = os.path.join(self.folder, "prefix", "bin", "ollama")
        # It looks for its llama-server beside its own file.
        os.makedirs(os.path.dirname(self.program))
        try:
            os.link(ollama, self.program)
        except OSError:
            shutil.copy(ollama, self.program)
        if llama_server is not None:
            library = os.path.join(self.folder, "prefix", "lib", "ollama")
            os.makedirs(library)
            os.symlink(llama_server, os.path.join(library, "llama-server"))
        self.lifeline = os.open(os.devnull, os.O_RDONLY)  # it has none; the end closes it

    def start(self):
        self.process = subprocess.Popen([self.program, "serve"], env=self.env,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE)
        self.reader = threading.Thread(target=self._read_log, daemon=True)
        self.reader.start()
        found = wait_until(lambda: LISTENING.search(self.log_text())
                           or self.process.poll() is not None, "ollama serve listens")
        assert self.process.poll() is None, self.log_text()
        self.addresses = [found.group(1)]
        return self

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(LONG)


def command(ollama, address, *words, stdin=None, cwd=None):
    """One of the stock commands against a server: the exit code, standard output and error."""
    with tempfile.TemporaryDirectory(prefix="axstock") as folder:
        env = clean_environment(folder)
        env["OLLAMA_HOST"] = address
        done = subprocess.run([ollama, *words], env=env, input=stdin or "", text=True, timeout=LONG,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd)
        return done.returncode, done.stdout, done.stderr


def script(name, *words, env):
    """One of integrations/stock-ollama."""
    return subprocess.run([os.path.join(SCRIPTS, name), *words], env=env, text=True,
                          stdin=subprocess.DEVNULL, timeout=LONG, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)

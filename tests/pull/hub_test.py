"""What tests of pulling share: a hub of our own that has a small model, and servers that ask it."""
import contextlib
import os
import shutil
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

import tiny_model  # noqa: E402
from harness import BUILD, Server  # noqa: E402
from hub import Hub, make_certificate  # noqa: E402

REPO = "AXERA-TECH/Tiny-0.1B"
NAME = f"hf.co/{REPO}"
TABLE = "model.embed_tokens.weight.bfloat16.bin"
OTHER_FILES = {"README.md": b"# Tiny", "main_ax650": b"\x7fELF", "run.sh": b"#!/bin/sh",
               "pictures/a.png": b"PNG", "tiny-ax630c/llama_post.axmodel": b"other chip"}


class HubTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shared = tempfile.mkdtemp(prefix="axpull")
        cls.certificate, cls.key = make_certificate(cls.shared)
        cls.bundle = tiny_model.build(os.path.join(BUILD, "axollama-sim"), cls.shared)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.shared, ignore_errors=True)

    def setUp(self):
        self.hub = self.new_hub()
        self.hub.repos[REPO] = {**self.bundle, **OTHER_FILES}

    def new_hub(self):
        hub = Hub(self.certificate, self.key)
        self.addCleanup(hub.close)
        return hub

    def hub_environment(self):
        """Takes our hub for the Hugging Face hub."""
        return {"HF_ENDPOINT": self.hub.url, "SSL_CERT_FILE": self.certificate}

    def serve(self, env=None, **kwargs):
        server = Server(models=(), env={**self.hub_environment(), **(env or {})}, **kwargs)
        self.addCleanup(server.end)
        return server.start()

    def hold_the_table(self):
        """The hub has that file wait until the server gives up: (asked for, given up)."""
        reached, closed = threading.Event(), threading.Event()

        def fault(handler, path):
            if not path.endswith(TABLE):
                return False
            reached.set()
            with contextlib.suppress(OSError):
                handler.connection.recv(1)
            closed.set()
            return True

        self.hub.fault = fault
        return reached, closed

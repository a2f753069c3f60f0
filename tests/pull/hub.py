"""A Hugging Face hub on loopback for tests: HTTPS, a repository, and every way of failing.

The certificate is made by the openssl command when a test starts; it is its own authority and
stands for every host that the tests name, so that a proxy of ours can play the internet.
Python's standard library only.
"""
import hashlib
import http.server
import json
import os
import re
import select
import socket
import ssl
import subprocess
import threading

COMMIT = "0123456789abcdef0123456789abcdef01234567"
HOSTS = ("localhost", "huggingface.co", "cdn.hf.co", "elsewhere.example")


def make_certificate(folder):
    """(certificate, key) as paths."""
    certificate, key = os.path.join(folder, "ca.pem"), os.path.join(folder, "key.pem")
    names = ",".join([f"DNS:{host}" for host in HOSTS] + ["IP:127.0.0.1"])
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=test",
                    "-addext", f"subjectAltName={names}", "-keyout", key, "-out", certificate],
                   check=True, capture_output=True)
    return certificate, key


def git_sha1(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        hub = self.server.hub
        path, _, query = self.path.partition("?")
        with hub.lock:
            hub.asked.append((self.headers.get("Host"), path, dict(self.headers)))
        try:
            if hub.fault and hub.fault(self, path):
                return
            self.answer(hub, path, query)
        except (OSError, ssl.SSLError):
            self.close_connection = True  # the client went

    def answer(self, hub, path, query):
        if match := re.fullmatch(r"/api/models/(.+)/revision/main", path):
            if match[1] not in hub.repos:
                return self.send(401, b'{"error":"Repository not found"}',
                                 {"X-Error-Code": "RepoNotFound"})
            return self.send(200, json.dumps({"id": match[1], "sha": COMMIT}).encode())
        if match := re.fullmatch(rf"/api/models/(.+)/tree/{COMMIT}", path):
            return self.tree(hub, match[1], query)
        if match := re.fullmatch(rf"/(.+?/.+?)/resolve/{COMMIT}/(.+)", path):
            content = hub.repos.get(match[1], {}).get(match[2])
            if content is None:
                return self.send(404, b"Entry not found")
            return self.file(content)
        return self.send(404, b"not found")

    def tree(self, hub, repo, query):
        """Two pages, the second behind a cursor."""
        entries = hub.listing(repo)
        half = len(entries) // 2
        if "cursor=second" in query:
            return self.send(200, json.dumps(entries[half:]).encode())
        link = f"<https://huggingface.co/x?recursive=true&cursor=second>; rel=\"next\""
        return self.send(200, json.dumps(entries[:half]).encode(), {"Link": link})

    def file(self, content):
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if not match:
            return self.send(200, content)
        first, last = int(match[1]), int(match[2])
        return self.send(206, content[first:last + 1],
                         {"Content-Range": f"bytes {first}-{last}/{len(content)}"})

    def send(self, status, body, headers=None):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class Hub:
    """`repos`: {name: {path: bytes}}. `fault(handler, path)` may answer itself and return True."""

    def __init__(self, certificate, key):
        self.repos, self.asked, self.fault = {}, [], None
        self.extra, self.sizes = [], {}  # entries of the listing; sizes that it says instead
        self.lock = threading.Lock()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.hub = self
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # clients that go are no news
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                 do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        self.url = f"https://localhost:{self.port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def listing(self, repo):
        entries = [{"type": "directory", "oid": "0" * 40, "size": 0, "path": "pictures"}]
        for path, content in sorted(self.repos[repo].items()):
            size = self.sizes.get(path, len(content))
            entry = {"type": "file", "oid": git_sha1(content), "size": size, "path": path}
            if path.endswith((".axmodel", ".bin")):
                digest = hashlib.sha256(content).hexdigest()
                entry["lfs"] = {"oid": digest, "size": size, "pointerSize": 130}
            entries.append(entry)
        return entries + self.extra

    def files_asked(self):
        """Paths in repositories of the files that were asked for."""
        with self.lock:
            return [path.partition(f"/resolve/{COMMIT}/")[2] for _, path, _ in self.asked
                    if "/resolve/" in path]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Proxy:
    """CONNECT only; every host leads to `ports[host]` (or `ports["*"]`) on loopback."""

    def __init__(self, ports):
        self.ports, self.connected = ports, []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with client:
            head = b""
            while b"\r\n\r\n" not in head:
                data = client.recv(4096)
                if not data:
                    return
                head += data
            target = head.split()[1].decode()
            self.connected.append(target)
            port = self.ports.get(target.rpartition(":")[0], self.ports.get("*"))
            with socket.create_connection(("127.0.0.1", port)) as server:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                self.pump(client, server)

    @staticmethod
    def pump(client, server):
        other = {client: server, server: client}
        try:
            while True:
                for side in select.select([client, server], [], [])[0]:
                    data = side.recv(65536)
                    if not data:
                        return
                    other[side].sendall(data)
        except OSError:
            pass

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

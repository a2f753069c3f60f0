"""Who may talk to the server: hosts, origins, API keys, proxies, what a listener says of itself."""
import json
import os
import socket
import stat
import unittest

from harness import MODEL, Server, run, wait_until

ALLOWED, FORBIDDEN = 200, 403
# (Host, Origin, status) of a GET on a loopback listener. peers section 5, rows 1 and 2.
HOSTS_AND_ORIGINS = (
    ("localhost:1", None, ALLOWED), ("127.0.0.1", None, ALLOWED), ("[::1]:1", None, ALLOWED),
    ("192.168.7.7:11434", None, ALLOWED), ("box.local", None, ALLOWED), ("", None, ALLOWED),
    ("a.internal:1", None, ALLOWED), ("x.localhost", None, ALLOWED),
    (socket.gethostname(), None, ALLOWED),
    ("evil.example", None, FORBIDDEN), ("evil.example:11434", None, FORBIDDEN),
    ("localhost.evil.example", None, FORBIDDEN), ("127.0.0.1.evil.example", None, FORBIDDEN),
    ("8.8.8.8", None, FORBIDDEN), ("evil.example", "http://evil.example", FORBIDDEN),
    ("localhost", "http://localhost:3000", ALLOWED), ("localhost", "app://obsidian.md", ALLOWED),
    ("localhost", "vscode-webview://x", ALLOWED), ("localhost", "chrome-extension://x", ALLOWED),
    ("localhost", "http://evil.example", FORBIDDEN), ("localhost", "null", FORBIDDEN),
    ("localhost", "http://localhost.evil.example", FORBIDDEN),
    ("localhost", "http://localhost:3000.evil.example", ALLOWED),  # Ollama's pattern ends in *
    ("localhost", "https://127.0.0.2", FORBIDDEN), ("evil.example", "http://localhost", FORBIDDEN),
)
LISTINGS = (("GET", "/api/tags", None), ("GET", "/api/ps", None),
            ("POST", "/api/show", {"model": MODEL}))
BLOB = "/api/blobs/sha256:" + "0" * 64
ADMIN = (("POST", "/load", {}), ("POST", "/reset", {}), ("POST", "/api/pull", {}),
         ("POST", "/api/create", {}), ("POST", "/api/copy", {}), ("DELETE", "/api/delete", {}),
         ("POST", "/api/push", {}), ("HEAD", BLOB, None), ("POST", BLOB, {}))
OPEN = ("/", "/api/version", "/health")
FROM_AFAR = {"X-Forwarded-For": "203.0.113.9"}


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


class Browsers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server().start()
        cls.addClassCleanup(cls.server.end)

    def test_hosts_and_origins(self):
        for host, origin, status in HOSTS_AND_ORIGINS:
            with self.subTest(host=host, origin=origin):
                headers = {"Host": host, **({"Origin": origin} if origin else {})}
                reply = self.server.get("/api/tags", headers=headers)
                self.assertEqual(reply.status, status)
                if status == FORBIDDEN:
                    self.assertEqual(reply.body, b"")
                self.assertEqual(reply.headers.get("Access-Control-Allow-Origin"),
                                 origin if status == ALLOWED and origin else None)
                self.assertIsNone(reply.headers.get("Access-Control-Allow-Credentials"))

    def test_more_origins_by_a_setting(self):
        chat, evil = "https://chat.example.com", "https://evil.example"
        for setting, allowed, refused in ((f"http://ui.example,{chat}", (chat,), (evil,)),
                                          ("*", (chat, evil), ())):
            with Server(env={"OLLAMA_ORIGINS": setting}) as server:
                def ask(method, path, origin):
                    return server.request(method, path, headers={
                        "Origin": origin, "Access-Control-Request-Method": "POST"})
                for origin in allowed:
                    for method, path, status in (("GET", "/api/tags", ALLOWED),
                                                 ("OPTIONS", "/api/chat", 204)):
                        reply = ask(method, path, origin)
                        self.assertEqual(reply.status, status)
                        self.assertEqual(reply.headers["Access-Control-Allow-Origin"],
                                         "*" if setting == "*" else origin)
                for origin in refused:
                    self.assertEqual(ask("GET", "/api/tags", origin).status, FORBIDDEN)
                    self.assertEqual(ask("OPTIONS", "/api/chat", origin).status, FORBIDDEN)

    def test_preflights(self):
        def ask(origin, host="localhost", wants="x-odd, content-type"):
            return self.server.request("OPTIONS", "/api/chat", headers={
                "Host": host, "Origin": origin, "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": wants})
        good = ask("http://localhost:3000")
        self.assertEqual(good.status, 204)
        allowed = {name.strip().lower()
                   for name in good.headers["Access-Control-Allow-Headers"].split(",")}
        self.assertLessEqual({"authorization", "content-type", "user-agent", "accept",
                              "x-requested-with", "openai-beta", "x-stainless-lang"}, allowed)
        self.assertNotIn("x-odd", allowed)
        self.assertEqual(ask("http://evil.example").status, FORBIDDEN)
        self.assertEqual(ask("http://localhost", host="evil.example").status, FORBIDDEN)
        for odd in ("", ",,,", "a" * 8000, "\t", "*"):
            self.assertIn(ask("http://localhost", wants=odd).status, (204, 400))


class Keys(unittest.TestCase):
    def statuses(self, server, headers, **kwargs):
        """{what: the statuses of its routes}"""
        generate = {"model": MODEL, "prompt": "Hi", "stream": False, "options": {"num_predict": 1}}
        asks = {"open": [("GET", path, None) for path in OPEN],
                "models": [*LISTINGS, ("POST", "/api/generate", generate)], "admin": ADMIN}
        return {what: {server.request(method, path, body, headers=headers, **kwargs).status
                       for method, path, body in routes} for what, routes in asks.items()}

    def add(self, server, name, *scopes):
        words = [word for scope in scopes for word in ("--scope", scope)]
        code, key, _ = run("key", "add", name, *words, env=server.env)
        self.assertEqual(code, 0)
        return key.strip()

    def test_from_beyond_managing_takes_a_key(self):
        with Server() as server:
            self.assertEqual(self.statuses(server, FROM_AFAR),
                             {"open": {200}, "models": {200}, "admin": {403}})
            refused = server.post("/reset", {}, headers=FROM_AFAR)
            self.assertIn('scope "manage"', refused.error)
            # Near clients go on as they are used to, whatever key their programs send.
            self.assertNotIn(403, self.statuses(server, bearer("ollama"))["admin"])

            inference = self.add(server, "kitchen")
            manage = self.add(server, "boss", "manage", "inference")
            both = {**FROM_AFAR, **bearer(inference)}
            self.assertEqual(self.statuses(server, FROM_AFAR),
                             {"open": {200}, "models": {403}, "admin": {403}})
            self.assertEqual(self.statuses(server, both),
                             {"open": {200}, "models": {200}, "admin": {403}})
            self.assertEqual(self.statuses(server, {**FROM_AFAR, "x-api-key": inference}),
                             {"open": {200}, "models": {200}, "admin": {403}})
            self.assertNotIn(403, self.statuses(server, {**FROM_AFAR, **bearer(manage)})["admin"])
            for wrong in (inference[:-1], inference + "0", "axo_", "x" * 5000, "ollama"):
                self.assertEqual(self.statuses(server, {**FROM_AFAR, **bearer(wrong)})["models"],
                                 {403})
            self.assertEqual(run("key", "rm", "kitchen", env=server.env)[0], 0)
            self.assertEqual(self.statuses(server, both)["models"], {403})
            for key in (inference, manage):
                self.assertNotIn(key, server.log_text())

    def test_health_shows_no_paths_to_strangers(self):
        with Server() as server:
            self.assertEqual(server.post("/load", {"model_path": MODEL}).status, 200)
            key = self.add(server, "boss", "manage")
            for headers, shown in (({}, True), (FROM_AFAR, False),
                                   ({**FROM_AFAR, **bearer(key)}, True),
                                   ({"Host": "evil.internal"}, True)):
                with self.subTest(headers=headers):
                    health = server.get("/health", headers=headers).json
                    self.assertTrue(health["model_loaded"])
                    self.assertEqual(bool(health["model_path"]), shown)

    def test_the_file_holds_no_key(self):
        with Server() as server:
            key = self.add(server, "a", "all")
            path = os.path.join(server.env["AXOLLAMA_HOME"], "keys.json")
            with open(path) as file:
                text = file.read()
            self.assertNotIn(key.removeprefix("axo_"), text)
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
            code, listed, _ = run("key", "list", "--json", env=server.env)
            self.assertEqual((code, [entry["name"] for entry in json.loads(listed)["keys"]]),
                             (0, ["a"]))
            self.assertNotIn(key, listed)
            for words in (("add", "a"), ("add", "b c"), ("add", "b", "--scope", "root"),
                          ("rm", "nobody")):
                code, _, error = run("key", *words, env=server.env)
                self.assertEqual(code, 1)
                self.assertRegex(error, r"^error: .*\n$")
            # A file that others could have written opens nothing.
            os.chmod(path, 0o666)
            self.assertEqual(server.get("/api/tags", headers={**FROM_AFAR, **bearer(key)}).status,
                             403)

    def test_networks_proxies_and_keys_for_all(self):
        with Server(env={"AXOLLAMA_ALLOW_NETWORKS": "203.0.113.0/24",
                         "AXOLLAMA_TRUSTED_PROXIES": "127.0.0.1"}) as server:
            self.assertNotIn(403, self.statuses(server, FROM_AFAR)["admin"])
            for hops in ("198.51.100.1", "203.0.113.9, 198.51.100.1", "203.0.113.9,", "nonsense"):
                self.assertEqual(self.statuses(server, {"X-Forwarded-For": hops})["admin"], {403})
        with Server(env={"AXOLLAMA_REQUIRE_KEY": "1"}) as server:
            self.assertEqual(self.statuses(server, {}),
                             {"open": {200}, "models": {403}, "admin": {403}})
            key = self.add(server, "a", "all")
            self.assertNotIn(403, self.statuses(server, bearer(key))["admin"])
            env = {**server.env, "OLLAMA_HOST": server.addresses[0]}
            self.assertEqual(run("list", env=env)[0], 1)
            self.assertEqual(run("list", env={**env, "OLLAMA_API_KEY": key})[0], 0)
        for name, value in (("AXOLLAMA_ALLOW_NETWORKS", "lan"), ("AXOLLAMA_REQUIRE_KEY", "maybe"),
                            ("AXOLLAMA_ALLOW_HOSTS", "http://a.example")):
            code, _, error = run("serve", "--listen", "127.0.0.1:0",
                                 env={**server.env, "AXOLLAMA_HOME": "/nonexistent", name: value})
            self.assertEqual(code, 2)
            self.assertIn(name, error)


def own_address():
    """An address of this machine beside loopback, if it has one; sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return probe.getsockname()[0]
        except OSError:
            return "127.0.0.1"


def listening_line(server):
    return wait_until(lambda: next((line for line in server.log if "listening on" in line), None),
                      "the log says where the server listens")


class Listeners(unittest.TestCase):
    def test_consequences_are_said_at_start(self):
        with Server() as server:
            line = listening_line(server)
            self.assertIn("programs on this computer", line)
            self.assertTrue(server.addresses[0].startswith("127.0.0.1:"))
        with Server(listen=False, args=("--listen", "0.0.0.0:0")) as server:
            line = listening_line(server)
            self.assertIn("WHOEVER REACHES THIS ADDRESS", line)
            self.assertIn("axollama key add", line)
            # As in Ollama, whoever reaches this address may ask models by whatever name.
            port = server.addresses[0].rpartition(":")[2]
            here, mine = f"127.0.0.1:{port}", f"{own_address()}:{port}"
            named = {"Host": "kiosk.example"}
            self.assertEqual(server.get("/api/tags", address=here, headers=named).status, 200)
            self.assertEqual(server.get("/api/tags", address=mine, headers=named).status, 200)
            # One's own address on a network is not loopback.
            expected = 403 if not mine.startswith("127.") else 409
            self.assertEqual(server.post("/load", {}, address=mine).status, expected)
            self.assertEqual(server.post("/load", {}, address=here).status, 409)
            # But a stranger's web page that had its name lead here does not manage.
            self.assertEqual(server.post("/load", {}, address=here, headers={
                **named, "Origin": "http://kiosk.example"}).status, 403)
            self.assertEqual(server.post("/load", {}, address=here, headers=named).status, 403)

    def test_a_rebound_name_is_not_near(self):
        with Server(listen=False, args=("--listen", "0.0.0.0:0"),
                    env={"AXOLLAMA_ALLOW_NETWORKS": own_address(),
                         "AXOLLAMA_ALLOW_HOSTS": "ai.example.com,.example.net"}) as server:
            port = server.addresses[0].rpartition(":")[2]
            for address in (f"127.0.0.1:{port}", f"{own_address()}:{port}"):
                for host, status in (
                        (address, 409), (f"localhost:{port}", 409), ("pi.local", 409),
                        ("pi", 409), ("pi.lan", 409), ("pi.home.arpa", 409),
                        (socket.gethostname(), 409), ("ai.example.com", 409),
                        ("a.example.net:80", 409), ("evil.example", 403),
                        ("example.com", 403), (f"{address.rpartition(':')[0]}.evil.example", 403)):
                    with self.subTest(address=address, host=host):
                        reply = server.post("/load", {}, address=address, headers={"Host": host})
                        self.assertEqual(reply.status, status)
                        if status == 403:
                            self.assertIn("allow_hosts", reply.error)

    def test_the_default_is_loopback(self):
        code, text, _ = run("serve", "--help", env={"PATH": os.environ["PATH"]})
        self.assertEqual(code, 0)
        self.assertIn("127.0.0.1:11434", text)


if __name__ == "__main__":
    unittest.main()

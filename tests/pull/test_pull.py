"""POST /api/pull against a hub that is ours: what it brings, what it refuses, what it survives."""
import hashlib
import json
import os
import shutil
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

from harness import run, wait_until  # noqa: E402
from hub import Proxy, make_certificate  # noqa: E402
from hub_test import NAME, REPO, TABLE, HubTest  # noqa: E402


class PullTest(HubTest):
    def serve_by_proxy(self, ports=None, env=None):
        """One to which our hub is huggingface.co itself, a host of the internet."""
        proxy = Proxy(ports or {"*": self.hub.port})
        self.addCleanup(proxy.close)
        server = self.serve({"HF_ENDPOINT": "", "HTTPS_PROXY": proxy.url, **(env or {})})
        return server, proxy

    def pull(self, server, name=NAME, **fields):
        reply = server.post("/api/pull", {"model": name, **fields})
        return reply.status, [json.loads(line) for line in reply.body.splitlines() if line]

    def error_of(self, server, name=NAME):
        _, lines = self.pull(server, name)
        self.assertIn("error", lines[-1], lines)
        self.assertEqual(self.names(server), [])
        return lines[-1]["error"]

    def names(self, server):
        return [model["name"] for model in server.get("/api/tags").json["models"]]

    def redirect(self, to, origin="huggingface.co"):
        """Large files are elsewhere, as the hub's are."""
        def fault(handler, path):
            if not path.endswith("axmodel") or handler.headers["Host"] != origin:
                return False
            handler.send(302, b"", {"Location": to + path})
            return True
        self.hub.fault = fault

    # --- What it brings ---

    def test_a_repository_becomes_a_model_that_answers(self):
        server = self.serve()
        status, lines = self.pull(server)
        self.assertEqual(status, 200)
        statuses = [line["status"] for line in lines]
        self.assertEqual(statuses[0], "pulling manifest")
        self.assertEqual(statuses[-3:], ["verifying sha256 digest", "writing manifest", "success"])
        progress = [line for line in lines if "digest" in line]
        total = sum(len(content) for content in self.bundle.values())
        self.assertEqual({line["total"] for line in progress}, {total})
        self.assertEqual(progress[-1]["completed"], total)
        self.assertEqual(progress[0]["status"], "pulling " + progress[0]["digest"][7:19])
        self.assertEqual(sorted(set(self.hub.files_asked())), sorted(self.bundle))

        self.assertEqual(self.names(server), [NAME + ":latest"])
        reply = server.generate("Hi", model=NAME, options={"num_predict": 3})
        self.assertEqual(reply.status, 200, reply.text)
        self.assertEqual(reply.json["eval_count"], 3)

        # The same again brings nothing, and neither does another name of it.
        self.hub.asked.clear()
        for name in (NAME, REPO):
            self.assertEqual(self.pull(server, name, stream=False), (200, [{"status": "success"}]))
        self.assertEqual(self.hub.files_asked(), [])
        self.assertEqual(sorted(self.names(server)), sorted([NAME + ":latest", REPO + ":latest"]))

    def test_a_name_of_the_catalog_is_a_repository_of_axera(self):
        self.hub.repos = {"AXERA-TECH/Qwen3-0.6B": self.bundle}
        server = self.serve()
        self.assertEqual(self.pull(server, "qwen3:0.6b")[1][-1], {"status": "success"})
        self.assertEqual(self.names(server), ["qwen3:0.6b"])

    def test_names_that_nobody_knows(self):
        server = self.serve()
        for name in ("nothing:1b", NAME + "-other"):
            self.assertEqual(self.error_of(server, name),
                             "pull model manifest: file does not exist")
        self.assertEqual(server.post("/api/pull", {"model": "nothing:1b"}).status, 404)
        self.assertEqual(server.post("/api/pull", {"model": "../x"}).status, 400)
        self.assertEqual(server.post("/api/pull", {"model": "../x"}).error, "invalid model name")

    def test_the_tag_chooses_the_folder(self):
        self.hub.repos[REPO] = {f"{folder}/{path}": content
                                for folder in ("tiny-s4", "tiny-s8")
                                for path, content in self.bundle.items()}
        server = self.serve()
        self.assertIn("holds several models: tiny-s4, tiny-s8", self.error_of(server))
        self.assertEqual(self.pull(server, NAME + ":tiny-s8")[1][-1], {"status": "success"})
        self.assertTrue(all(path.startswith("tiny-s8/") for path in self.hub.files_asked()))

    # --- What it survives ---

    def test_connections_that_break_are_made_again(self):
        broken = []

        def fault(handler, path):
            if not path.endswith(TABLE) or len(broken) >= 3:
                return False
            broken.append(handler.headers.get("Range"))
            handler.send_response(206 if broken[-1] else 200)
            content = self.bundle[TABLE]
            first = int(broken[-1].split("=")[1].split("-")[0]) if broken[-1] else 0
            if broken[-1]:
                handler.send_header("Content-Range",
                                    f"bytes {first}-{len(content) - 1}/{len(content)}")
            handler.send_header("Content-Length", str(len(content) - first))
            handler.end_headers()
            handler.wfile.write(content[first:first + 500_000])
            handler.close_connection = True
            return True

        self.hub.fault = fault
        self.assertEqual(self.pull(self.serve())[1][-1], {"status": "success"})
        self.assertIsNone(broken[0])
        self.assertNotIn(None, broken[1:])  # each goes on where the one before broke

    def test_a_killed_server_loses_little(self):
        reached, go_on = threading.Event(), threading.Event()

        def fault(handler, path):
            if not path.endswith(TABLE):
                return False
            content = self.bundle[TABLE]
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(content)))
            handler.end_headers()
            handler.wfile.write(content[:2_500_000])
            handler.wfile.flush()
            reached.set()
            go_on.wait(60)
            handler.close_connection = True
            return True

        self.hub.fault = fault
        folder = tempfile.mkdtemp(prefix="axpull")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        server = self.serve(folder=folder)
        stream = server.stream("/api/pull", {"model": NAME})
        reached.wait(60)
        others = len(self.bundle) - 1
        wait_until(lambda: len(set(self.hub.files_asked())) == others + 1, "all files were asked for")
        pulls = os.path.join(folder, "data", "store", "pulls")

        def left():
            found = [os.path.join(path, name) for path, _, names in os.walk(pulls)
                     for name in names if name != "lock"]
            whole = [path for path in found if not path.endswith((".part", ".state"))]
            state = [path for path in found if path.endswith(".state")]
            if len(whole) != others or len(state) != 1:
                return False
            with open(state[0], "rb") as file:  # see partial_file.cc
                return int.from_bytes(file.read()[24:32], "little") > 2_000_000

        wait_until(left, "the rest is there, and half of the table")
        server.process.kill()
        server.process.wait()
        stream.close()
        go_on.set()
        self.hub.fault = None
        self.hub.asked.clear()

        server = self.serve(folder=folder)
        self.assertEqual(self.names(server), [])
        _, lines = self.pull(server)
        self.assertEqual(lines[-1], {"status": "success"})
        self.assertEqual(self.hub.files_asked(), [TABLE])
        ranges = [headers["Range"] for _, path, headers in self.hub.asked if path.endswith(TABLE)]
        self.assertGreater(int(ranges[0].split("=")[1].split("-")[0]), 2_000_000)
        self.assertFalse(os.listdir(pulls))

    def test_two_clients_share_a_pull_and_one_may_go(self):
        reached, go_on = threading.Event(), threading.Event()

        def fault(_, path):
            if path.endswith(TABLE):
                reached.set()
                go_on.wait(60)
            return False

        self.hub.fault = fault
        server = self.serve()
        first = server.stream("/api/pull", {"model": NAME})
        reached.wait(60)
        second = server.stream("/api/pull", {"model": NAME})
        self.assertEqual(second.line()["status"], "pulling manifest")
        first.close()
        go_on.set()
        self.assertEqual(second.rest()[-1], {"status": "success"})
        self.assertEqual(self.hub.files_asked().count(TABLE), 1)

    def test_a_client_that_goes_ends_the_pull_and_keeps_what_is_there(self):
        reached, closed = self.hold_the_table()
        server = self.serve()
        stream = server.stream("/api/pull", {"model": NAME})
        self.assertTrue(reached.wait(60))
        wait_until(lambda: len(set(self.hub.files_asked())) == len(self.bundle), "all are asked for")
        stream.close()
        self.assertTrue(closed.wait(60))
        self.assertEqual(self.names(server), [])
        self.hub.fault = None
        self.hub.asked.clear()
        self.assertEqual(self.pull(server)[1][-1], {"status": "success"})
        self.assertLess(len(self.hub.files_asked()), len(self.bundle))

    def test_ranges_that_are_ignored(self):
        sent = []

        def fault(handler, path):
            if not path.endswith(TABLE):
                return False
            content = self.bundle[TABLE]
            sent.append(handler.headers.get("Range"))
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(content)))
            handler.end_headers()
            handler.wfile.write(content if len(sent) > 2 else content[:1_000_000])
            handler.close_connection = True
            return True

        self.hub.fault = fault
        self.assertEqual(self.pull(self.serve())[1][-1], {"status": "success"})
        self.assertEqual(sent[0], None)
        self.assertEqual(sent[-1], None)

    # --- What it refuses ---

    def test_wrong_bytes(self):
        def fault(handler, path):
            if not path.endswith("llama_post.axmodel"):
                return False
            content = bytearray(self.bundle["llama_post.axmodel"])
            content[1000] ^= 1
            handler.file(bytes(content))
            return True

        self.hub.fault = fault
        want = hashlib.sha256(self.bundle["llama_post.axmodel"]).hexdigest()
        self.assertIn(f"digest mismatch, file must be downloaded again: want sha256:{want}",
                      self.error_of(self.serve()))

    def test_wrong_bytes_of_a_small_file(self):
        """Files that are not in LFS have git's digest."""
        def fault(handler, path):
            if not path.endswith("config.json"):
                return False
            handler.send(200, self.bundle["config.json"].replace(b"llama", b"lla_a"))
            return True

        self.hub.fault = fault
        self.assertIn("config.json: digest mismatch", self.error_of(self.serve()))

    def test_bodies_without_an_end(self):
        def fault(handler, path):
            if not path.endswith("config.json"):
                return False
            handler.send_response(200)
            handler.send_header("Transfer-Encoding", "chunked")
            handler.end_headers()
            while True:
                handler.wfile.write(b"1000\r\n" + bytes(4096) + b"\r\n")

        self.hub.fault = fault
        self.assertIn("config.json", self.error_of(self.serve()))

    def test_listings_that_lie(self):
        server = self.serve()
        self.hub.extra = [{"type": "file", "oid": "0" * 40, "size": 3, "path": "../../escaped"}]
        self.assertIn("a name that is refused", self.error_of(server))
        self.hub.extra = []
        # More than any disk has, of files as large as a listing may say.
        self.hub.sizes = {path: 1 << 40 for path in self.bundle
                          if path == TABLE or path.endswith(".axmodel")}
        error = self.error_of(server)
        self.assertRegex(error, r"not enough room on the disk .*: the model needs \d+\.\d GB, "
                                r"\d+\.\d GB are free")
        self.hub.sizes = {TABLE: 12}
        self.assertIn(TABLE, self.error_of(server))

    def test_files_without_a_digest(self):
        listing = self.hub.listing
        self.hub.listing = lambda repo: [
            {key: value for key, value in entry.items() if key != "oid"} for entry in listing(repo)]
        self.assertRegex(self.error_of(self.serve()), r"has no digest in the list of files")
        self.assertEqual(self.hub.files_asked(), [])

    def test_lfs_pointers(self):
        pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\n"
        self.hub.repos[REPO]["post_config.json"] = pointer
        self.assertIn("is a Git LFS pointer", self.error_of(self.serve()))

    def test_certificates_that_nobody_vouches_for(self):
        other = os.path.join(self.shared, "other")
        os.makedirs(other, exist_ok=True)
        certificate, _ = make_certificate(other)
        error = self.error_of(self.serve({"SSL_CERT_FILE": certificate}))
        self.assertIn("cannot be trusted", error)
        self.assertEqual(self.hub.asked, [])

    # --- Hosts, redirects and credentials, with the hub as a host of the internet ---

    def test_the_hub_is_reached_by_the_proxy_and_its_files_are_elsewhere(self):
        self.redirect("https://cdn.hf.co")
        server, proxy = self.serve_by_proxy(env={"HF_TOKEN": "secret"})
        self.assertEqual(self.pull(server)[1][-1], {"status": "success"})
        self.assertEqual(set(proxy.connected), {"huggingface.co:443", "cdn.hf.co:443"})
        for host, path, headers in self.hub.asked:
            token = headers.get("Authorization")
            self.assertEqual(token, "Bearer secret" if host == "huggingface.co" else None, path)

    def redirected(self, to, env=None):
        elsewhere = self.new_hub()
        elsewhere.repos = self.hub.repos
        to = to.replace("PORT", str(elsewhere.port))
        self.redirect(to)
        server, proxy = self.serve_by_proxy(
            {"*": self.hub.port, "elsewhere.example": elsewhere.port}, env)
        error = self.error_of(server)
        self.assertEqual(elsewhere.asked, [])
        self.assertEqual(set(proxy.connected), {"huggingface.co:443"})
        return error

    def test_redirects_to_other_hosts(self):
        self.assertIn("elsewhere.example is not one of the hosts that may be asked",
                      self.redirected("https://elsewhere.example"))

    def test_redirects_into_the_private_network(self):
        hosts = {"AXOLLAMA_PULL_HOSTS": "127.0.0.1,169.254.169.254,localhost"}
        for host in ("127.0.0.1:PORT", "169.254.169.254"):
            self.assertIn("an address of the private network", self.redirected(f"https://{host}", hosts))

    def test_redirects_that_drop_the_encryption(self):
        self.assertIn("without encryption", self.redirected("http://cdn.hf.co"))

    def test_redirects_without_an_end(self):
        self.redirect("https://huggingface.co")
        server, _ = self.serve_by_proxy()
        self.assertIn("redirects without an end", self.error_of(server))

    def test_a_gated_repository_asks_for_a_token(self):
        def fault(handler, path):
            if "/api/models/" not in path:
                return False
            handler.send(403, b"", {"X-Error-Code": "GatedRepo"})
            return True

        self.hub.fault = fault
        self.assertIn("HF_TOKEN", self.error_of(self.serve()))


class CatalogTest(unittest.TestCase):
    def test_the_list_names_its_sources(self):
        folder = tempfile.mkdtemp(prefix="axpull")
        self.addCleanup(shutil.rmtree, folder)
        env = {"PATH": os.environ["PATH"], "HOME": folder, "OLLAMA_HOST": "127.0.0.1:1"}
        code, out, errors = run("catalog", "--json", "--cmm-mib", "2944", env=env)
        self.assertEqual((code, errors), (0, ""))
        models = json.loads(out)["models"]
        fits = [model["fits"] for model in models]
        self.assertEqual(fits[0], "yes")
        self.assertIn("no: card", fits)
        self.assertEqual(len({model["name"] for model in models}), len(models))
        for model in models:
            self.assertTrue(model["repo"].startswith("AXERA-TECH/"))
            for figure in (model["pi5_tokens_per_s"], model["board_tokens_per_s"]):
                self.assertTrue(figure["source"])
        code, out, errors = run("catalog", env=env)
        self.assertEqual((code, errors), (0, ""))
        self.assertIn("AXERA-TECH/Qwen3-0.6B", out)
        self.assertIn("* computed", out)


if __name__ == "__main__":
    unittest.main()

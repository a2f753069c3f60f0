"""Who is served next, which model is loaded next, and which one goes: by counts and order."""
import datetime
import fcntl
import json
import os
import threading
import time
import unittest

from harness import LONG, MODEL, MODELS, Server, linked_model, wait_until

OTHER = "other:latest"
# A model that counts does not come to an end, as it does with a story.
ENDLESS = {"model": MODEL, "prompt": "1, 2, 3, 4, 5, 6, 7,", "raw": True,
           "options": {"num_predict": -1, "temperature": 0}}


class Asking:
    """Short requests on threads of their own; `done` has their names in the order of the answers."""

    def __init__(self, server):
        self.server, self.done, self.replies = server, [], {}
        self.threads, self.connections = [], {}

    def ask(self, name, model=MODEL, address="127.0.0.1"):
        """One more that waits; returns when it is in the queue."""
        before = waits(self.server)
        connection = self.server.connect()
        connection.source_address = (address, 0)
        self.connections[name] = connection
        body = {"model": model, "prompt": "Hi", "stream": False,
                "options": {"num_predict": 1, "temperature": 0}}
        connection.request("POST", "/api/generate", json.dumps(body))
        thread = threading.Thread(target=self._read, args=(name, connection), daemon=True)
        thread.start()
        self.threads.append(thread)
        wait_until(lambda: waits(self.server) > before or name in self.replies, "it waits")

    def _read(self, name, connection):
        try:
            response = connection.getresponse()
            reply = response.status, response.headers, response.read()
        except OSError:  # the test closed it
            return
        self.done.append(name)
        self.replies[name] = reply
        connection.close()

    def leave(self, name):
        before = given_up(self.server)
        self.connections[name].sock.shutdown(2)
        wait_until(lambda: given_up(self.server) > before, "it left the queue")

    def wait(self):
        for thread in self.threads:
            thread.join(LONG)
        return self.done

    def status(self, name):
        wait_until(lambda: name in self.replies, f"{name} is answered")
        return self.replies[name][0]


def waits(server):
    return server.log_text().count(" requests wait")


def given_up(server):
    return server.log_text().count("a request was given up")


def loads(server, model=MODEL):
    return server.log_text().count(f"{model}: loaded in")


def hold(server, model=MODEL):
    """A stream that has the model's sequence until it is closed."""
    stream = server.stream("/api/generate", {**ENDLESS, "model": model})
    assert "error" not in stream.line()
    return stream


class Scheduling(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with Server() as server:
            cls.empty_mb = server.memory_mb()
            cls.assert_served(server)
            cls.one_mb = server.memory_mb() - cls.empty_mb

    @classmethod
    def assert_served(cls, server, model=MODEL, **fields):
        reply = server.generate("Hi", model=model, options={"num_predict": 1}, **fields)
        assert reply.status == 200, reply.text

    def server(self, *args, models=(MODELS,), fits=None, **env):
        """`fits`: how many models the card has room for; absent: many."""
        card = fits and {"cards": [{"id": 1, "cmm_mib": int(self.empty_mb + self.one_mb * fits)}]}
        return Server(models=models, card=card, args=args, env={"AXOLLAMA_LOG": "debug", **env})

    def test_a_client_with_many_requests_does_not_starve_another(self):
        with self.server() as server:
            stream = hold(server)
            asking = Asking(server)
            for i in range(12):
                asking.ask(f"greedy {i}")
            asking.ask("modest", address="127.0.0.2")
            stream.close()
            done = asking.wait()
            self.assertEqual(len(done), 13)
            self.assertLess(done.index("modest"), 4, done)
            self.assertEqual({reply[0] for reply in asking.replies.values()}, {200})

    def test_a_full_queue(self):
        with self.server(OLLAMA_MAX_QUEUE="2") as server:
            stream = hold(server)
            asking = Asking(server)
            asking.ask("first")
            asking.ask("second")
            refused = server.generate("Hi")
            self.assertEqual(refused.status, 503)
            self.assertEqual(refused.error, "server busy, please try again.  maximum pending "
                                            "requests exceeded")
            self.assertGreaterEqual(int(refused.headers["Retry-After"]), 1)
            # Who leaves makes room.
            asking.leave("first")
            asking.ask("third")
            # Another client gets its share of a queue that one has filled.
            asking.ask("another's", address="127.0.0.2")
            self.assertEqual(asking.status("third"), 503)
            stream.close()
            self.assertEqual(asking.status("second"), 200)
            self.assertEqual(asking.status("another's"), 200)

    def test_two_models_of_which_one_fits(self):
        with linked_model("other") as root, \
                self.server("--model-turn", "10m", models=(MODELS, root), fits=1.7) as server:
            stream = hold(server)
            asking = Asking(server)
            for i in range(4):
                asking.ask(f"other {i}", OTHER)
                asking.ask(f"own {i}")
            stream.close()
            done = asking.wait()
            self.assertEqual({reply[0] for reply in asking.replies.values()}, {200})
            # One change of models, although the requests came alternately.
            self.assertEqual((loads(server), loads(server, OTHER)), (1, 1))
            self.assertEqual({name.split()[0] for name in done[:4]}, {"own"})

    def test_a_turn_ends(self):
        with linked_model("other") as root, \
                self.server("--model-turn", "0", models=(MODELS, root), fits=1.7) as server:
            stream = hold(server)
            asking = Asking(server)
            asking.ask("other", OTHER)
            wait_until(lambda: "waits for room" in server.log_text(), "it was tried")
            for i in range(3):
                asking.ask(f"own {i}")
            stream.close()
            asking.wait()
            self.assertEqual(asking.done[0], "other")
            self.assertEqual({reply[0] for reply in asking.replies.values()}, {200})
            self.assertEqual((loads(server), loads(server, OTHER)), (2, 1))

    def test_whoever_left_while_waiting_for_room_loads_nothing(self):
        with linked_model("other") as root, \
                self.server(models=(MODELS, root), fits=1.7) as server:
            stream = hold(server)
            asking = Asking(server)
            asking.ask("other", OTHER)
            wait_until(lambda: "waits for room" in server.log_text(), "it was tried")
            asking.leave("other")
            stream.close()
            self.assert_served(server)
            self.assertEqual(server.loaded(), [MODEL])
            self.assertEqual((loads(server), loads(server, OTHER)), (1, 0))

    def test_whoever_leaves_during_a_load_is_not_waited_for(self):
        with self.server() as server:
            self.assert_served(server)
            server.unload()
            wait_until(lambda: not server.runners(), "the runner has ended")
            folder = server.env["AXOLLAMA_RUNTIME_DIR"]
            lease, = [name for name in os.listdir(folder) if name.endswith(".lease")]
            asking = Asking(server)
            # As if another program loaded a model: ours has to wait.
            with open(os.path.join(folder, lease), "r+") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                asking.ask("gone")
                asking.ask("patient")
                wait_until(server.runners, "the load has begun")
                asking.leave("gone")
                self.assertEqual(server.health()["status"], "loading")
            self.assertEqual(asking.status("patient"), 200)
            self.assertEqual(loads(server), 2)

    def test_a_limit_on_loaded_models(self):
        with linked_model("other") as root, \
                self.server(models=(MODELS, root), OLLAMA_MAX_LOADED_MODELS="1") as server:
            self.assert_served(server)
            self.assert_served(server, OTHER)
            self.assertEqual(server.loaded(), [OTHER])
            stream = hold(server, OTHER)
            asking = Asking(server)
            asking.ask("own")
            wait_until(lambda: "waits for room" in server.log_text(), "it was tried")
            stream.close()
            self.assertEqual(asking.status("own"), 200)
            self.assertEqual(server.loaded(), [MODEL])

    def test_the_one_with_the_shortest_time_left_goes(self):
        with linked_model("other") as root, \
                self.server(models=(MODELS, root), OLLAMA_MAX_LOADED_MODELS="2") as server:
            self.assert_served(server, keep_alive=-1)
            self.assert_served(server, OTHER, keep_alive="1m")
            self.assert_served(server, "smollm2:s4")
            self.assertEqual(sorted(server.loaded()), [MODEL, "smollm2:s4"])

    def test_a_pinned_model(self):
        with linked_model("other") as root, \
                self.server("--pinned", MODEL, "--pinned", "nosuch", models=(MODELS, root),
                            fits=1.7) as server:
            wait_until(lambda: server.loaded() == [MODEL], "it is loaded without a request")
            self.assertIn("pinned: model 'nosuch' not found", server.log_text())
            refused = server.generate("Hi", model=OTHER)
            self.assertEqual(refused.status, 503)
            self.assertIn("pinned models", refused.error)
            self.assertNotIn("Retry-After", refused.headers)
            self.assert_served(server, keep_alive=0)
            unload = server.post("/api/generate", {"model": MODEL, "keep_alive": 0})
            self.assertEqual((unload.status, unload.error),
                             (409, f"model '{MODEL}' is pinned by this server's settings and stays "
                                   "loaded"))
            self.assertEqual(server.loaded(), [MODEL])
            self.assertEqual(loads(server), 1)

    def test_a_model_that_can_never_fit_costs_no_other_its_place(self):
        with self.server(fits=1.1) as server:
            self.assert_served(server)
            refused = server.generate("Hi", model="smollm2:bf16")
            self.assertEqual(refused.status, 503)
            self.assertRegex(refused.error, r"^the model does not fit on the card: it needs \d+ MiB "
                                            r"of CMM, the card has \d+ MiB")
            self.assertEqual(server.loaded(), [MODEL])

    def test_memory_that_another_program_has(self):
        with self.server(fits=1.7) as first:
            self.assert_served(first)
            shared = {name: first.env[name]
                      for name in ("AXSIM_CONFIG", "AXSIM_STATE", "AXOLLAMA_RUNTIME_DIR")}
            with self.server(**shared) as second:
                refused = second.generate("Hi")
                self.assertEqual(refused.status, 503)
                self.assertRegex(refused.error, r"the card has \d+ MiB, of which other programs have "
                                                r"\d+ MiB and pinned models 0 MiB$")
                self.assertEqual(first.loaded(), [MODEL])
                first.unload()
                wait_until(lambda: not first.runners(), "the runner has ended")
                self.assert_served(second)
                self.assertNotIn("rebooting the card", first.log_text() + second.log_text())

    def test_expires_at_follows_keep_alive(self):
        with self.server(OLLAMA_KEEP_ALIVE="2h") as server:
            for keep_alive, minutes in ((None, 120), ("10m", 10), (None, 10), (3600, 60),
                                        (0.5, None)):
                fields = {} if keep_alive is None else {"keep_alive": keep_alive}
                self.assert_served(server, **fields)
                if minutes is None:
                    wait_until(lambda: not server.loaded(), "it is unloaded")
                    continue
                entry, = server.get("/api/ps").json["models"]
                text = entry["expires_at"].replace("Z", "+00:00")
                at = datetime.datetime.fromisoformat(text[:19] + text[-6:])
                left = at - datetime.datetime.now(datetime.timezone.utc)
                self.assertLess(abs(left.total_seconds() - minutes * 60), 60, keep_alive)

    def test_who_holds_a_model_for_another_program(self):
        with self.server() as server:
            def hold():
                connection = server.connect()
                connection.request("POST", "/internal/llama/load", "",
                                   {"X-Axollama-Model": MODEL})
                response = connection.getresponse()
                self.assertEqual(response.status, 200)
                response.readline()
                return connection, response

            def end(held):
                for one in reversed(held):
                    one.close()

            first, second = hold(), hold()
            end(first)
            time.sleep(2.5)  # an end is seen by writing, once a second
            self.assertEqual(server.loaded(), [MODEL])
            end(second)
            wait_until(lambda: not server.loaded(), "the last holder's end unloads it")
            # It is as it was where somebody else had loaded it.
            self.assert_served(server, keep_alive="1h")
            held = hold()
            self.assertGreater(server.get("/api/ps").json["models"][0]["expires_at"], "2100")
            end(held)
            wait_until(lambda: server.get("/api/ps").json["models"][0]["expires_at"] < "2100",
                       "its keep_alive is what it was")
            self.assertEqual(server.loaded(), [MODEL])

    def test_a_default_context_length(self):
        with self.server(OLLAMA_CONTEXT_LENGTH="32") as server:
            prompt = "one two three four five six seven eight nine ten " * 4
            for options, most in (({}, 32), ({"num_ctx": 512}, 512)):
                reply = server.generate(prompt, raw=True, options={"num_predict": 1, **options})
                self.assertEqual(reply.status, 200, reply.text)
                cut = reply.json["prompt_eval_count"] < 32
                self.assertEqual(cut, most == 32, reply.text)


if __name__ == "__main__":
    unittest.main()

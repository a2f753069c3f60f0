"""The server against each fault of the card: the answer is right or one clear error, /health tells,
and afterwards it serves again where it should."""
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from harness import MARGIN_MB, MODEL, MODELS, Server, linked_model, run, wait_until  # noqa: E402

PROMPT = "Hi"
TOKENS = 4


class Faults(unittest.TestCase):
    """One server for the faults that it must survive; each test leaves a healthy card."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server(env={"AXOLLAMA_STALL_TIMEOUT": "3"}).start()
        cls.empty_mb = cls.server.memory_mb()
        cls.right = cls.server.generate(PROMPT, options={"num_predict": TOKENS}).json["response"]

    @classmethod
    def tearDownClass(cls):
        cls.server.end()

    def setUp(self):
        self.log_begin = len(self.server.log)

    def tearDown(self):
        self.sim("reset")
        if self.server.health()["status"] != "ok":
            self.server.post("/reset")
        self.assert_right()
        self.assertEqual(self.server.health()["status"], "ok")

    def sim(self, *words):
        code, out, err = run("sim", *words, env=self.server.env)
        self.assertEqual(code, 0, err)
        return out

    def card(self):
        return json.loads(self.sim("status", "--json"))["cards"][0]

    def fired(self):
        return [fault["fired"] for fault in self.card()["faults"]]

    def log(self):
        return "".join(self.server.log[self.log_begin:])

    def ask(self):
        return self.server.generate(PROMPT, options={"num_predict": TOKENS})

    def assert_right(self):
        reply = self.ask()
        self.assertEqual(reply.status, 200, reply.text)
        self.assertEqual(reply.json["response"], self.right)

    def assert_fails(self, status, *words):
        reply = self.ask()
        self.assertEqual(reply.status, status, reply.text)
        self.assertNotIn("\n", reply.error)
        for word in words:
            self.assertIn(word, reply.error)

    def assert_health_fails(self, *words):
        health = self.server.get("/health")
        self.assertEqual((health.status, health.json["status"]), (503, "failed"))
        for word in words:
            self.assertIn(word, health.error)

    def test_an_execute_fails_once(self):
        self.sim("fault", "execute_error")
        self.assert_right()
        self.assertEqual(self.fired(), [1])
        self.assertNotIn("rebooting the card", self.log())

    def test_an_execute_fails_in_mid_answer(self):
        stream = self.server.stream("/api/generate", {"model": MODEL, "prompt": PROMPT,
                                                      "options": {"num_predict": -1}})
        self.assertNotIn("error", stream.line())
        self.sim("fault", "execute_error")
        lines = stream.rest()
        self.assertIn("error", lines[-1])
        self.assertTrue(all("error" not in line for line in lines[:-1]))
        self.assertEqual(self.fired(), [1])

    def test_executes_keep_failing(self):
        self.sim("fault", "execute_error", "--count", "0")
        self.assert_fails(500, "0x8030070C")
        self.assert_health_fails("did not help", "0x8030070C")
        self.assert_fails(503, "quarantined", "POST /reset")

    def test_queued_executes_do_nothing(self):
        self.sim("fault", "silent_async")
        self.assert_right()
        self.assertEqual(self.fired(), [1])

    def test_a_read_back_is_corrupted(self):
        self.sim("fault", "corrupt_read")
        self.assert_right()
        self.assertEqual(self.fired(), [1])

    def test_an_execute_hangs(self):
        self.sim("fault", "hang")
        self.assert_right()
        self.assertEqual(self.fired(), [1])
        self.assertIn("no progress on the device", self.log())
        self.assertIn("killing it", self.log())
        self.assertIn("rebooting the card", self.log())  # its memory was lost

    def test_a_hang_that_ends_with_an_error(self):
        self.sim("fault", "hang", "--for-ms", "100")
        self.assert_right()
        self.assertEqual(self.fired(), [1])

    def test_out_of_memory_at_a_layer(self):
        self.server.unload()
        self.sim("fault", "out_of_memory", "--nth", "20")
        self.assert_fails(503, "out of memory")
        self.assertEqual(self.fired(), [1])
        self.assertLessEqual(self.server.memory_mb(), self.empty_mb + MARGIN_MB)
        self.assertEqual(self.server.health()["status"], "ok")
        self.assert_right()
        self.assertNotIn("rebooting the card", self.log())

    def test_the_card_is_gone_for_a_time(self):
        # As long as this takes: until the end of the test.
        self.sim("fault", "disconnect")
        self.assert_fails(503, "0x80300181", "finds no card")
        self.assert_health_fails("0x80300181")
        self.assert_fails(503, "0x80300181")
        self.assertNotIn("rebooting the card", self.log())

    def test_the_heartbeat_is_lost(self):
        self.sim("fault", "heartbeat_loss")
        self.assert_right()
        self.assertIn("the card is back", self.log())

    def test_the_process_needs_a_reset(self):
        self.sim("fault", "needs_reset")
        self.assert_right()
        self.assertNotIn("rebooting the card", self.log())

    def test_the_card_needs_a_reboot_and_changes_its_id(self):
        self.sim("fault", "needs_reboot")
        self.sim("fault", "reorder_ids")
        before = self.card()
        self.assert_right()
        after = self.card()
        self.assertEqual(self.fired(), [1, 1])
        self.assertNotEqual(after["id"], before["id"])
        self.assertIn(f"on sim card {after['id']}", self.log())

    def test_a_reboot_fails(self):
        self.sim("fault", "needs_reboot")
        self.sim("fault", "reboot_fails", "--code", "0x80300187")
        self.assert_fails(500, "0x80300187")
        self.assert_health_fails("did not help", "power it off")
        self.assert_fails(503, "quarantined")
        # As long as a reboot fails, so does a reset, and says why.
        reset = self.server.post("/reset")
        self.assertEqual(reset.status, 500)
        self.assertIn("0x80300187", reset.error)

    def test_a_reboot_does_not_help(self):
        self.sim("fault", "needs_reboot")
        self.sim("fault", "reboot_fails")
        self.assert_fails(500, "0x8030070C")
        self.assertEqual(self.fired(), [1, 1])
        self.assert_health_fails("did not help", "power it off")


class Loads(unittest.TestCase):
    def test_loads_never_meet_an_execute(self):
        card = {"cards": [{"id": 1, "faults": [{"kind": "load_wedges"}]}]}
        with linked_model("other") as root, Server(models=(MODELS, root), card=card) as server:
            stream = server.stream("/api/generate", {"model": MODEL, "prompt": PROMPT,
                                                     "options": {"num_predict": 300}})
            self.assertNotIn("error", stream.line())
            reply = server.generate(PROMPT, model="other", options={"num_predict": TOKENS})
            self.assertEqual(reply.status, 200, reply.text)
            self.assertTrue(stream.rest()[-1]["done"])
            _, out, _ = run("sim", "status", "--json", env=server.env)
            status = json.loads(out)["cards"][0]
            self.assertEqual((status["state"], status["faults"][0]["fired"]), ("ok", 0))


if __name__ == "__main__":
    unittest.main()

"""The official Anthropic client against a real server: messages, streams, counts, errors."""
import os
import sys
import unittest

import anthropic

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from harness import MODEL, Server  # noqa: E402  (its folder is known only now)

QUESTION = [{"role": "user", "content": "Say hello."}]
GREEDY = {"temperature": 0}  # which this version of the client has no parameter for


class AnthropicPython(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.server.__enter__()
        cls.addClassCleanup(cls.server.end)
        cls.client = anthropic.Anthropic(base_url=f"http://{cls.server.addresses[0]}",
                                         api_key="unused", max_retries=0)

    def create(self, **fields):
        return self.client.messages.create(**{"model": MODEL, "max_tokens": 12,
                                              "extra_body": GREEDY, "messages": QUESTION, **fields})

    def test_whole_and_streamed_agree(self):
        whole = self.create()
        self.assertEqual([block.type for block in whole.content], ["text"])
        self.assertGreater(whole.usage.output_tokens, 0)
        with self.client.messages.stream(model=MODEL, max_tokens=12, extra_body=GREEDY,
                                         messages=QUESTION) as stream:
            events = list(stream)
            final = stream.get_final_message()
        self.assertEqual(final.content[0].text, whole.content[0].text)
        self.assertEqual(final.stop_reason, whole.stop_reason)
        self.assertEqual(final.usage.output_tokens, whole.usage.output_tokens)
        types = [event.type for event in events]
        self.assertEqual((types[0], types[-1]), ("message_start", "message_stop"))
        # The whole prompt, at the beginning and at the end, where the cache's part is told apart.
        count = self.count()
        self.assertEqual(events[0].message.usage.input_tokens, count)
        for usage in (final.usage, whole.usage):
            self.assertEqual(usage.input_tokens + usage.cache_read_input_tokens, count)
        self.assertGreaterEqual(final.usage.cache_read_input_tokens, count - 1)

    def count(self, **fields):
        return self.client.messages.count_tokens(
            **{"model": MODEL, "messages": QUESTION, **fields}).input_tokens

    def test_counts_are_exact(self):
        native = self.server.post("/api/chat", {
            "model": MODEL, "stream": False, "options": {"num_predict": 1},
            "messages": [{"role": "system", "content": "Be brief."}, *QUESTION]}).json
        self.assertEqual(self.count(system="Be brief."), native["prompt_eval_count"])
        # Also of a prompt that would not fit.
        long = self.count(messages=[{"role": "user", "content": "word " * 20_000}])
        self.assertGreater(long, 20_000)

    def test_stop_reasons(self):
        self.assertEqual(self.create(max_tokens=2).stop_reason, "max_tokens")
        text = self.create().content[0].text
        word = text.split()[1]
        stopped = self.create(stop_sequences=["no such word", word])
        self.assertEqual(stopped.stop_reason, "stop_sequence")
        self.assertEqual(stopped.stop_sequence, word)
        self.assertEqual(stopped.content[0].text, text[:text.index(word)])

    def test_thinking_is_no_error_of_a_model_that_does_not(self):
        answer = self.create(max_tokens=1025, stop_sequences=["."],
                             thinking={"type": "enabled", "budget_tokens": 1024})
        self.assertTrue(answer.content[0].text)

    def test_errors(self):
        with self.assertRaises(anthropic.NotFoundError) as raised:
            self.create(model="no-such-model")
        error = raised.exception
        self.assertEqual(error.body["error"]["type"], "not_found_error")
        self.assertEqual(error.body["error"]["message"], "model 'no-such-model' not found")
        self.assertEqual(error.body["request_id"], error.request_id)
        for fields, words in (({"messages": []}, "messages is required"),
                              ({"max_tokens": 0}, "must be positive"),
                              ({"tool_choice": {"type": "any"}}, "no tools")):
            with self.assertRaises(anthropic.BadRequestError) as raised:
                self.create(**fields)
            self.assertIn(words, raised.exception.body["error"]["message"])
        reply = self.server.get("/v1/messages")
        self.assertEqual(reply.status, 405)
        self.assertEqual(reply.json["type"], "error")
        self.assertEqual(reply.error["type"], "api_error")


if __name__ == "__main__":
    unittest.main()

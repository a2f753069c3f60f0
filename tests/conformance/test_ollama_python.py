"""The official Python client, as Home Assistant and LangChain use it, against a real server."""
import asyncio
import json
import os
import sys
import unittest

import ollama

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from harness import MODEL, Server  # noqa: E402  (its folder is known only now)

GREEDY = {"temperature": 0, "num_predict": 12}
QUESTION = [{"role": "user", "content": "Say hello."}]


class OllamaPython(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.server.__enter__()
        cls.addClassCleanup(cls.server.end)
        cls.client = ollama.Client(host="http://" + cls.server.addresses[0])

    def test_lists_and_shows(self):
        self.assertIn(MODEL, [model.model for model in self.client.list().models])
        show = self.client.show(MODEL)
        self.assertEqual(show.modelinfo["general.architecture"], "llama")
        self.assertIn("completion", show.capabilities)
        self.client.generate(MODEL, "")
        self.assertIn(MODEL, [model.model for model in self.client.ps().models])

    def test_chat_whole_and_streamed_agree(self):
        whole = self.client.chat(MODEL, QUESTION, options=GREEDY)
        self.assertTrue(whole.done)
        self.assertEqual(whole.message.role, "assistant")
        parts = list(self.client.chat(MODEL, QUESTION, options=GREEDY, stream=True))
        self.assertEqual("".join(part.message.content for part in parts), whole.message.content)
        self.assertEqual([part.done for part in parts], [False] * (len(parts) - 1) + [True])
        self.assertGreater(parts[-1].eval_count, 0)
        self.assertEqual(parts[-1].prompt_eval_count, whole.prompt_eval_count)

    def test_generate_goes_on_from_its_context(self):
        first = self.client.generate(MODEL, "My name is Ada.", options=GREEDY)
        self.assertTrue(first.response)
        second = self.client.generate(MODEL, "What is my name?", context=first.context,
                                      options=GREEDY)
        self.assertGreater(second.prompt_eval_count, first.prompt_eval_count)
        self.assertEqual(second.context[:len(first.context)], list(first.context))

    def test_options_as_home_assistant_sends_them(self):
        answer = self.client.chat(MODEL, QUESTION, think=False, keep_alive=-1, tools=[],
                                  options={**GREEDY, "num_ctx": 8192})
        self.assertTrue(answer.message.content)

    def test_options_as_langchain_sends_them(self):
        options = {**GREEDY, "mirostat": None, "mirostat_eta": 0.1, "tfs_z": 1.0, "seed": 3,
                   "stop": ["###"], "num_thread": None, "repeat_penalty": 1.1}
        self.assertTrue(self.client.chat(MODEL, QUESTION, options=options).message.content)

    def test_errors_are_its_own(self):
        with self.assertRaises(ollama.ResponseError) as raised:
            self.client.chat("no-such-model", QUESTION)
        self.assertEqual(raised.exception.status_code, 404)
        self.assertEqual(raised.exception.error, "model 'no-such-model' not found")
        with self.assertRaises(ollama.ResponseError) as raised:
            self.client.chat(MODEL, QUESTION, think=True)
        self.assertEqual(raised.exception.status_code, 400)
        self.assertEqual(raised.exception.error, f'"{MODEL}" does not support thinking')

    def test_a_schema_is_followed(self):
        schema = {"type": "object", "properties": {"word": {"enum": ["hello", "hi"]}},
                  "required": ["word"], "additionalProperties": False}
        answer = self.client.chat(MODEL, QUESTION, format=schema, options={"temperature": 0})
        self.assertIn(json.loads(answer.message.content)["word"], ("hello", "hi"))
        self.assertEqual(answer.done_reason, "stop")

    def test_logprobs(self):
        parts = list(self.client.generate(MODEL, "Hi", logprobs=True, top_logprobs=1, stream=True,
                                          options=GREEDY))
        logprobs = [one for part in parts for one in part.logprobs or []]
        self.assertEqual("".join(one.token for one in logprobs),
                         "".join(part.response for part in parts))
        self.assertTrue(all(one.top_logprobs[0].token == one.token for one in logprobs))

    def test_many_at_once_all_answer(self):
        async def ask_all():
            client = ollama.AsyncClient(host="http://" + self.server.addresses[0])
            return await asyncio.gather(*(
                client.chat(MODEL, [{"role": "user", "content": f"Say {word}."}], options=GREEDY)
                for word in ("one", "two", "three", "four")))
        answers = asyncio.run(ask_all())
        self.assertTrue(all(answer.done and answer.message.content for answer in answers))


if __name__ == "__main__":
    unittest.main()

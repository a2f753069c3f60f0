"""The official Python client on a model that can do more: tools, thinking, schemas."""
import json
import os
import sys
import typing
import unittest

import ollama
import pydantic

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from able_model import ADDING, THINKING, TOOL, able_model  # noqa: E402  (its folder is known only now)
from harness import Server  # noqa: E402

GREEDY = {"temperature": 0, "num_predict": 48}


def add(a: int, b: int) -> int:
    """Adds numbers.

    Args:
      a: one number
      b: the other
    """
    return a + b


class Sum(pydantic.BaseModel):
    sign: typing.Literal["plus", "minus"]
    digit: typing.Literal[1, 2, 3]


class OllamaPythonTools(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server(models=(cls.enterClassContext(able_model()),)))
        cls.client = ollama.Client(host="http://" + cls.server.addresses[0])

    def chat(self, messages=ADDING, **fields):
        return self.client.chat("able", messages, **{"options": GREEDY, **fields})

    def test_a_round_of_tools(self):
        answer = self.chat(tools=[TOOL])
        call, = answer.message.tool_calls
        # The client writes the tool's schema anew, so that the model may say its numbers otherwise.
        self.assertEqual((call.function.name, sorted(call.function.arguments)), ("add", ["a", "b"]))
        result = {"role": "tool", "content": str(add(**call.function.arguments)),
                  "tool_name": "add"}
        last = self.chat([*ADDING, answer.message, result], tools=[TOOL])
        self.assertEqual(last.message.role, "assistant")
        self.assertGreater(last.prompt_eval_count, answer.prompt_eval_count)

    def test_calls_in_a_stream(self):
        parts = list(self.chat(tools=[add], stream=True))  # the client makes a schema of it
        call, = [call for part in parts for call in part.message.tool_calls or []]
        self.assertEqual((call.function.name, sorted(call.function.arguments)), ("add", ["a", "b"]))
        self.assertTrue(parts[-1].done)
        self.assertNotIn("tool_call", "".join(part.message.content for part in parts))

    def test_thinking(self):
        whole = self.chat(THINKING, think=True)
        self.assertEqual((whole.message.thinking, whole.message.content),
                         ("I say black.", "black"))
        parts = list(self.chat(THINKING, think=True, stream=True))
        self.assertEqual("".join(part.message.thinking or "" for part in parts), "I say black.")
        self.assertEqual("".join(part.message.content for part in parts), "black")
        self.assertIsNone(self.chat(THINKING[-1:], think=False).message.thinking)

    def test_a_schema_of_pydantic(self):
        for stream in (False, True):
            answer = self.chat(think=False, format=Sum.model_json_schema(), stream=stream,
                               options={"temperature": 0})
            parts = list(answer) if stream else [answer]
            said = Sum.model_validate_json("".join(part.message.content for part in parts))
            self.assertIn(said.digit, (1, 2, 3))

    def test_generate_has_thinking_and_forms(self):
        answer = self.client.generate("able", "Say a word.", think=False,
                                      options={"temperature": 0}, format=Sum.model_json_schema())
        self.assertEqual(sorted(json.loads(answer.response)), ["digit", "sign"])

    def test_errors(self):
        for fields, words in (({"format": {"type": "nonsense"}}, "nonsense"),
                              ({"options": {"stop": "x"}}, 'option "stop" must be of type array')):
            for stream in (False, True):
                with self.assertRaises(ollama.ResponseError) as raised:
                    list(self.chat(stream=stream, **fields))
                self.assertEqual(raised.exception.status_code, 400)
                self.assertIn(words, raised.exception.error)


if __name__ == "__main__":
    unittest.main()

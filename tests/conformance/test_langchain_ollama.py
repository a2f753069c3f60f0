"""LangChain's package for Ollama against a real server: streams, tools, schemas, errors."""
import asyncio
import os
import sys
import typing
import unittest

import ollama
import pydantic
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_ollama import ChatOllama, OllamaLLM

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from able_model import ADDING, THINKING, TOOL, able_model  # noqa: E402  (its folder is known only now)
from harness import Server  # noqa: E402

HELLO = [SystemMessage("Be brief."), HumanMessage("Say hello.")]


@tool
def add(a: int, b: int) -> int:
    """Adds numbers."""
    return a + b


class Colour(pydantic.BaseModel):
    """A colour and a number."""
    colour: typing.Literal["red", "green"]
    count: typing.Literal[1, 2, 3]


def as_langchain(messages):
    """What LangChain keeps of a conversation."""
    out = []
    for number, message in enumerate(messages):
        if message["role"] == "user":
            out.append(HumanMessage(message["content"]))
        elif message["role"] == "tool":
            out.append(ToolMessage(message["content"], tool_call_id=f"call_{number - 1}"))
        else:
            calls = [{"name": call["function"]["name"], "args": call["function"]["arguments"],
                      "id": f"call_{number}"} for call in message.get("tool_calls", [])]
            out.append(AIMessage(message["content"], tool_calls=calls))
    return out


class LangChain(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server(models=(cls.enterClassContext(able_model()),)))
        cls.url = "http://" + cls.server.addresses[0]

    def model(self, **fields):
        return ChatOllama(**{"model": "able", "base_url": self.url, "temperature": 0,
                             "num_predict": 48, "reasoning": False, **fields})

    def test_whole_and_streamed_agree(self):
        model = self.model(validate_model_on_init=True, num_ctx=8192, num_predict=12, seed=3)
        whole = model.invoke(HELLO)
        self.assertTrue(whole.content)
        self.assertGreater(whole.usage_metadata["output_tokens"], 0)
        self.assertIn(whole.response_metadata["done_reason"], ("stop", "length"))
        chunks = list(model.stream(HELLO))
        self.assertGreater(len(chunks), 2)
        self.assertEqual("".join(chunk.content for chunk in chunks), whole.content)

        async def ask():
            return "".join([chunk.content async for chunk in model.astream(HELLO)])
        self.assertEqual(asyncio.run(ask()), whole.content)

    def test_completions(self):
        model = OllamaLLM(model="able", base_url=self.url, temperature=0, num_predict=12,
                          reasoning=False)
        self.assertEqual("".join(model.stream("Say hello.")), model.invoke("Say hello."))

    def test_tools(self):
        model = self.model(reasoning=None).bind_tools([TOOL])
        messages = as_langchain(ADDING)
        answer = model.invoke(messages)
        call, = answer.tool_calls
        self.assertEqual((call["name"], sorted(call["args"])), ("add", ["a", "b"]))
        streamed = None
        for chunk in model.stream(messages):
            streamed = chunk if streamed is None else streamed + chunk
        self.assertEqual([one["args"] for one in streamed.tool_calls], [call["args"]])
        result = add.invoke(call)  # a ToolMessage
        last = model.invoke([*messages, answer, result])
        self.assertGreater(last.usage_metadata["input_tokens"],
                           answer.usage_metadata["input_tokens"])

    def test_thinking(self):
        answer = self.model(reasoning=True).invoke(as_langchain(THINKING))
        self.assertEqual(answer.content, "black")
        self.assertEqual(answer.additional_kwargs["reasoning_content"], "I say black.")

    def test_structured_output(self):
        said = self.model().with_structured_output(Colour, method="json_schema").invoke(HELLO)
        self.assertIn(said.colour, ("red", "green"))
        self.assertIn(said.count, (1, 2, 3))

    def test_errors(self):
        with self.assertRaises(ollama.ResponseError) as raised:
            self.model(model="no-such-model").invoke(HELLO)
        self.assertEqual(raised.exception.status_code, 404)
        self.assertEqual(raised.exception.error, "model 'no-such-model' not found")
        with self.assertRaises(ollama.ResponseError) as raised:
            self.model(format={"type": "nonsense"}).invoke(HELLO)
        self.assertIn("nonsense", raised.exception.error)


if __name__ == "__main__":
    unittest.main()

"""The official OpenAI client against a real server: tools, forms of answers, thinking, logprobs."""
import json
import os
import sys
import typing
import unittest

import openai
import pydantic

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from able_model import TOOL, able_model  # noqa: E402  (its folder is known only now)
from harness import Server  # noqa: E402

MODEL = "able"
SUM = [{"role": "user", "content": "What is one and two?"}]
FLAT_TOOL = {"type": "function", **TOOL["function"]}
# An answer that must have a form begins with thinking where the model can think.
THOUGHT = "Repeat this:\nOne is one.\n</think>\n\nHi."


class Colour(pydantic.BaseModel):
    colour: typing.Literal["red", "green"]
    count: typing.Literal[1, 2, 3]


class OpenAiTools(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server(models=(cls.enterClassContext(able_model()),)))
        cls.client = openai.OpenAI(base_url=f"http://{cls.server.addresses[0]}/v1",
                                   api_key="unused", max_retries=0)

    def chat(self, **fields):
        return self.client.chat.completions.create(**{
            "model": MODEL, "temperature": 0, "max_tokens": 64, "messages": SUM,
            "reasoning_effort": "none", **fields})

    def assert_sum(self, arguments):
        self.assertEqual(sorted(json.loads(arguments)), ["a", "b"])

    # --- Chat ---

    def test_a_required_call_whole_and_streamed(self):
        named = {"type": "function", "function": {"name": "add"}}
        for choice in ("required", named):
            fields = {"tools": [TOOL], "tool_choice": choice, "parallel_tool_calls": False}
            answer = self.chat(**fields).choices[0]
            self.assertEqual(answer.finish_reason, "tool_calls")
            call, = answer.message.tool_calls
            self.assertEqual(call.function.name, "add")
            self.assert_sum(call.function.arguments)
            with self.client.chat.completions.stream(
                    model=MODEL, temperature=0, max_tokens=64, messages=SUM,
                    reasoning_effort="none", **fields) as stream:
                parts = [event for event in stream
                         if event.type == "tool_calls.function.arguments.delta"]
                streamed = stream.get_final_completion().choices[0]
            self.assertGreater(len(parts), 1)
            self.assertEqual(streamed.finish_reason, "tool_calls")
            again, = streamed.message.tool_calls
            self.assertEqual(again.function.arguments, call.function.arguments)
            self.assertRegex(again.id, "^call_")
        result = [*SUM, answer.message.to_dict(),
                  {"role": "tool", "tool_call_id": call.id, "content": "3"}]
        self.assertTrue(self.chat(messages=result, tools=[TOOL]).choices[0].message.content)

    def test_no_call_where_none_is_wanted(self):
        answer = self.chat(tools=[TOOL], tool_choice="none").choices[0]
        self.assertIsNone(answer.message.tool_calls)
        self.assertNotEqual(answer.finish_reason, "tool_calls")

    def test_a_schema(self):
        answer = self.client.chat.completions.parse(
            model=MODEL, temperature=0, messages=SUM, reasoning_effort="none",
            response_format=Colour)
        self.assertIn(answer.choices[0].message.parsed.colour, ("red", "green"))
        text = self.chat(response_format={"type": "json_object"}).choices[0].message.content
        self.assertTrue(text.lstrip().startswith("{"), text)

    def test_thinking(self):
        fields = {"messages": [{"role": "user", "content": THOUGHT}],
                  "response_format": {"type": "json_object"}}
        whole = self.chat(**fields, reasoning_effort="high").choices[0].message
        self.assertTrue(whole.reasoning)
        deltas = [chunk.choices[0].delta
                  for chunk in self.chat(**fields, reasoning_effort="high", stream=True)]
        self.assertEqual("".join(getattr(d, "reasoning", "") or "" for d in deltas),
                         whole.reasoning)
        self.assertEqual("".join(d.content or "" for d in deltas), whole.content)
        self.assertFalse(hasattr(self.chat(**fields).choices[0].message, "reasoning"))

    def test_logprobs(self):
        choice = self.chat(logprobs=True, top_logprobs=3, max_tokens=6).choices[0]
        tokens = choice.logprobs.content
        self.assertEqual(b"".join(bytes(one.bytes) for one in tokens).decode(),
                         choice.message.content)
        for one in tokens:
            self.assertLessEqual(one.logprob, 0)
            self.assertEqual(len(one.top_logprobs), 3)
            self.assertEqual(one.top_logprobs[0].token, one.token)  # greedy
        streamed = [one for chunk in self.chat(logprobs=True, max_tokens=6, stream=True)
                    if chunk.choices[0].logprobs for one in chunk.choices[0].logprobs.content]
        self.assertEqual([one.logprob for one in streamed], [one.logprob for one in tokens])

    def test_logit_bias(self):
        prompt = "Tell me a story."
        native = self.server.post("/api/generate", {
            "model": MODEL, "prompt": prompt, "stream": False,
            "options": {"temperature": 0, "num_predict": 2}}).json
        first, second = native["context"][-2:]
        # The second token of the answer is chosen at once, and the first one never.
        text = self.client.completions.create(
            model=MODEL, prompt=prompt, temperature=0, max_tokens=3,
            logit_bias={str(second): 100, str(first): -100}, logprobs=0).choices[0]
        self.assertEqual(len(set(text.logprobs.tokens)), 1)

    def test_completions_have_logprobs(self):
        choice = self.client.completions.create(model=MODEL, prompt="Say hello.", temperature=0,
                                                max_tokens=6, logprobs=2).choices[0]
        self.assertEqual("".join(choice.logprobs.tokens), choice.text)
        self.assertEqual([len(top) for top in choice.logprobs.top_logprobs], [2] * 6)
        self.assertEqual(choice.logprobs.text_offset[1], len(choice.logprobs.tokens[0]))

    # --- Responses ---

    def respond(self, **fields):
        return self.client.responses.create(**{
            "model": MODEL, "temperature": 0, "max_output_tokens": 64, "input": SUM,
            "reasoning": {"effort": "none"}, **fields})

    def test_responses_call_functions(self):
        fields = {"tools": [FLAT_TOOL], "tool_choice": "required", "parallel_tool_calls": False}
        whole = self.respond(**fields)
        call, = [item for item in whole.output if item.type == "function_call"]
        self.assertEqual((call.name, call.status), ("add", "completed"))
        self.assert_sum(call.arguments)
        events = list(self.respond(stream=True, **fields))
        deltas = [event.delta for event in events
                  if event.type == "response.function_call_arguments.delta"]
        self.assertGreater(len(deltas), 1)
        self.assertEqual("".join(deltas), call.arguments)
        self.assertEqual(events[-1].type, "response.completed")
        items = [*SUM, *[item.to_dict() for item in whole.output],
                 {"type": "function_call_output", "call_id": call.call_id, "output": "3"}]
        self.assertTrue(self.respond(input=items, tools=[FLAT_TOOL]).output)

    def test_responses_follow_a_schema(self):
        answer = self.client.responses.parse(model=MODEL, temperature=0, input=SUM,
                                             reasoning={"effort": "none"}, text_format=Colour)
        self.assertIn(answer.output_parsed.count, (1, 2, 3))

    def test_responses_think(self):
        answer = self.respond(input=THOUGHT, reasoning={"effort": "high"},
                              text={"format": {"type": "json_object"}})
        self.assertEqual(answer.output[0].type, "reasoning")
        self.assertTrue(answer.output[0].summary[0].text)

    def test_responses_have_logprobs(self):
        answer = self.respond(include=["message.output_text.logprobs"], max_output_tokens=6)
        part = answer.output[0].content[0]
        self.assertEqual("".join(one.token for one in part.logprobs), part.text)


if __name__ == "__main__":
    unittest.main()

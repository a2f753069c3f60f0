"""The official Anthropic client against a real server: tools, forms of answers, thinking."""
import json
import os
import sys
import unittest

import anthropic

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from able_model import TOOL, able_model  # noqa: E402  (its folder is known only now)
from harness import Server  # noqa: E402

FUNCTION = TOOL["function"]
ADD = {"name": "add", "description": FUNCTION["description"],
       "input_schema": FUNCTION["parameters"]}
SUM = [{"role": "user", "content": "What is one and two?"}]
# An answer that must have a form begins with thinking where the model can think.
THOUGHT = [{"role": "user", "content": "Repeat this:\nOne is one.\n</think>\n\nHi."}]
SCHEMA = {"type": "object", "properties": {"colour": {"enum": ["red", "green"]}},
          "required": ["colour"], "additionalProperties": False}
FORM = {"format": {"type": "json_schema", "schema": SCHEMA}}


class AnthropicTools(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server(models=(cls.enterClassContext(able_model()),)))
        cls.client = anthropic.Anthropic(base_url=f"http://{cls.server.addresses[0]}",
                                         api_key="unused", max_retries=0)

    def fields(self, **fields):
        return {"model": "able", "max_tokens": 64, "messages": SUM,
                "extra_body": {"temperature": 0}, "thinking": {"type": "disabled"}, **fields}

    def create(self, **fields):
        return self.client.messages.create(**self.fields(**fields))

    def stream(self, **fields):
        with self.client.messages.stream(**self.fields(**fields)) as stream:
            return list(stream), stream.get_final_message()

    def test_a_required_call_whole_and_streamed(self):
        for choice in ({"type": "any", "disable_parallel_tool_use": True},
                       {"type": "tool", "name": "add", "disable_parallel_tool_use": True}):
            whole = self.create(tools=[ADD], tool_choice=choice)
            self.assertEqual(whole.stop_reason, "tool_use")
            call, = [block for block in whole.content if block.type == "tool_use"]
            self.assertEqual(call.name, "add")
            self.assertEqual(sorted(call.input), ["a", "b"])
            events, final = self.stream(tools=[ADD], tool_choice=choice)
            parts = [event for event in events if event.type == "input_json"]
            self.assertGreater(len(parts), 1)
            self.assertEqual(json.loads("".join(part.partial_json for part in parts)), call.input)
            self.assertEqual(final.content[-1].input, call.input)
            self.assertEqual(final.stop_reason, "tool_use")
        messages = [*SUM, {"role": "assistant", "content": [b.to_dict() for b in whole.content]},
                    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id,
                                                  "content": [{"type": "text", "text": "3"}]}]}]
        answer = self.create(messages=messages, tools=[ADD])
        count = self.client.messages.count_tokens(model="able", messages=messages, tools=[ADD],
                                                  thinking={"type": "disabled"}).input_tokens
        self.assertEqual(answer.usage.input_tokens + answer.usage.cache_read_input_tokens, count)

    def test_no_call_where_none_is_wanted(self):
        answer = self.create(tools=[ADD], tool_choice={"type": "none"})
        self.assertEqual([block.type for block in answer.content], ["text"])

    def test_thinking(self):
        fields = {"messages": THOUGHT, "output_config": FORM,
                  "thinking": {"type": "enabled", "budget_tokens": 1024}}
        whole = self.create(**fields)
        self.assertEqual(whole.content[0].type, "thinking")
        self.assertTrue(whole.content[0].thinking)
        events, final = self.stream(**fields)
        self.assertEqual([(block.type, getattr(block, block.type)) for block in final.content],
                         [(block.type, getattr(block, block.type)) for block in whole.content])
        starts = [event.index for event in events if event.type == "content_block_start"]
        self.assertEqual(starts, list(range(len(whole.content))))

    def test_a_schema(self):
        answer = self.create(output_config=FORM)
        self.assertIn(json.loads(answer.content[0].text)["colour"], ("red", "green"))


if __name__ == "__main__":
    unittest.main()

"""The official OpenAI client against a real server: chat, completions, responses, errors."""
import json
import os
import sys
import unittest

import openai

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from harness import MODEL, Server  # noqa: E402  (its folder is known only now)

QUESTION = [{"role": "user", "content": "Say hello."}]
GREEDY = {"model": MODEL, "temperature": 0, "max_tokens": 12}


class OpenAiPython(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.server.__enter__()
        cls.addClassCleanup(cls.server.end)
        cls.client = openai.OpenAI(base_url=f"http://{cls.server.addresses[0]}/v1",
                                   api_key="unused", max_retries=0)

    def chat(self, **fields):
        return self.client.chat.completions.create(**{**GREEDY, "messages": QUESTION, **fields})

    def test_models(self):
        models = {model.id: model for model in self.client.models.list()}
        self.assertEqual(models[MODEL].owned_by, "library")
        self.assertEqual(self.client.models.retrieve(MODEL).created, models[MODEL].created)
        with self.assertRaises(openai.NotFoundError) as raised:
            self.client.models.retrieve("no/such")
        self.assertEqual(raised.exception.body["type"], "not_found_error")

    # --- Chat ---

    def test_chat_whole_and_streamed_agree(self):
        whole = self.chat()
        choice = whole.choices[0]
        self.assertEqual(choice.message.role, "assistant")
        self.assertIn(choice.finish_reason, ("stop", "length"))
        usage = whole.usage
        self.assertGreater(usage.completion_tokens, 0)
        self.assertEqual(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens)
        chunks = list(self.chat(stream=True, stream_options={"include_usage": True}))
        self.assertEqual({chunk.id for chunk in chunks}, {chunks[0].id})
        self.assertEqual([c.choices[0].delta.role for c in chunks[:-1]],
                         ["assistant"] + [None] * (len(chunks) - 2))
        self.assertEqual("".join(c.choices[0].delta.content or "" for c in chunks[:-1]),
                         choice.message.content)
        self.assertEqual(chunks[-2].choices[0].finish_reason, choice.finish_reason)
        self.assertEqual(chunks[-1].choices, [])
        self.assertEqual(chunks[-1].usage.completion_tokens, usage.completion_tokens)
        self.assertEqual(chunks[-1].usage.prompt_tokens, usage.prompt_tokens)
        # The prompt is the same: all of it but the token that is computed again was in the cache.
        self.assertGreaterEqual(chunks[-1].usage.prompt_tokens_details.cached_tokens,
                                usage.prompt_tokens - 1)

    def test_the_same_text_as_the_native_route(self):
        native = self.server.post("/api/chat", {
            "model": MODEL, "messages": QUESTION, "stream": False,
            "options": {"temperature": 0.9, "top_p": 0.7, "seed": 5, "num_predict": 12}}).json
        ours = self.chat(temperature=0.9, top_p=0.7, seed=5)
        self.assertEqual(ours.choices[0].message.content, native["message"]["content"])
        self.assertEqual(ours.usage.prompt_tokens, native["prompt_eval_count"])
        self.assertEqual(ours.usage.completion_tokens, native["eval_count"])

    def test_length_and_stop(self):
        self.assertEqual(self.chat(max_tokens=2).choices[0].finish_reason, "length")
        cut = self.chat(max_completion_tokens=2, max_tokens=9)
        self.assertEqual(cut.usage.completion_tokens, 2)
        text = self.chat().choices[0].message.content
        word = text.split()[1]
        stopped = self.chat(stop=[word]).choices[0]
        self.assertEqual(stopped.message.content, text[:text.index(word)])
        self.assertEqual(stopped.finish_reason, "stop")

    def test_several_choices(self):
        fields = {"n": 3, "temperature": 1.5, "seed": 7, "max_tokens": 8}
        whole = self.chat(**fields)
        self.assertEqual([choice.index for choice in whole.choices], [0, 1, 2])
        texts = [choice.message.content for choice in whole.choices]
        self.assertGreater(len(set(texts)), 1)
        streamed = ["", "", ""]
        for chunk in self.chat(stream=True, **fields):
            choice = chunk.choices[0]
            streamed[choice.index] += choice.delta.content or ""
        self.assertEqual(streamed, texts)
        # One choice of the three is what one request with its seed gives.
        alone = self.chat(**{**fields, "n": 1, "seed": 8})
        self.assertEqual(alone.choices[0].message.content, texts[1])

    def test_roles_and_parts(self):
        answer = self.chat(messages=[
            {"role": "developer", "content": "You are terse."},
            {"role": "user", "content": [{"type": "text", "text": "Say"},
                                         {"type": "text", "text": "hello."}]}])
        self.assertTrue(answer.choices[0].message.content)

    def test_errors(self):
        with self.assertRaises(openai.NotFoundError) as raised:
            self.chat(model="no-such-model")
        self.assertEqual(raised.exception.body["message"], "model 'no-such-model' not found")
        self.assertEqual(raised.exception.body["type"], "not_found_error")
        cases = [
            ({"messages": []}, "too short"),
            ({"n": 99}, "\"n\" must be between"),
            ({"tool_choice": "required"}, "no tools"),
            ({"logit_bias": {"x": 1}}, "token ids"),
            ({"reasoning_effort": "high"}, "does not support thinking"),
            ({"messages": [{"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0="}}]}]},
             "does not support vision"),
        ]
        for fields, words in cases:
            for stream in (False, True):
                with self.assertRaises(openai.BadRequestError) as raised:
                    self.chat(stream=stream, **fields)
                self.assertIn(words, raised.exception.body["message"])
                self.assertEqual(raised.exception.body["type"], "invalid_request_error")

    def test_a_prompt_that_is_too_long(self):
        with self.assertRaises(openai.BadRequestError) as raised:
            self.chat(messages=[{"role": "user", "content": "word " * 30_000}])
        self.assertEqual(raised.exception.code, "context_length_exceeded")

    def test_errors_of_the_route_have_the_same_shape(self):
        for method, path, length, status, words in (
                ("GET", "/v1/nothing", 0, 404, "404 page not found"),
                ("GET", "/v1/chat/completions", 0, 405, "405 method not allowed"),
                ("POST", "/v1/chat/completions", 1 << 30, 413, "over the limit")):
            reply = self.server.request(method, path, headers={"Content-Length": str(length)})
            self.assertEqual(reply.status, status)
            self.assertIn(words, reply.error["message"])
            self.assertEqual(sorted(reply.error), ["code", "message", "param", "type"])

    # --- Completions ---

    def test_completions(self):
        fields = {**GREEDY, "prompt": ["Once upon", "There was"]}
        whole = self.client.completions.create(**fields)
        self.assertEqual([choice.index for choice in whole.choices], [0, 1])
        streamed = ["", ""]
        chunks = list(self.client.completions.create(
            stream=True, stream_options={"include_usage": True}, **fields))
        for chunk in chunks[:-1]:
            streamed[chunk.choices[0].index] += chunk.choices[0].text
        self.assertEqual(streamed, [choice.text for choice in whole.choices])
        self.assertEqual(chunks[-1].usage.total_tokens, whole.usage.total_tokens)

    # --- Responses ---

    def respond(self, **fields):
        return self.client.responses.create(**{"model": MODEL, "input": "Say hello.",
                                               "temperature": 0, "max_output_tokens": 12, **fields})

    def test_responses_whole_and_streamed_agree(self):
        whole = self.respond(instructions="Be brief.", max_output_tokens=40)
        self.assertEqual(whole.instructions, "Be brief.")
        self.assertGreater(whole.usage.output_tokens, 0)
        self.assertIn(whole.status, ("completed", "incomplete"))
        with self.client.responses.stream(model=MODEL, input="Say hello.", temperature=0,
                                          instructions="Be brief.",
                                          max_output_tokens=40) as stream:
            events = list(stream)
        numbers = [event.sequence_number for event in events
                   if event.type.startswith("response.")]
        self.assertEqual(numbers, sorted(numbers))
        self.assertEqual(events[0].type, "response.created")
        self.assertEqual(events[-1].type, f"response.{whole.status}")
        self.assertEqual(events[-1].response.output_text, whole.output_text)
        self.assertTrue(whole.output_text)

    def test_responses_cut_short(self):
        cut = self.respond(max_output_tokens=2)
        self.assertEqual(cut.status, "incomplete")
        self.assertEqual(cut.incomplete_details.reason, "max_output_tokens")
        self.assertEqual(cut.usage.output_tokens, 2)

    def test_responses_take_their_own_output_back(self):
        first = self.respond(max_output_tokens=40)
        conversation = [{"role": "user", "content": "Say hello."}]
        conversation += [item.to_dict() for item in first.output]
        conversation.append({"role": "user", "content": "Again."})
        self.assertGreater(self.respond(input=conversation).usage.input_tokens,
                           first.usage.input_tokens)

    def test_responses_refuse_what_needs_a_memory(self):
        with self.assertRaises(openai.BadRequestError) as raised:
            self.respond(previous_response_id="resp_1")
        self.assertIn("no response is stored here", raised.exception.body["message"])


if __name__ == "__main__":
    unittest.main()

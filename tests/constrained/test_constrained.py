"""Answers that follow a schema are held against an independent validator.

Most schemas are answered by the engine's loop over the real tokenizer with pseudo-random logits
(answers.cc); a few by SmolLM2 on the simulated card, through a runner.
"""
import glob
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import unittest

import jsonschema

import schemas

sys.path.insert(0, os.path.join(os.path.dirname(__file__), os.pardir, "e2e"))
import harness  # noqa: E402

BUNDLE = os.path.join(harness.MODELS, "smollm2", "135m")
SUITE, = glob.glob(os.path.join(sys.prefix, "sources", "jsonschema-*.tar.gz"))
WANTED = 300


def fault(schema, text):
    """Why the text is no instance of the schema, or None."""
    try:
        value = json.loads(text)
    except ValueError as error:
        return f"no JSON: {error}"
    kind = jsonschema.validators.validator_for(schema, jsonschema.Draft202012Validator)
    checker = jsonschema.FormatChecker(["ipv4", "uuid"])
    error = jsonschema.exceptions.best_match(kind(schema, format_checker=checker).iter_errors(value))
    return error and error.message


class EngineTest(unittest.TestCase):
    def test_every_completed_answer_is_valid(self):
        program = os.path.join(harness.BUILD, "answers")
        every = schemas.suite(SUITE) + schemas.random_schemas(150, seed=6)
        requests = "".join(json.dumps({"schema": schema, "seed": number}) + "\n"
                           for number, (_, schema) in enumerate(every))
        done = subprocess.run([program, BUNDLE], input=requests, stdout=subprocess.PIPE, text=True,
                              timeout=300, check=True)
        replies = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(len(replies), len(every))
        valid, cut, refused, wrong = [], [], {}, []
        for (name, schema), reply in zip(every, replies):
            if "error" in reply:
                refused[name] = reply["error"]
            elif reply["stop"] != "stop":
                cut.append(name)
            elif why := fault(schema, reply["text"]):
                wrong.append(f"{name}: {why}\n  {json.dumps(schema)}\n  {reply['text']}")
            else:
                valid.append(name)
        print(f"{len(valid)} valid, {len(cut)} cut off, {len(refused)} refused", file=sys.stderr)
        self.assertEqual(wrong, [], "\n".join(wrong))
        self.assertGreaterEqual(len(valid), WANTED)
        self.assertLess(len(cut), len(every) / 10, cut)
        for name, why in refused.items():
            self.assertRegex(why, r"^the JSON schema cannot be followed: [^\n]+$", name)
            self.assertFalse(name.startswith("random"), f"{name}: {why}")


class ModelTest(unittest.TestCase):
    """SmolLM2 itself, with what clients send."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="axconstrained")
        cls.socket = os.path.join(cls.folder.name, "s")
        env = harness.clean_environment(cls.folder.name)
        cls.runner = subprocess.Popen(
            [harness.PROGRAM, "runner", "--model", BUNDLE, "--socket", cls.socket], env=env,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        harness.wait_until(lambda: cls.call("GET", "/health")[0] == 200, "the runner is ready")

    @classmethod
    def tearDownClass(cls):
        cls.runner.terminate()
        cls.runner.wait(harness.LONG)
        cls.folder.cleanup()

    @classmethod
    def call(cls, method, path, body=None):
        connection = http.client.HTTPConnection("runner")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(harness.LONG)
        try:
            connection.sock.connect(cls.socket)
            connection.request(method, path, body and json.dumps(body))
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        except (FileNotFoundError, ConnectionRefusedError):
            return 0, None
        finally:
            connection.close()

    def complete(self, prompt, **fields):
        status, answer = self.call("POST", "/completion", {
            "prompt": prompt, "temperature": 0, "n_predict": 100, **fields})
        self.assertEqual(status, 200, answer)
        return answer

    PROMPT = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"

    def test_schemas(self):
        asked = {
            "A city of France with its population in JSON.": {
                "type": "object", "properties": {"city": {"type": "string", "maxLength": 20},
                                                 "population": {"type": "integer", "maximum": 99999999}},
                "required": ["city", "population"], "additionalProperties": False},
            "Is the sky blue?": {"type": "object", "properties": {"answer": {"enum": ["yes", "no"]}},
                                 "required": ["answer"], "additionalProperties": False},
            "Three primes.": {"type": "array", "items": {"type": "integer", "maximum": 99},
                              "minItems": 3, "maxItems": 3},
            "When was 2001?": {"type": "string", "format": "date"},
        }
        for question, schema in asked.items():
            answer = self.complete(self.PROMPT.format(question), json_schema=schema)
            self.assertEqual(answer["stop_type"], "eos", answer)
            self.assertIsNone(fault(schema, answer["content"]), answer)

    def test_grammars_and_expressions(self):
        answer = self.complete(self.PROMPT.format("A number?"), regex="[0-9]{3}-[0-9]{2}")
        self.assertRegex(answer["content"], r"^\d{3}-\d{2}$")
        answer = self.complete(self.PROMPT.format("Hm?"), grammar='root ::= ("yes" | "no") "!"{2}')
        self.assertRegex(answer["content"], "^(yes|no)!!$")
        answer = self.complete(self.PROMPT.format("Hm?"), grammar='%llguidance {}\nstart: "A" /[bc]{4}/')
        self.assertRegex(answer["content"], "^A[bc]{4}$")

    def test_the_grammar_begins_behind_the_thinking(self):
        answer = self.complete("one, two, three, four, five, six, one, two, three,", regex="[0-9]{2}",
                               grammar_after="five")
        self.assertRegex(answer["content"], r"^.*?five\s{0,4}\d\d$")

    def test_forced_tokens_are_those_the_model_would_have_been_given(self):
        """Through a chunk or one by one, the cache holds the same."""
        schema = {"type": "object", "properties": {"a_rather_long_name_of_a_member": {"type": "integer"},
                                                   "text": {"type": "string", "maxLength": 12}},
                  "required": ["a_rather_long_name_of_a_member", "text"], "additionalProperties": False}
        prompt = self.PROMPT.format("Seven?")
        chunk = self.complete(prompt, json_schema=schema, cache_prompt=False)
        single = self.complete(prompt, json_schema=schema, cache_prompt=False, n_probs=1)
        self.assertEqual(chunk["tokens"], single["tokens"])
        self.assertEqual(len(single["completion_probabilities"]), len(single["tokens"]))

    def test_bias_and_probabilities(self):
        free = self.complete("1, 2, 3,", n_predict=3, n_probs=5)
        first = free["completion_probabilities"][0]
        self.assertEqual(first["id"], free["tokens"][0])
        self.assertEqual(first["top_logprobs"][0]["id"], first["id"])  # greedy
        logprobs = [entry["logprob"] for entry in first["top_logprobs"]]
        self.assertEqual(logprobs, sorted(logprobs, reverse=True))
        self.assertEqual(bytes(first["bytes"]).decode(), first["token"])
        never = self.complete("1, 2, 3,", n_predict=1, logit_bias=[[first["id"], False]])
        self.assertEqual(never["tokens"], [first["top_logprobs"][1]["id"]])

    def test_refusals(self):
        for fields, why in (({"json_schema": {"not": {}}}, '"not"'),
                            ({"grammar": "root ::= ["}, "line 1, column 11"),
                            ({"regex": "(a"}, "regular expression"),
                            ({"regex": "a", "grammar": "root ::= \"a\""}, "only one of")):
            status, answer = self.call("POST", "/completion", {"prompt": "x", **fields})
            self.assertEqual(status, 400, answer)
            self.assertIn(why, answer["error"]["message"])


if __name__ == "__main__":
    unittest.main()

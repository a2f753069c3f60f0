"""Vectors of texts: what they are, and how each API's clients get them."""
import asyncio
import base64
import json
import math
import os
import struct
import unittest

import ollama
import openai
from embedding_models import embedding_models
from harness import MODEL, MODELS, Server, clean_environment, run, wait_until
from langchain_ollama import OllamaEmbeddings

HERE = os.path.dirname(os.path.abspath(__file__))
EMBED, WIDTH, CONTEXT = "smollm2:embed", 576, 2048
TEXT = "A fox lives in the forest."


def read(name):
    with open(os.path.join(HERE, name), encoding="utf-8") as file:
        return json.load(file)


def cosine(a, b):
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def length(vector):
    return math.sqrt(sum(x * x for x in vector))


class Embeddings(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        root = cls.enterClassContext(embedding_models())
        cls.server = cls.enterClassContext(Server(models=(MODELS, root)))
        cls.url = "http://" + cls.server.addresses[0]

    def embed(self, text, model=EMBED, **fields):
        reply = self.server.post("/api/embed", {"model": model, "input": text, **fields})
        self.assertEqual(reply.status, 200, reply.text)
        return reply

    def vectors(self, text, model=EMBED, **fields):
        return self.embed(text, model, **fields).json["embeddings"]

    def assert_refused(self, path, body, error, status=400):
        reply = self.server.post(path, body)
        self.assertEqual(reply.status, status, reply.text)
        said = reply.error["message"] if path.startswith("/v1/") else reply.error
        self.assertIn(error, said)

    # --- What the vectors are ---

    def test_they_are_those_of_transformers(self):
        reference = read("reference.json")
        texts = [one["text"] for one in reference]
        for model, least in ((EMBED, 0.999), ("smollm2:embed-bf16", 0.9999)):
            reply = self.embed(texts, model).json
            self.assertEqual(reply["prompt_eval_count"], sum(one["tokens"] for one in reference))
            for one, vector in zip(reference, reply["embeddings"], strict=True):
                self.assertAlmostEqual(length(vector), 1, places=5)
                self.assertGreater(cosine(vector, one["vector"]), least, (model, one["text"]))
        # The measure can tell texts apart.
        self.assertLess(cosine(reference[0]["vector"], reference[1]["vector"]), 0.99)

    def test_the_golden_vector(self):
        [vector] = self.vectors(TEXT, "smollm2:embed-bf16")
        for ours, golden in zip(vector, read("golden.json"), strict=True):
            self.assertAlmostEqual(ours, golden, delta=1e-6)

    def test_they_are_the_same_whatever_was_before_and_beside(self):
        texts = [one["text"] for one in read("reference.json")]
        alone = [self.vectors(text)[0] for text in texts]
        self.assertEqual(self.vectors(texts), alone)
        self.assertEqual(self.vectors(texts[::-1]), alone[::-1])
        for model in ("smollm2:embed-chunk32", "smollm2:embed-single"):
            self.assertEqual(self.vectors(texts, model), alone, model)
        # What begins like the text before is computed from there on.
        self.vectors(texts[3] + " And so on.")
        self.assertEqual(self.vectors(texts[3])[0], alone[3])

    def test_dimensions_are_cut_and_normalised_again(self):
        [full] = self.vectors(TEXT)
        self.assertEqual(len(full), WIDTH)
        [cut] = self.vectors(TEXT, dimensions=64)
        self.assertEqual(len(cut), 64)
        self.assertAlmostEqual(length(cut), 1, places=5)
        self.assertAlmostEqual(cosine(cut, full[:64]), 1, places=6)
        self.assertEqual(self.vectors(TEXT, dimensions=WIDTH + 1), [full])

    # --- Texts that are too long ---

    def test_the_end_is_cut_off_and_that_is_said(self):
        ten = "one two three four five six seven eight nine ten"  # a token each
        cut = self.embed(ten, options={"num_ctx": 8})
        self.assertEqual(cut.headers["X-Axollama-Truncated-Tokens"], "2")
        self.assertEqual(cut.json["prompt_eval_count"], 8)
        fits = self.embed(ten.rsplit(" ", 2)[0], options={"num_ctx": 8})
        self.assertNotIn("X-Axollama-Truncated-Tokens", fits.headers)
        self.assertEqual(fits.json["embeddings"], cut.json["embeddings"])
        body = {"model": EMBED, "input": ["short", ten], "options": {"num_ctx": 8}}
        self.assert_refused("/api/embed", {**body, "truncate": False},
                            "the input length exceeds the context length")
        self.assert_refused("/api/embeddings",
                            {"model": EMBED, "prompt": ten, "options": {"num_ctx": 8}},
                            "the input length exceeds the context length")

    def test_a_text_may_fill_the_context_and_be_longer_than_memory_wants(self):
        full = self.embed(" a" * 1024, "smollm2:embed-chunk32")
        self.assertEqual(full.json["prompt_eval_count"], 1024)
        self.assertNotIn("X-Axollama-Truncated-Tokens", full.headers)
        huge = self.embed(" a" * 2_000_000, "smollm2:embed-chunk32")
        self.assertEqual(huge.json["prompt_eval_count"], 1024)
        self.assertEqual(huge.json["embeddings"], full.json["embeddings"])

    # --- Ollama's routes ---

    def test_no_input_loads_the_model(self):
        self.server.unload(EMBED)
        for body in ({}, {"input": ""}, {"input": []}, {"input": None}):
            reply = self.server.post("/api/embed", {"model": EMBED, **body})
            self.assertEqual((reply.status, reply.json), (200, {"model": EMBED, "embeddings": []}))
        self.assertIn(EMBED, self.server.loaded())
        reply = self.server.post("/api/embeddings", {"model": EMBED, "prompt": ""})
        self.assertEqual((reply.status, reply.json), (200, {"embedding": []}))

    def test_the_older_route(self):
        reply = self.server.post("/api/embeddings", {"model": EMBED, "prompt": TEXT})
        self.assertEqual(reply.status, 200, reply.text)
        vector = reply.json["embedding"]
        self.assertGreater(length(vector), 2, "as the model gives it")
        self.assertAlmostEqual(cosine(vector, self.vectors(TEXT)[0]), 1, places=6)

    def test_statistics_and_keep_alive(self):
        reply = self.embed([TEXT, TEXT], keep_alive=0).json
        self.assertEqual(reply["model"], EMBED)
        self.assertGreater(reply["total_duration"], reply.get("load_duration", 0))
        self.assertGreater(reply["prompt_eval_count"], 2)
        wait_until(lambda: EMBED not in self.server.loaded(), "the model is unloaded")

    def test_what_is_wrong_is_said_in_ollamas_words(self):
        self.assert_refused("/api/embed", {"model": EMBED, "input": 7}, "invalid input type")
        self.assert_refused("/api/embed", {"model": EMBED, "input": ["a", 7]}, "invalid input type")
        self.assert_refused("/api/embed", None, "missing request body")
        self.assert_refused("/api/embed", {"model": "no", "input": "a"},
                            'model "no" not found, try pulling it first', 404)
        self.assert_refused("/api/embed", {"input": "a"}, "model '' not found", 404)
        self.assert_refused("/api/embeddings", {"model": "no", "prompt": "a"},
                            'model "no" not found, try pulling it first', 404)
        self.assert_refused("/api/embeddings", {"prompt": "a"}, "model is required")
        self.assert_refused("/api/embed", {"model": EMBED, "input": ["a", ""]}, "input 1 is empty")
        self.assert_refused("/api/embed", {"model": EMBED, "input": "a",
                                           "options": {"num_ctx": "x"}},
                            'option "num_ctx" must be of type integer')
        many = (8 << 20) // WIDTH + 1
        self.assert_refused("/api/embed", {"model": EMBED, "input": ["a"] * many},
                            f"send at most {many - 1}")

    # --- What a model can do ---

    def test_capabilities(self):
        show = self.server.post("/api/show", {"model": EMBED}).json
        self.assertEqual(show["capabilities"], ["embedding"])
        self.assertEqual(show["details"]["embedding_length"], WIDTH)
        self.assertEqual(show["details"]["context_length"], CONTEXT)
        tags = {model["name"]: model for model in self.server.get("/api/tags").json["models"]}
        self.assertEqual(tags[EMBED]["capabilities"], ["embedding"])
        self.assertIn("completion", tags[MODEL]["capabilities"])

    def test_a_model_for_embeddings_says_nothing(self):
        messages = [{"role": "user", "content": "Hi"}]
        self.assert_refused("/api/generate", {"model": EMBED, "prompt": "Hi"},
                            f'"{EMBED}" does not support generate')
        self.assert_refused("/api/generate", {"model": EMBED}, f'"{EMBED}" does not support generate')
        chat = f'"{EMBED}" does not support chat'
        self.assert_refused("/api/chat", {"model": EMBED, "messages": messages}, chat)
        self.assert_refused("/v1/chat/completions", {"model": EMBED, "messages": messages}, chat)
        self.assert_refused("/v1/responses", {"model": EMBED, "input": "Hi"}, chat)
        self.assert_refused("/v1/messages", {"model": EMBED, "messages": messages, "max_tokens": 4},
                            chat)
        self.assert_refused("/v1/completions", {"model": EMBED, "prompt": "Hi"},
                            f'"{EMBED}" does not support generate')

    def test_a_model_for_text_makes_no_embeddings(self):
        error = f'"{MODEL}" does not support embeddings'
        self.assert_refused("/api/embed", {"model": MODEL, "input": "a"}, error)
        self.assert_refused("/api/embed", {"model": MODEL}, error)
        self.assert_refused("/api/embeddings", {"model": MODEL, "prompt": "a"}, error)
        self.assert_refused("/v1/embeddings", {"model": MODEL, "input": "a"}, error)

    # --- OpenAI's route ---

    def test_openai(self):
        [vector] = self.vectors(TEXT)
        def ask(**fields):
            reply = self.server.post("/v1/embeddings", {"model": EMBED, **fields})
            self.assertEqual(reply.status, 200, reply.text)
            return reply.json
        reply = ask(input=[TEXT, "Hi"])
        self.assertEqual((reply["object"], reply["model"]), ("list", EMBED))
        self.assertEqual([(one["object"], one["index"]) for one in reply["data"]],
                         [("embedding", 0), ("embedding", 1)])
        self.assertEqual(reply["data"][0]["embedding"], vector)
        self.assertEqual(reply["usage"]["prompt_tokens"], reply["usage"]["total_tokens"])
        packed = ask(input=TEXT, encoding_format="base64")["data"][0]["embedding"]
        floats = struct.unpack(f"<{WIDTH}f", base64.b64decode(packed, validate=True))
        self.assertEqual([struct.unpack("<f", struct.pack("<f", v))[0] for v in vector],
                         list(floats))
        self.assertEqual(len(ask(input=TEXT, dimensions=8)["data"][0]["embedding"]), 8)
        tokens = ask(input=[[504, 2], [504]])
        self.assertEqual(tokens["usage"]["total_tokens"], 3)
        self.assertEqual(ask(input=[504])["data"][0]["embedding"],
                         tokens["data"][1]["embedding"])

    def test_openai_errors(self):
        for body, error in (({}, "invalid input"), ({"input": []}, "invalid input"),
                            ({"input": 7}, "invalid input type"),
                            ({"input": "a", "encoding_format": "int8"}, "encoding_format"),
                            ({"input": [49152]}, "token 49152"), ({"input": ""}, "empty")):
            self.assert_refused("/v1/embeddings", {"model": EMBED, **body}, error)
        self.assert_refused("/v1/embeddings", {"model": "no", "input": "a"}, "not found", 404)

    # --- Clients ---

    def test_ollamas_client(self):
        client = ollama.Client(host=self.url)
        one = client.embed(EMBED, TEXT)
        both = client.embed(EMBED, [TEXT, "Hi"], dimensions=32)
        self.assertEqual(len(one.embeddings[0]), WIDTH)
        self.assertEqual([len(vector) for vector in both.embeddings], [32, 32])
        self.assertGreater(both.prompt_eval_count, one.prompt_eval_count)
        self.assertEqual(len(client.embeddings(EMBED, TEXT).embedding), WIDTH)
        with self.assertRaises(ollama.ResponseError) as raised:
            client.embed(MODEL, TEXT)
        self.assertEqual(raised.exception.status_code, 400)

        async def together():
            async_client = ollama.AsyncClient(host=self.url)
            return await asyncio.gather(*(async_client.embed(EMBED, f"{TEXT} {i}")
                                          for i in range(4)))
        for i, answer in enumerate(asyncio.run(together())):
            self.assertEqual(list(answer.embeddings[0]), self.vectors(f"{TEXT} {i}")[0])

    def test_openais_client(self):
        client = openai.OpenAI(base_url=self.url + "/v1", api_key="unused", max_retries=0)
        [vector] = self.vectors(TEXT)
        # Its own default is base64.
        for fields in ({}, {"encoding_format": "float"}):
            answer = client.embeddings.create(model=EMBED, input=[TEXT], **fields)
            self.assertGreater(cosine(answer.data[0].embedding, vector), 0.9999999)
        with self.assertRaises(openai.BadRequestError):
            client.embeddings.create(model=MODEL, input=TEXT)

    def test_langchain(self):
        client = OllamaEmbeddings(base_url=self.url, model=EMBED)
        texts = [TEXT, "The sea is wide."]
        self.assertEqual(client.embed_documents(texts), self.vectors(texts))
        self.assertEqual(client.embed_query(TEXT), self.vectors(TEXT)[0])
        with self.assertRaises(ollama.ResponseError) as raised:
            OllamaEmbeddings(base_url=self.url, model=MODEL).embed_query(TEXT)
        self.assertEqual(raised.exception.status_code, 400)

    def test_the_command(self):
        env = {**clean_environment(self.server.folder), "OLLAMA_HOST": self.server.addresses[0]}
        code, out, errors = run("embed", EMBED, TEXT, "Hi", "--dimensions", "16", env=env)
        self.assertEqual((code, errors), (0, ""))
        lines = [json.loads(line) for line in out.splitlines()]
        self.assertEqual(lines, self.vectors([TEXT, "Hi"], dimensions=16))
        code, out, errors = run("run", EMBED, *TEXT.split(), env=env)
        self.assertEqual((code, errors), (0, ""))
        self.assertEqual(json.loads(out), self.vectors(TEXT)[0])

    def test_a_client_that_goes_ends_its_work(self):
        connection = self.server.connect()
        # More than can be computed in the time that the next answer may take.
        texts = [f"{i} " + "fox " * 1800 for i in range(300)]
        connection.request("POST", "/api/embed", json.dumps({"model": EMBED, "input": texts}))
        wait_until(lambda: EMBED in self.server.loaded(), "the model is loaded")
        connection.close()
        self.assertEqual(len(self.vectors(TEXT)[0]), WIDTH)


if __name__ == "__main__":
    unittest.main()

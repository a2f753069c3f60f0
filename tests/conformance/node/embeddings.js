// Vectors by the official JavaScript clients; test_node.py runs this and starts the server.
'use strict';
const assert = require('node:assert/strict');
const { test } = require('node:test');
const { Ollama } = require('ollama');
const { OpenAI } = require('openai');

const { url, embed, text } = JSON.parse(process.env.FACTS);
const client = new Ollama({ host: url });
const input = ['A fox lives in the forest.', 'The sea is wide.'];

test('both clients get the same vectors', async () => {
  const { embeddings } = await client.embed({ model: embed, input });
  assert.equal(embeddings.length, 2);
  assert.ok(Math.abs(Math.hypot(...embeddings[0]) - 1) < 1e-4);
  const [short] = (await client.embed({ model: embed, input: input[0], dimensions: 16 })).embeddings;
  assert.equal(short.length, 16);
  const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'unused', maxRetries: 0 });
  // It asks for base64 by itself.
  const { data, usage } = await openai.embeddings.create({ model: embed, input });
  assert.deepEqual(data.map((one) => one.index), [0, 1]);
  assert.ok(usage.prompt_tokens > 4);
  for (const { index, embedding } of data) {
    assert.equal(embedding.length, embeddings[index].length);
    embedding.forEach((value, i) => assert.ok(Math.abs(value - embeddings[index][i]) < 1e-6));
  }
});

test('what has no vectors is refused', async () => {
  await assert.rejects(client.embed({ model: text, input }), (error) =>
    error.status_code === 400 && error.message.includes('does not support embeddings'));
  await assert.rejects(client.embed({ model: 'no-such-model', input }), { status_code: 404 });
});

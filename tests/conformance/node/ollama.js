// The official JavaScript client of Ollama; test_node.py runs this and starts the server.
'use strict';
const assert = require('node:assert/strict');
const { test } = require('node:test');
const { Ollama } = require('ollama');

const { url, model, able, adding, thinking, tool } = JSON.parse(process.env.FACTS);
const client = new Ollama({ host: url });
const messages = [{ role: 'user', content: 'Say hello.' }];
const options = { temperature: 0, num_predict: 12 };

async function all(stream) {
  const parts = [];
  for await (const part of await stream) parts.push(part);
  return parts;
}

const joined = (parts, field) => parts.map((part) => part.message[field] ?? '').join('');

test('lists, shows and tells what is loaded', async () => {
  assert.ok((await client.list()).models.some((one) => one.name === model));
  const show = await client.show({ model });
  assert.equal(show.model_info['general.architecture'], 'llama');
  assert.ok(show.capabilities.includes('completion'));
  await client.generate({ model, prompt: '' });
  assert.ok((await client.ps()).models.some((one) => one.name === model));
  assert.match((await client.version()).version, /^\d+\.\d+\.\d+$/);
});

test('chat, whole and streamed', async () => {
  const whole = await client.chat({ model, messages, options, keep_alive: '1h30m', think: false });
  assert.ok(whole.message.content);
  const parts = await all(client.chat({ model, messages, options, stream: true }));
  assert.equal(joined(parts, 'content'), whole.message.content);
  assert.equal(parts.at(-1).done, true);
  assert.equal(parts.at(-1).eval_count, whole.eval_count);
});

test('generate, whole and streamed', async () => {
  const request = { model, prompt: 'Say hello.', options, system: 'Be brief.' };
  const whole = await client.generate(request);
  const parts = await all(client.generate({ ...request, stream: true }));
  assert.equal(parts.map((part) => part.response).join(''), whole.response);
  assert.ok(parts.at(-1).context.length > 0);
});

test('an answer that is aborted', async () => {
  const stream = await client.generate({
    model, prompt: 'Count to a thousand.', options: { num_predict: 1000 }, stream: true });
  await assert.rejects(async () => {
    for await (const part of stream) {
      assert.ok(!part.done);
      stream.abort();
    }
  }, { name: 'AbortError' });
});

test('tools', async () => {
  const request = { model: able, messages: adding, tools: [tool],
    options: { temperature: 0, num_predict: 48 } };
  const whole = await client.chat(request);
  assert.deepEqual(whole.message.tool_calls.map((call) => call.function.arguments),
    [{ a: 1, b: 2 }]);
  const parts = await all(client.chat({ ...request, stream: true }));
  assert.deepEqual(parts.flatMap((part) => part.message.tool_calls ?? [])
    .map((call) => call.function.arguments), [{ a: 1, b: 2 }]);
  const last = await client.chat({ ...request, messages: [...adding, whole.message,
    { role: 'tool', content: '3', tool_name: 'add' }] });
  assert.ok(last.prompt_eval_count > whole.prompt_eval_count);
});

test('thinking', async () => {
  const parts = await all(client.chat({ model: able, messages: thinking, think: true,
    options: { temperature: 0, num_predict: 48 }, stream: true }));
  assert.equal(joined(parts, 'thinking'), 'I say black.');
  assert.equal(joined(parts, 'content'), 'black');
});

test('a schema', async () => {
  const format = { type: 'object', properties: { word: { enum: ['hello', 'hi'] } },
    required: ['word'], additionalProperties: false };
  const parts = await all(client.chat({ model, messages, format, stream: true,
    options: { temperature: 0 } }));
  assert.ok(['hello', 'hi'].includes(JSON.parse(joined(parts, 'content')).word));
});

test('errors', async () => {
  for (const stream of [false, true]) {
    await assert.rejects(client.chat({ model: 'no-such-model', messages, stream }),
      { status_code: 404, message: "model 'no-such-model' not found" });
    await assert.rejects(client.chat({ model, messages, think: true, stream }),
      { status_code: 400, message: `"${model}" does not support thinking` });
  }
  await assert.rejects(client.show({ model: 'no-such-model' }), { status_code: 404 });
  await assert.rejects(client.delete({ model: 'no-such-model' }), { status_code: 404 });
});

// The official JavaScript client of OpenAI; test_node.py runs this and starts the server.
'use strict';
const assert = require('node:assert/strict');
const { test } = require('node:test');
const { OpenAI } = require('openai');

const { url, model, able, tool } = JSON.parse(process.env.FACTS);
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'unused', maxRetries: 0 });
const messages = [{ role: 'user', content: 'Say hello.' }];
const greedy = { model, temperature: 0, max_tokens: 12, messages };
const sum = { model: able, temperature: 0, reasoning_effort: 'none',
  messages: [{ role: 'user', content: 'What is one and two?' }] };
const schema = { type: 'object', properties: { colour: { enum: ['red', 'green'] } },
  required: ['colour'], additionalProperties: false };

async function all(stream) {
  const parts = [];
  for await (const part of await stream) parts.push(part);
  return parts;
}

test('models', async () => {
  const ids = (await all(client.models.list())).map((one) => one.id);
  assert.ok(ids.includes(model));
  assert.equal((await client.models.retrieve(model)).owned_by, 'library');
});

test('chat, whole and streamed', async () => {
  const whole = await client.chat.completions.create(greedy);
  assert.ok(whole.choices[0].message.content);
  const stream = client.chat.completions.stream(
    { ...greedy, stream_options: { include_usage: true } });
  const final = await stream.finalChatCompletion();
  assert.equal(final.choices[0].message.content, whole.choices[0].message.content);
  assert.equal(final.choices[0].finish_reason, whole.choices[0].finish_reason);
  assert.equal(final.usage.completion_tokens, whole.usage.completion_tokens);
});

test('an answer that is aborted', async () => {
  const stream = await client.chat.completions.create(
    { ...greedy, max_tokens: 1000, stream: true, temperature: 1 });
  for await (const part of stream) {
    assert.equal(part.object, 'chat.completion.chunk');
    stream.controller.abort();
  }
  assert.ok(stream.controller.signal.aborted);
});

test('completions', async () => {
  const request = { model, prompt: 'Once upon', temperature: 0, max_tokens: 8 };
  const whole = await client.completions.create(request);
  const parts = await all(client.completions.create({ ...request, stream: true }));
  assert.equal(parts.map((part) => part.choices[0]?.text ?? '').join(''), whole.choices[0].text);
});

test('tools, whole and streamed', async () => {
  const request = { ...sum, tools: [tool], tool_choice: 'required', parallel_tool_calls: false };
  const whole = await client.chat.completions.create(request);
  assert.equal(whole.choices[0].finish_reason, 'tool_calls');
  const [call] = whole.choices[0].message.tool_calls;
  assert.deepEqual(Object.keys(JSON.parse(call.function.arguments)).sort(), ['a', 'b']);
  const streamed = await client.chat.completions.stream(request).finalChatCompletion();
  assert.equal(streamed.choices[0].message.tool_calls[0].function.arguments,
    call.function.arguments);
  const last = await client.chat.completions.create({ ...sum, tools: [tool], max_tokens: 8,
    messages: [...sum.messages, whole.choices[0].message,
      { role: 'tool', tool_call_id: call.id, content: '3' }] });
  assert.ok(last.usage.prompt_tokens > whole.usage.prompt_tokens);
});

test('a schema', async () => {
  const answer = await client.chat.completions.parse({ ...sum,
    response_format: { type: 'json_schema', json_schema: { name: 'c', strict: true, schema } } });
  assert.ok(['red', 'green'].includes(JSON.parse(answer.choices[0].message.content).colour));
});

test('responses, whole and streamed', async () => {
  const request = { model, input: 'Say hello.', temperature: 0, max_output_tokens: 12 };
  const whole = await client.responses.create(request);
  assert.ok(whole.output_text);
  const final = await client.responses.stream(request).finalResponse();
  assert.equal(final.output_text, whole.output_text);
  const formed = await client.responses.create({ model: able, input: 'A colour?', temperature: 0,
    reasoning: { effort: 'none' },
    text: { format: { type: 'json_schema', name: 'c', strict: true, schema } } });
  assert.ok(['red', 'green'].includes(JSON.parse(formed.output_text).colour));
});

test('errors', async () => {
  for (const stream of [false, true]) {
    await assert.rejects(client.chat.completions.create({ ...greedy, model: 'none', stream }),
      (error) => error instanceof OpenAI.NotFoundError && error.type === 'not_found_error' &&
        error.message.includes("model 'none' not found"));
    await assert.rejects(client.chat.completions.create({ ...greedy, messages: [], stream }),
      (error) => error instanceof OpenAI.BadRequestError &&
        error.type === 'invalid_request_error');
  }
});

// The official JavaScript SDK on /v1/responses: OPENAI_BASE_URL and OPENAI_API_KEY say where.
import assert from 'node:assert/strict';
// region: import
import OpenAI from 'openai';
// endregion
import { zodTextFormat } from 'openai/helpers/zod';
import { z } from 'zod';

const COUNTED = Array.from({ length: 40 }, (_, i) => `w${i}`).join(' ');

async function answer() {
  // region: answer
  const client = new OpenAI();
  const response = await client.responses.create({ model: 'scripted', input: 'Good morning!' });
  console.log(response.output_text);
  // endregion
  assert.equal(response.output_text, 'Scripted answer to: Good morning!');
  assert.ok(response.usage.total_tokens > 0);
}

async function stream() {
  const client = new OpenAI();
  // region: stream
  const stream = client.responses
    .stream({ model: 'scripted', input: 'chunks=6 rate=100' })
    .on('response.output_text.delta', (event) => process.stdout.write(event.delta));
  const final = await stream.finalResponse();
  // endregion
  process.stdout.write('\n');
  assert.equal(final.output_text, 'w0 w1 w2 w3 w4 w5');
}

async function parse() {
  const client = new OpenAI();
  // region: parse
  const City = z.object({ name: z.string(), inhabitants: z.number() });
  const response = await client.responses.parse({
    model: 'scripted',
    input: 'A city?',
    text: { format: zodTextFormat(City, 'city') },
  });
  const city = response.output_parsed;
  // endregion
  assert.equal(typeof city.name, 'string');
  assert.equal(typeof city.inhabitants, 'number');
}

async function tools() {
  const client = new OpenAI();
  // region: tools
  const tools = [
    {
      type: 'function',
      name: 'weather',
      parameters: {
        type: 'object',
        properties: { city: { type: 'string' } },
        required: ['city'],
        additionalProperties: false,
      },
      strict: true,
    },
  ];
  let response = await client.responses.create({ model: 'scripted', input: 'How is the weather in Oslo?', tools });
  let calls = response.output.filter((item) => item.type === 'function_call');
  while (calls.length) {
    const input = calls.map(({ call_id, name }) => ({
      type: 'function_call_output',
      call_id,
      output: `${name}: sunny`,
    }));
    const previous_response_id = response.id;
    response = await client.responses.create({
      model: 'scripted',
      input,
      tools,
      previous_response_id,
    });
    calls = response.output.filter((item) => item.type === 'function_call');
  }
  console.log(response.output_text);
  // endregion
  assert.equal(response.output_text, 'The tool answered: weather: sunny');
}

async function resume() {
  const client = new OpenAI();
  // region: resume
  let text = '';
  let last;
  let id;
  const model = 'scripted-40x100';
  const stream = await client.responses.create({
    model,
    input: 'Count.',
    background: true,
    stream: true,
  });
  for await (const event of stream) {
    last = event.sequence_number;
    if (event.type === 'response.created') id = event.response.id;
    if (event.type === 'response.output_text.delta') {
      text += event.delta;
      break; // the network is gone, say
    }
  }

  const rest = await client.responses.retrieve(id, { stream: true, starting_after: last });
  for await (const event of rest) {
    if (event.type === 'response.output_text.delta') text += event.delta;
  }
  // endregion
  assert.equal(text, COUNTED);
}

async function resumeByHelper() {
  const client = new OpenAI();
  const started = await client.responses.create({
    model: 'scripted-40x100',
    input: 'Count.',
    background: true,
  });
  const whole = client.responses.stream({ response_id: started.id });
  const final = await whole.finalResponse();
  assert.equal(final.output_text, COUNTED);
}

async function conversations() {
  const client = new OpenAI();
  const conversation = await client.conversations.create({ metadata: { topic: 'demo' } });
  for (const input of ['echo: one', 'echo: two']) {
    await client.responses.create({ model: 'scripted', input, conversation: conversation.id });
  }
  const told = [];
  const items = client.conversations.items.list(conversation.id, { order: 'asc', limit: 2 });
  for await (const item of items) told.push([item.role, item.content[0].text]);
  assert.deepEqual(told, [
    ['user', 'echo: one'],
    ['assistant', 'one'],
    ['user', 'echo: two'],
    ['assistant', 'two'],
  ]);
}

for (const part of [answer, stream, parse, tools, resume, resumeByHelper, conversations]) {
  console.log(`── ${part.name}`);
  await part();
}

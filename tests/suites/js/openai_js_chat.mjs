// The official JavaScript SDK on chat completions, embeddings, models and files.
import assert from 'node:assert/strict';
import OpenAI, { toFile } from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { z } from 'zod';

const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==',
  'base64',
);

async function chat() {
  const client = new OpenAI();
  const messages = [{ role: 'user', content: 'Good morning!' }];
  const completion = await client.chat.completions.create({ model: 'scripted', messages });
  assert.equal(completion.choices[0].message.content, 'Scripted answer to: Good morning!');
  assert.ok(completion.usage.completion_tokens > 0);
}

async function stream() {
  const client = new OpenAI();
  // region: stream
  const stream = client.chat.completions
    .stream({ model: 'scripted', messages: [{ role: 'user', content: 'chunks=6 rate=100' }] })
    .on('content', (delta) => process.stdout.write(delta));
  const text = await stream.finalContent();
  // endregion
  process.stdout.write('\n');
  assert.equal(text, 'w0 w1 w2 w3 w4 w5');
}

async function runTools() {
  const client = new OpenAI();
  const asked = [];
  // region: tools
  const weather = {
    type: 'function',
    function: {
      name: 'weather',
      parse: JSON.parse,
      parameters: {
        type: 'object',
        properties: { city: { type: 'string' } },
        required: ['city'],
        additionalProperties: false,
      },
      function: ({ city }) => {
        asked.push(city);
        return 'sunny';
      },
    },
  };
  const runner = client.chat.completions.runTools({
    model: 'scripted',
    messages: [{ role: 'user', content: 'How is the weather in Oslo?' }],
    tools: [weather],
    stream: true,
  });
  console.log(await runner.finalContent());
  // endregion
  assert.equal(await runner.finalContent(), 'The tool answered: sunny');
  assert.deepEqual(asked, ['Oslo']);
}

async function parse() {
  const client = new OpenAI();
  const City = z.object({ name: z.string(), inhabitants: z.number() });
  const completion = await client.chat.completions.parse({
    model: 'scripted',
    messages: [{ role: 'user', content: 'A city?' }],
    response_format: zodResponseFormat(City, 'city'),
  });
  assert.equal(typeof completion.choices[0].message.parsed.name, 'string');
}

async function embeddings() {
  const client = new OpenAI();
  const { data, usage } = await client.embeddings.create({ model: 'scripted', input: ['a', 'b'] });
  assert.equal(data.length, 2);
  assert.ok(data[0].embedding.every(Number.isFinite));
  assert.ok(usage.prompt_tokens > 0);
}

async function models() {
  const client = new OpenAI();
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);
  assert.ok(ids.includes('scripted'));
}

async function files() {
  const client = new OpenAI();
  const file = await client.files.create({
    file: await toFile(PNG, 'dot.png', { type: 'image/png' }),
    purpose: 'vision',
  });
  const content = [
    { type: 'input_text', text: 'echo: I see it' },
    { type: 'input_image', file_id: file.id, detail: 'auto' },
  ];
  const response = await client.responses.create({
    model: 'scripted',
    input: [{ role: 'user', content }],
  });
  assert.ok(response.output_text.startsWith('I see it'), response.output_text);
  const bytes = Buffer.from(await (await client.files.content(file.id)).arrayBuffer());
  assert.ok(bytes.equals(PNG));
  assert.equal((await client.files.delete(file.id)).deleted, true);
}

for (const part of [chat, stream, runTools, parse, embeddings, models, files]) {
  console.log(`── ${part.name}`);
  await part();
}

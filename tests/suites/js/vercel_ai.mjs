// The Vercel AI SDK's OpenAI provider; the argument says over which API: responses or chat.
import assert from 'node:assert/strict';
// region: import
import { createOpenAI } from '@ai-sdk/openai';
import { embed, generateText, Output, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';
// endregion

const mode = process.argv[2];

// region: provider
// OPENAI_BASE_URL and OPENAI_API_KEY say where.
const openai = createOpenAI();
const responses = openai('scripted');
const chat = openai.chat('scripted');
// endregion
const model = mode === 'chat' ? chat : responses;

async function answer() {
  // region: answer
  const { text, usage } = await generateText({ model, prompt: 'Good morning!' });
  console.log(text, usage.totalTokens);
  // endregion
  assert.equal(text, 'Scripted answer to: Good morning!');
  assert.ok(usage.totalTokens > 0);
}

async function stream() {
  // region: stream
  const { textStream } = streamText({ model, prompt: 'chunks=6 rate=100' });
  let text = '';
  for await (const delta of textStream) text += delta;
  // endregion
  assert.equal(text, 'w0 w1 w2 w3 w4 w5');
}

const asked = [];

async function tools() {
  // region: tools
  const weather = tool({
    description: 'The weather in a city.',
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => {
      asked.push(city);
      return `sunny`;
    },
  });
  const { text, steps } = await generateText({
    model,
    prompt: 'How is the weather in Oslo?',
    tools: { weather },
    stopWhen: stepCountIs(3),
  });
  // endregion
  assert.equal(steps.length, 2);
  assert.deepEqual(asked, ['Oslo']);
  assert.match(text, /^The tool answered: .*sunny/);
  const streamed = streamText({
    model,
    prompt: 'How is the weather in Oslo?',
    tools: { weather },
    stopWhen: stepCountIs(3),
  });
  assert.match(await streamed.text, /sunny/);
  assert.equal(asked.length, 2);
}

async function dialogue() {
  const first = await generateText({ model, prompt: 'echo: one' });
  const messages = [
    { role: 'user', content: 'echo: one' },
    ...first.responseMessages,
    { role: 'user', content: 'echo: two' },
  ];
  const { text } = await generateText({ model, messages });
  assert.equal(text, 'two');
}

async function object() {
  // region: object
  const { output } = await generateText({
    model,
    prompt: 'A city?',
    output: Output.object({ schema: z.object({ name: z.string(), inhabitants: z.number() }) }),
  });
  // endregion
  assert.equal(typeof output.name, 'string');
  assert.equal(typeof output.inhabitants, 'number');
}

async function embedding() {
  const { embedding } = await embed({ model: openai.embedding('scripted'), value: 'a cat' });
  assert.ok(embedding.every(Number.isFinite));
}

for (const part of [answer, stream, tools, dialogue, object, embedding]) {
  console.log(`── ${part.name}`);
  await part();
}

// Asks one question of a gateway with Vercel's AI SDK; reads what to ask as JSON lines, writes what it was told.
import { createInterface } from 'node:readline';
import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import { generateObject, generateText, jsonSchema, streamObject, streamText, tool } from 'ai';

globalThis.AI_SDK_LOG_WARNINGS = false;

function modelOf({ url, api }) {
  const settings = { baseURL: `${url}/v1`, apiKey: 'none' };
  if (api === 'messages') return createAnthropic(settings)('m');
  const openai = createOpenAI(settings);
  return api === 'chat' ? openai.chat('m') : openai.responses('m');
}

async function fill(more, stream) {
  if (!stream) {
    const done = await generateObject(more);
    return { text: JSON.stringify(done.object), calls: [], reason: done.finishReason };
  }
  const done = streamObject(more);
  for await (const part of done.partialObjectStream) void part;
  return { text: JSON.stringify(await done.object), calls: [], reason: 'stop' };
}

async function ask(job) {
  const more = { model: modelOf(job), prompt: job.prompt, maxRetries: 0 };
  if (job.form) return fill({ ...more, schema: jsonSchema(job.form) }, job.stream);
  if (job.schema) more.tools = { weather: tool({ inputSchema: jsonSchema(job.schema) }), f: tool({ inputSchema: jsonSchema(job.schema) }) };
  if (!job.stream) {
    const done = await generateText(more);
    return { text: done.text, calls: done.toolCalls.map((call) => call.input), reason: done.finishReason };
  }
  let text = '', reason = '', failure = null;
  const calls = [];
  for await (const part of streamText({ ...more, onError: () => {} }).fullStream) {
    if (part.type === 'text-delta') text += part.text;
    if (part.type === 'tool-call') calls.push(part.input);
    if (part.type === 'finish') reason = part.finishReason;
    if (part.type === 'error') failure = part.error;
  }
  if (failure) throw failure;
  return { text, calls, reason };
}

for await (const line of createInterface({ input: process.stdin })) {
  let told;
  try {
    told = await ask(JSON.parse(line));
  } catch (error) {
    told = { status: error.statusCode ?? 0, error: String(error) };
  }
  console.log(JSON.stringify(told));
}

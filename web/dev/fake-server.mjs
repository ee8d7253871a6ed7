// A stand-in for the server, to look at the client without one: `node dev/fake-server.mjs [port]`, after `npm run build`.
// Everything lives in memory. What a message says decides what happens: see `script` below.
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { WebSocketServer } from "ws";
import { SAMPLE, TITLES } from "./samples.mjs";

const PORT = Number(process.argv[2] ?? 8484);
const AUTH = process.argv.includes("--auth");
const ROOT = fileURLToPath(new URL("../../src/tertulia/web/", import.meta.url));
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; base-uri 'none'";
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };

let serial = 0;
const id = (kind) => `${kind}_${(++serial).toString(16).padStart(8, "0")}`;
const now = () => Math.floor(Date.now() / 1000);
const me = { id: "user_1", email: AUTH ? "ana@example.org" : "local", role: "admin", instructions: null, default_model: null };
const conversations = new Map();
const responses = new Map();
const keys = [];
const done = new Map();
const sockets = new Set();
let offset = 0;

const model = (name, status, progress = null, detail = null) => ({
  id: name, object: "model", created: 0, owned_by: "local", name, default: name === "smollm2", capable: false, context_window: 8192,
  capabilities: {}, state: { status, progress, detail },
});
const models = [
  model("smollm2", "ready"), model("large", "downloading", 0.43),
  model("absent", "absent", null, "Not downloaded: tertulia models pull absent"), model("broken", "failed", null, "out of memory"),
];

TITLES.forEach(([title, days]) => {
  const at = now() - days * 86_400;
  const one = { id: id("conv"), object: "conversation", created_at: at, updated_at: at, title, metadata: {}, head: null };
  conversations.set(one.id, one);
});

function feed(event) {
  offset += 1;
  for (const socket of sockets) socket.send(JSON.stringify({ type: "feed", offset, event }));
}

const resource = (r) => ({
  id: r.id, object: "response", created_at: r.created_at, status: r.status, model: r.model, previous_response_id: r.parent,
  output: r.output, error: r.error, incomplete_details: r.reason ? { reason: r.reason } : null, usage: null,
  conversation: { id: r.conversation },
});

function emit(r, type, more = {}) {
  const event = { type, sequence_number: r.log.length, ...more };
  r.log.push(event);
  for (const socket of sockets) if (socket.following.has(r.id)) socket.send(JSON.stringify({ type: "event", response_id: r.id, event }));
}

function create(body) {
  const conversation = conversations.get(body.conversation);
  const original = responses.get(body.regenerate_of);
  const parent = original ? original.parent : body.previous_response_id === undefined ? conversation.head : body.previous_response_id;
  const r = {
    id: id("resp"), created_at: now(), status: "queued", model: body.model, parent, output: [], error: null, reason: null,
    conversation: conversation.id, input: original ? original.input : body.input, regenerate_of: body.regenerate_of ?? null, log: [],
  };
  responses.set(r.id, r);
  conversation.head = r.id;
  conversation.updated_at = now();
  emit(r, "response.created", { response: resource(r) });
  emit(r, "response.queued", { response: resource(r) });
  feed({ type: "response.started", response_id: r.id, conversation_id: conversation.id, previous_response_id: parent });
  setTimeout(() => run(r, conversation), 50);
  return r;
}

function script(words) {
  const [, count, rate] = /(\d+)x(\d+)/.exec(words) ?? [];
  if (count) return { text: Array.from({ length: Number(count) }, (_, n) => `w${n}`).join(" "), pause: 1000 / Number(rate) };
  if (/wait/.test(words)) return { text: "", pause: 1e9 };
  if (/fail/.test(words)) return { text: "Half of an ans", end: "failed" };
  if (/limit/.test(words)) return { text: "A long story that does not", end: "incomplete", reason: "max_output_tokens" };
  if (/cut/.test(words)) return { text: "A story, cut", end: "incomplete", reason: "interrupted" };
  return { text: SAMPLE };
}

async function run(r, conversation) {
  const words = r.input[0]?.content?.[0]?.text ?? "";
  const plan = r.input.length === 0 ? { text: " go on, and it went on." } : script(words);
  r.status = "in_progress";
  emit(r, "response.in_progress", { response: resource(r) });
  if (plan.pause > 1e6) return;
  const item = { type: "message", id: id("msg"), status: "in_progress", role: "assistant", content: [] };
  const at = { item_id: item.id, output_index: 0, content_index: 0 };
  emit(r, "response.output_item.added", { output_index: 0, item });
  emit(r, "response.content_part.added", { ...at, part: { type: "output_text", text: "", annotations: [] } });
  let text = "";
  for (const delta of plan.text.match(/\s*\S+/g) ?? []) {
    await new Promise((resolve) => setTimeout(resolve, plan.pause ?? 12));
    if (r.status === "cancelled") break;
    text += delta;
    emit(r, "response.output_text.delta", { ...at, delta });
  }
  if (r.status !== "cancelled") r.status = plan.end ?? "completed";
  r.reason = plan.reason ?? null;
  r.error = plan.end === "failed" ? { code: "model_error", message: "The model’s server closed the connection." } : null;
  const part = { type: "output_text", text, annotations: [] };
  r.output = [{ ...item, status: r.status === "completed" ? "completed" : "incomplete", content: [part] }];
  finish(r, conversation, words);
}

function finish(r, conversation, words) {
  emit(r, r.status === "cancelled" ? "response.incomplete" : `response.${r.status}`, { response: resource(r) });
  feed({ type: "response.ended", response_id: r.id, conversation_id: conversation.id, status: r.status });
  conversation.title ??= words.slice(0, 40);
  feed({ type: "conversation.updated", conversation });
}

function once(key, make) {
  if (!done.has(key)) done.set(key, make());
  return done.get(key);
}

const session = () => ({ access_token: "token", token_type: "Bearer", expires_in: 900, user: me });
let signedIn = !AUTH;

const routes = [
  ["GET", /^\/auth\/config$/, () => ({ auth: AUTH, registration: "open", version: "dev" })],
  ["POST", /^\/auth\/(login|register)$/, (_, body) => {
    if (body.password !== "correct horse") return [401, { error: { message: "Email or password is wrong.", code: "invalid_credentials" } }];
    signedIn = true;
    return session();
  }],
  ["POST", /^\/auth\/refresh$/, () => (signedIn ? session() : [401, { error: { message: "No session.", code: "invalid_session" } }])],
  ["POST", /^\/auth\/logout$/, () => { signedIn = false; }],
  ["POST", /^\/auth\/password$/, () => undefined],
  ["GET", /^\/v1\/me$/, () => me],
  ["PATCH", /^\/v1\/me$/, (_, body) => Object.assign(me, body)],
  ["GET", /^\/v1\/models$/, () => ({ data: models })],
  ["GET", /^\/v1\/keys$/, () => ({ data: keys })],
  ["POST", /^\/v1\/keys$/, (_, { name }) => {
    const key = { id: id("key"), name, prefix: "sk-4f2a", created_at: now(), last_used_at: null };
    keys.push(key);
    return { ...key, key: "sk-4f2a8b1d6c3e5f7a9b0c2d4e6f8a1b3c5d7e9f0a" };
  }],
  ["DELETE", /^\/v1\/keys\/(.+)$/, ([one]) => { keys.splice(keys.findIndex((key) => key.id === one), 1); }],
  ["GET", /^\/v1\/conversations$/, (_, __, query) => {
    const wanted = query.get("search")?.toLowerCase();
    const data = [...conversations.values()].filter((one) => !one.deleted && (!wanted || one.title?.toLowerCase().includes(wanted)));
    return { data: data.toSorted((a, b) => b.updated_at - a.updated_at), has_more: false, last_id: null };
  }],
  ["POST", /^\/v1\/conversations$/, (_, __, ___, key) => once(key, () => {
    const one = { id: id("conv"), object: "conversation", created_at: now(), updated_at: now(), title: null, metadata: {}, head: null };
    conversations.set(one.id, one);
    feed({ type: "conversation.created", conversation: one });
    return one;
  })],
  ["GET", /^\/v1\/conversations\/([^/]+)\/tree$/, ([one]) => {
    const conversation = conversations.get(one);
    if (!conversation) return [404, { error: { message: "No such conversation." } }];
    const nodes = [...responses.values()].filter((r) => r.conversation === one);
    return {
      conversation,
      responses: nodes.map((r) => ({
        ...resource(r), input: r.input, regenerate_of: r.regenerate_of,
        last_sequence_number: r.output.length > 0 || r.status === "cancelled" ? r.log.length - 1 : null,
      })),
    };
  }],
  ["POST", /^\/v1\/conversations\/([^/]+)\/head$/, ([one], { response_id }) => {
    conversations.get(one).head = response_id;
    feed({ type: "head.changed", conversation_id: one, head: response_id });
    return conversations.get(one);
  }],
  ["POST", /^\/v1\/conversations\/([^/]+)\/restore$/, ([one]) => restore(one, false)],
  ["DELETE", /^\/v1\/conversations\/([^/]+)$/, ([one]) => restore(one, true)],
  ["POST", /^\/v1\/conversations\/([^/]+)$/, ([one], body) => {
    feed({ type: "conversation.updated", conversation: Object.assign(conversations.get(one), body) });
    return conversations.get(one);
  }],
  ["POST", /^\/v1\/responses$/, (_, body, __, key) => resource(once(`response ${key}`, () => create(body)))],
  ["POST", /^\/v1\/responses\/([^/]+)\/cancel$/, ([one]) => {
    const r = responses.get(one);
    const waiting = r.log.length < 4;
    r.status = "cancelled";
    if (waiting) finish(r, conversations.get(r.conversation), "Stopped");
    return resource(r);
  }],
];

function restore(one, deleted) {
  const conversation = Object.assign(conversations.get(one), { deleted });
  feed(deleted ? { type: "conversation.deleted", conversation_id: one } : { type: "conversation.restored", conversation });
  return conversation;
}

async function page(path) {
  try {
    return [await readFile(join(ROOT, path)), TYPES[extname(path)]];
  } catch {
    return [await readFile(join(ROOT, "index.html")), "text/html"];
  }
}

const server = createServer(async (request, response) => {
  const url = new URL(request.url, "http://localhost");
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  for (const [method, pattern, handle] of routes) {
    const match = request.method === method && pattern.exec(url.pathname);
    if (!match) continue;
    const body = chunks.length > 0 ? JSON.parse(Buffer.concat(chunks).toString()) : {};
    const result = handle(match.slice(1), body, url.searchParams, request.headers["idempotency-key"]);
    const [status, answer] = Array.isArray(result) ? result : [result === undefined ? 204 : 200, result];
    response.writeHead(status, { "Content-Type": "application/json" }).end(answer === undefined ? "" : JSON.stringify(answer));
    return;
  }
  const [bytes, type] = await page(url.pathname.slice(1));
  response.writeHead(200, { "Content-Type": type, "Content-Security-Policy": CSP }).end(bytes);
});

new WebSocketServer({ server, path: "/v1/feed" }).on("connection", (socket) => {
  socket.following = new Set();
  socket.on("close", () => sockets.delete(socket));
  const tell = (message) => socket.send(JSON.stringify(message));
  const follow = (one, after = -1) => {
    for (const event of responses.get(one).log.slice(after + 1)) tell({ type: "event", response_id: one, event });
    socket.following.add(one);
  };
  socket.on("message", (bytes) => {
    const message = JSON.parse(bytes);
    if (message.type === "auth" && !sockets.has(socket)) {
      sockets.add(socket);
      tell({ type: "hello", connection_id: id("conn"), feed: { epoch: String(process.pid), offset }, limits: { max_frame: 65_536 } });
    } else if (message.type === "subscribe") {
      follow(message.response_id, message.starting_after);
    } else if (message.type === "typing") {
      for (const other of sockets) if (other !== socket) other.send(JSON.stringify(message));
    } else if (message.type === "response.create") {
      const words = message.input?.[0]?.content?.[0]?.text ?? "";
      const error = { message: "Too many messages at once. Try again in a minute.", code: "rate_limit_exceeded", type: "rate_limit_error" };
      if (/refuse/.test(words)) return tell({ type: "error", request_id: message.request_id, error });
      const r = once(`response ${message.request_id}`, () => create(message));
      tell({ type: "ack", request_id: message.request_id, response_id: r.id, conversation_id: r.conversation });
      follow(r.id);
    }
  });
});

server.listen(PORT, "127.0.0.1", () => console.log(`http://127.0.0.1:${PORT}`));

// @vitest-environment jsdom
/** The whole client without its face, against a server that is a list of answers and a fake socket. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { App } from "../src/app/app";
import { outputText } from "../src/state/content";
import type { Frame } from "../src/state/types";
import { FakeSocket } from "./fake-socket";
import { conversation, node } from "./make";

const me = { id: "user_1", email: "local", role: "admin", instructions: "Be brief.", default_model: null };
const embedding = { id: "e", name: "E", owned_by: "x", type: "embedding", default: false, state: { status: "ready", progress: null, detail: null } };
const model = { id: "m", name: "M", owned_by: "x", default: true, state: { status: "ready", progress: null, detail: null } };

let answers: Record<string, unknown>;
let calls: string[];
let app: App;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  localStorage.clear();
  history.replaceState(null, "", "/");
  FakeSocket.all = [];
  calls = [];
  answers = {
    "GET /auth/config": { auth: false, registration: "closed", version: "1" },
    "GET /v1/me": me,
    "GET /v1/models": { data: [embedding, model] },
    "GET /v1/conversations?limit=50": { data: [conversation("conv_1", "resp_1")], has_more: false, last_id: "conv_1" },
    "GET /v1/conversations/conv_1/tree": { conversation: conversation("conv_1", "resp_1"), responses: [node("resp_1", null, "hi")] },
    "POST /v1/conversations": conversation("conv_2"),
  };
  vi.stubGlobal("WebSocket", FakeSocket);
  vi.stubGlobal("requestAnimationFrame", (paint: () => void) => setTimeout(paint, 16));
  vi.stubGlobal("fetch", async (path: string, init: RequestInit) => {
    calls.push(`${init.method} ${path}`);
    const answer = answers[`${init.method} ${path}`];
    const missing = { error: { message: `nothing at ${path}`, code: "not_found" } };
    return new Response(JSON.stringify(answer ?? missing), { status: answer === undefined ? 404 : 200 });
  });
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const settle = (ms = 50) => vi.advanceTimersByTimeAsync(ms);
const state = () => app.store.get();

async function open(path = "/"): Promise<FakeSocket> {
  history.replaceState(null, "", path);
  app = new App();
  void app.start();
  await settle();
  FakeSocket.last.greet();
  await settle();
  return FakeSocket.last;
}

function stream(server: FakeSocket, responseId: string, words: string[], from = 0): void {
  const item = { type: "message", id: "msg_1", role: "assistant", content: [] };
  const frames: Frame[] = [
    { type: "response.created", sequence_number: 0, response: { status: "queued" } },
    { type: "response.output_item.added", sequence_number: 1, output_index: 0, item },
    ...words.map((delta, n) => ({ type: "response.output_text.delta", sequence_number: 2 + n, output_index: 0, content_index: 0, delta })),
    { type: "response.completed", sequence_number: 2 + words.length, response: { status: "completed", output: [] } },
  ];
  for (const event of frames.slice(from)) server.tell({ type: "event", response_id: responseId, event });
}

const text = (id: string): string => outputText(state().responses[id]?.items ?? []);

test("without sign-in it goes straight in, and reads everything after the feed's hello", async () => {
  app = new App();
  void app.start();
  await settle();
  expect(state().phase).toBe("signed-in");
  expect(calls).not.toContain("GET /v1/conversations?limit=50");
  FakeSocket.last.greet();
  await settle();
  expect(Object.keys(state().conversations)).toEqual(["conv_1"]);
});

test("what only embeds cannot be picked to talk to, nor kept as a user's choice", async () => {
  answers["GET /v1/me"] = { ...me, default_model: "e2" };
  answers["GET /v1/models/e2"] = { ...embedding, id: "e2" };
  await open();
  expect(state().models.map(({ id }) => id)).toEqual(["m"]);
});

test("a deleted account leaves nothing behind, and one that is not deleted stays", async () => {
  answers["GET /auth/config"] = { auth: true, registration: "open", version: "1" };
  answers["POST /auth/refresh"] = { access_token: "t", expires_in: 900, user: me };
  await open();
  app.storage.saveDraft("conv_1", "half a thought");
  await expect(app.deleteAccount("wrong")).rejects.toThrow("nothing at /v1/me");
  expect(state().phase).toBe("signed-in");
  expect(calls).not.toContain("POST /auth/logout");
  answers["DELETE /v1/me"] = {};
  answers["POST /auth/logout"] = {};
  await app.deleteAccount("right");
  expect(state()).toMatchObject({ phase: "signed-out", me: null, conversations: {} });
  expect(state().toasts.at(-1)?.text).toBe("Your account is deleted.");
  expect(JSON.stringify({ ...localStorage })).not.toContain("half a thought");
});

test("a socket that never opens does not keep the conversations away", async () => {
  app = new App();
  void app.start();
  await settle(1_000);
  expect(Object.keys(state().conversations)).toEqual(["conv_1"]);
});

test("a first message makes a conversation, takes the page there, and is answered", async () => {
  const server = await open();
  app.chat.say("hello");
  await settle();
  expect(location.pathname).toBe("/c/conv_2");
  const create = server.sent.at(-1);
  expect(create).toMatchObject({ type: "response.create", conversation: "conv_2", model: "m", instructions: "Be brief.", previous_response_id: null });
  server.tell({ type: "ack", request_id: String(create?.["request_id"]), response_id: "resp_2", conversation_id: "conv_2" });
  stream(server, "resp_2", ["w0 ", "w1"]);
  await settle();
  expect(text("resp_2")).toBe("w0 w1");
  expect(state().responses["resp_2"]?.status).toBe("completed");
  expect(calls).not.toContain("GET /v1/conversations/conv_2/tree");
});

test("a lost connection resumes the answer after its last number and repeats what was not acknowledged", async () => {
  const running = node("resp_1", null, "hi", { status: "in_progress", output: [], last_sequence_number: null });
  answers["GET /v1/conversations/conv_1/tree"] = { conversation: conversation("conv_1", "resp_1"), responses: [running] };
  const server = await open("/c/conv_1");
  expect(server.sent.at(-1)).toEqual({ type: "subscribe", response_id: "resp_1" });
  stream(server, "resp_1", ["w0 ", "w1 "].concat("w2"));
  app.chat.say("more");
  await settle();
  const request = server.sent.at(-1);
  server.hangUp(1006);
  await settle(1_000);
  const next = FakeSocket.last;
  expect(next).not.toBe(server);
  next.greet();
  await settle();
  expect(next.sent).toContainEqual(request);
  expect(next.sent.filter(({ type }) => type === "subscribe")).toEqual([]);
  expect(text("resp_1")).toBe("w0 w1 w2");
});

test("what another tab does is followed", async () => {
  const server = await open("/c/conv_1");
  const begun = node("resp_2", "resp_1", "from elsewhere", { status: "queued", output: [], last_sequence_number: null });
  answers["GET /v1/conversations/conv_1/tree"] = { conversation: conversation("conv_1", "resp_2"), responses: [node("resp_1", null, "hi"), begun] };
  server.tell({ type: "feed", offset: 1, event: { type: "response.started", response_id: "resp_2", conversation_id: "conv_1", previous_response_id: "resp_1" } });
  await settle(300);
  expect(server.sent.at(-1)).toEqual({ type: "subscribe", response_id: "resp_2" });
  server.tell({ type: "feed", offset: 2, event: { type: "conversation.deleted", conversation_id: "conv_1" } });
  expect(location.pathname).toBe("/");
});

test("a response that is gone is asked for once, not for ever", async () => {
  const running = node("resp_1", null, "hi", { status: "queued", output: [], last_sequence_number: null });
  answers["GET /v1/conversations/conv_1/tree"] = { conversation: conversation("conv_1", "resp_1"), responses: [running] };
  const server = await open("/c/conv_1");
  for (let n = 0; n < 3; n++) {
    server.tell({ type: "error", response_id: "resp_1", error: { message: "gone", code: "not_found" } });
    await settle();
  }
  expect(server.sent.filter(({ type }) => type === "subscribe")).toHaveLength(1);
});

test("the feed goes on where it was, unless the server's history is another", async () => {
  const server = await open();
  server.tell({ type: "feed", offset: 5, event: { type: "conversation.created", conversation: conversation("conv_3") } });
  server.hangUp(1012);
  await settle(1_000);
  FakeSocket.last.accept();
  expect(FakeSocket.last.sent[0]).toMatchObject({ type: "auth", feed: { epoch: "e1", offset: 5 } });
  calls = [];
  FakeSocket.last.greet({ epoch: "e1", offset: 6 });
  await settle();
  expect(calls).not.toContain("GET /v1/conversations?limit=50");
  FakeSocket.last.hangUp(1012);
  await settle(1_000);
  FakeSocket.last.greet({ epoch: "e2", offset: 0 });
  await settle();
  expect(calls).toContain("GET /v1/conversations?limit=50");
});

test("Stop before the acknowledgement stops the answer as soon as it has a name", async () => {
  const server = await open("/c/conv_1");
  app.chat.say("hello");
  await settle();
  app.chat.stop();
  server.tell({ type: "ack", request_id: String(server.sent.at(-1)?.["request_id"]), response_id: "resp_2", conversation_id: "conv_1" });
  await settle();
  expect(calls).toContain("POST /v1/responses/resp_2/cancel");
});

test("a reload in mid-send goes on in the conversation, with the same request", async () => {
  const server = await open();
  app.chat.say("hello");
  await settle();
  const request = server.sent.at(-1);
  answers["GET /v1/conversations/conv_2/tree"] = { conversation: conversation("conv_2"), responses: [] };
  const again = await open("/");
  expect(location.pathname).toBe("/c/conv_2");
  expect(again.sent).toContainEqual(request);
});

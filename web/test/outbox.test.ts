import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { BrowserStorage } from "../src/app/browser-storage";
import { Outbox } from "../src/app/outbox";
import { Store } from "../src/app/store";
import { ApiError, NetworkError } from "../src/net/http";
import type { Call, Http } from "../src/net/http";
import { initialState } from "../src/state/app";
import type { AppState } from "../src/state/app";
import { continueSend, messageSend } from "../src/state/send";
import { treeFrom } from "../src/state/tree";
import { conversation, node, said } from "./make";
import { MemoryStorage } from "./memory-storage";

const choice = { model: "m", instructions: null };
const say = (words: string, conversationId: string | null = "conv_1", id = "req_1") =>
  messageSend({ id, createdAt: Date.now(), conversationId }, null, said(words), choice);

let connected: boolean;
let wire: Record<string, unknown>[];
let call: ReturnType<typeof vi.fn<(path: string, call?: Call) => Promise<unknown>>>;
let store: Store<AppState>;
let outbox: Outbox;
const events = { conversationCreated: vi.fn(), acknowledged: vi.fn(), refused: vi.fn() };

function overTheWire(message: object): boolean {
  if (connected) wire.push(message as Record<string, unknown>);
  return connected;
}

function open(): Outbox {
  const storage = new BrowserStorage();
  storage.use("user_1");
  store = new Store<AppState>({ ...initialState, conversations: { conv_1: conversation("conv_1") }, trees: { conv_1: treeFrom([]) } });
  return new Outbox(store, { call } as unknown as Http, overTheWire, storage, events);
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("localStorage", new MemoryStorage());
  vi.resetAllMocks();
  connected = true;
  wire = [];
  call = vi.fn();
  outbox = open();
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const settle = () => vi.advanceTimersByTimeAsync(0);
const ids = () => wire.map((message) => message["request_id"]);

test("a message goes over the feed, and its acknowledgement puts it into the tree", async () => {
  outbox.submit(say("hello"));
  await settle();
  expect(wire).toEqual([expect.objectContaining({ type: "response.create", request_id: "req_1", conversation: "conv_1", previous_response_id: null })]);
  outbox.acknowledge("req_1", "resp_1");
  const state = store.get();
  expect(state.sends).toEqual([]);
  expect(state.trees["conv_1"]?.order).toEqual(["resp_1"]);
  expect(state.conversations["conv_1"]?.head).toBe("resp_1");
  expect(state.responses["resp_1"]).toMatchObject({ status: "queued", last: -1 });
});

test("a first message makes its conversation, with the same key however often it tries", async () => {
  call.mockRejectedValueOnce(new NetworkError("away")).mockResolvedValueOnce(conversation("conv_9"));
  outbox.submit(say("hello", null));
  await vi.advanceTimersByTimeAsync(2_000);
  expect(call.mock.calls.map(([, request]) => request?.idempotencyKey)).toEqual(["req_1", "req_1"]);
  expect(wire).toEqual([expect.objectContaining({ conversation: "conv_9" })]);
  expect(events.conversationCreated).toHaveBeenCalledTimes(1);
});

describe("until it is acknowledged", () => {
  test("every new connection gets it again, with the same id and body", async () => {
    outbox.submit(say("hello"));
    await settle();
    outbox.resume();
    await settle();
    expect(ids()).toEqual(["req_1", "req_1"]);
    expect(wire[0]).toEqual(wire[1]);
    outbox.acknowledge("req_1", "resp_1");
    outbox.acknowledge("req_1", "resp_1");
    outbox.resume();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(wire).toHaveLength(2);
    expect(events.acknowledged).toHaveBeenCalledTimes(1);
  });

  test("it waits for a connection", async () => {
    connected = false;
    outbox.submit(say("hello"));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(wire).toEqual([]);
    connected = true;
    outbox.resume();
    await settle();
    expect(ids()).toEqual(["req_1"]);
  });

  test("it survives a reload", async () => {
    connected = false;
    outbox.submit(say("hello"));
    await settle();
    connected = true;
    outbox = open();
    outbox.restore();
    await settle();
    expect(ids()).toEqual(["req_1"]);
  });

  test("a connection that swallows it is asked again", async () => {
    outbox.submit(say("hello"));
    await vi.advanceTimersByTimeAsync(15_000);
    expect(ids()).toEqual(["req_1", "req_1"]);
  });
});

test("a message older than the server's memory of keys is not sent unasked", () => {
  connected = false;
  outbox.submit({ ...say("hello"), createdAt: Date.now() - 24 * 3_600_000 });
  connected = true;
  outbox = open();
  outbox.restore();
  expect(store.get().sends[0]?.failed).not.toBeNull();
  expect(wire).toEqual([]);
});

describe("a refusal", () => {
  const error = { message: "Too many.", type: "rate_limit_error", code: "rate_limit_exceeded" };

  test("keeps the words, also across a reload, until they are sent anew or taken back", async () => {
    outbox.submit(say("hello"));
    await settle();
    outbox.error("req_1", error);
    expect(store.get().sends[0]).toMatchObject({ text: "hello", failed: error });
    outbox = open();
    outbox.restore();
    expect(store.get().sends[0]).toMatchObject({ text: "hello", failed: error });
    outbox.replace("req_1", say("hello", "conv_1", "req_2"));
    await settle();
    expect(ids()).toEqual(["req_1", "req_2"]);
    outbox.discard("req_2");
    expect(store.get().sends).toEqual([]);
  });

  test("of a continuation, which has no words, is only told", async () => {
    const stopped = treeFrom([node("resp_0", null, "x")]).nodes["resp_0"];
    if (stopped === undefined) throw new Error("no node");
    outbox.submit(continueSend({ id: "req_1", createdAt: Date.now(), conversationId: "conv_1" }, stopped, choice));
    await settle();
    outbox.error("req_1", error);
    expect(store.get().sends).toEqual([]);
    expect(events.refused).toHaveBeenCalledWith(error);
  });

  test("by a fault of the server's is not final at once, and repeats the very same request", async () => {
    const fault = { message: "Database is down.", type: "server_error", code: "unavailable" };
    outbox.submit(say("hello"));
    await settle();
    for (let n = 0; n < 6; n++) {
      outbox.error("req_1", fault);
      expect(store.get().sends[0]?.failed).toBeNull();
      await vi.advanceTimersByTimeAsync(11_000);
    }
    outbox.error("req_1", fault);
    expect(store.get().sends[0]?.failed).toEqual(fault);
    wire = [];
    outbox.repeat("req_1");
    await settle();
    expect(ids()).toEqual(["req_1"]);
  });
});

describe("a message too large for a frame", () => {
  const large = "ñ".repeat(40_000);

  test("goes by HTTP in the background, with the same key", async () => {
    call.mockResolvedValueOnce({ id: "resp_1" });
    outbox.submit(say(large));
    await settle();
    expect(wire).toEqual([]);
    expect(call).toHaveBeenCalledWith("/v1/responses", {
      method: "POST",
      idempotencyKey: "req_1",
      body: expect.objectContaining({ background: true, conversation: "conv_1" }) as object,
    });
    expect(events.acknowledged).toHaveBeenCalledWith(expect.objectContaining({ id: "req_1" }), "resp_1", true);
  });

  test("and is kept when it is too large for that too", async () => {
    call.mockRejectedValueOnce(new ApiError(413, { message: "Too large." }));
    outbox.submit(say(large));
    await settle();
    expect(store.get().sends[0]).toMatchObject({ text: large, failed: { message: "Too large." } });
  });
});

test("Stop before the acknowledgement is remembered until there is something to stop", async () => {
  outbox.submit(say("hello"));
  await settle();
  outbox.stop("req_1");
  outbox.acknowledge("req_1", "resp_1");
  expect(events.acknowledged).toHaveBeenCalledWith(expect.objectContaining({ stopped: true }), "resp_1", false);
});

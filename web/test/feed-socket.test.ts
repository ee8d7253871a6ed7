import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { FeedSocket } from "../src/net/feed-socket";
import { backoffMs, verdictOf } from "../src/net/reconnect";
import { FakeSocket } from "./fake-socket";

const owner = {
  token: vi.fn<() => Promise<string | null>>(),
  refresh: vi.fn<() => Promise<unknown>>(),
  position: vi.fn<() => { epoch: string; offset: number } | null>(),
  onMessage: vi.fn(),
  onPhase: vi.fn(),
};
let socket: FeedSocket;

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("WebSocket", FakeSocket);
  vi.stubGlobal("navigator", { onLine: true });
  FakeSocket.all = [];
  vi.resetAllMocks();
  owner.token.mockResolvedValue("t1");
  owner.refresh.mockResolvedValue("t2");
  owner.position.mockReturnValue(null);
  socket = new FeedSocket("ws://host/v1/feed", owner, () => 0.5);
});

afterEach(() => {
  socket.stop();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const settle = () => vi.advanceTimersByTimeAsync(0);

async function connected(): Promise<FakeSocket> {
  socket.start();
  await settle();
  FakeSocket.last.greet();
  return FakeSocket.last;
}

test("says who it is first, and where in the feed it was", async () => {
  owner.position.mockReturnValue({ epoch: "e1", offset: 7 });
  const server = await connected();
  expect(server.url).toBe("ws://host/v1/feed");
  expect(server.sent).toEqual([{ type: "auth", token: "t1", feed: { epoch: "e1", offset: 7 } }]);
  expect(owner.onPhase).toHaveBeenLastCalledWith("open", null);
});

test("sends only on a greeted connection", async () => {
  socket.start();
  await settle();
  expect(socket.send({ type: "typing" })).toBe(false);
  FakeSocket.last.greet();
  expect(socket.send({ type: "typing" })).toBe(true);
});

test("answers pings itself", async () => {
  const server = await connected();
  server.tell({ type: "ping" });
  expect(server.sent.at(-1)).toEqual({ type: "pong" });
  expect(owner.onMessage).toHaveBeenCalledTimes(1);
});

test("renews the token of a running connection", async () => {
  const server = await connected();
  socket.reauthenticate("t2");
  expect(server.sent.at(-1)).toEqual({ type: "auth", token: "t2" });
});

describe("a lost connection", () => {
  test("comes again with growing, jittered pauses, and resets after a hello", async () => {
    const server = await connected();
    server.hangUp(1006);
    const pauses = [250, 500, 1_000];
    for (const [n, pause] of pauses.entries()) {
      await vi.advanceTimersByTimeAsync(pause - 1);
      expect(FakeSocket.all).toHaveLength(n + 1);
      await vi.advanceTimersByTimeAsync(1);
      expect(FakeSocket.all).toHaveLength(n + 2);
      FakeSocket.last.hangUp(1006);
    }
    await vi.advanceTimersByTimeAsync(2_000);
    FakeSocket.last.greet();
    FakeSocket.last.hangUp(1012);
    await vi.advanceTimersByTimeAsync(250);
    expect(FakeSocket.all).toHaveLength(6);
  });

  test("is noticed by silence", async () => {
    const server = await connected();
    await vi.advanceTimersByTimeAsync(39_999);
    server.tell({ type: "ping" });
    await vi.advanceTimersByTimeAsync(39_999);
    expect(FakeSocket.all).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1 + 250);
    expect(server.closed).toBe(true);
    expect(FakeSocket.all).toHaveLength(2);
  });

  test("is tried at once when the page or the network wakes", async () => {
    const server = await connected();
    server.hangUp(1006);
    socket.wake();
    await settle();
    expect(FakeSocket.all).toHaveLength(2);
    FakeSocket.last.greet();
    socket.wake();
    await settle();
    expect(FakeSocket.all).toHaveLength(2);
  });

  test("is given time while the server or the token is out of reach", async () => {
    owner.token.mockRejectedValueOnce(new Error("away"));
    socket.start();
    await settle();
    expect(FakeSocket.all).toHaveLength(0);
    expect(owner.onPhase).toHaveBeenLastCalledWith("reconnecting", null);
    await vi.advanceTimersByTimeAsync(250);
    expect(FakeSocket.all).toHaveLength(1);
  });

  test("of which late words arrive is not listened to", async () => {
    const old = await connected();
    socket.renew();
    await settle();
    FakeSocket.last.greet();
    owner.onMessage.mockClear();
    old.tell({ type: "resync" });
    old.hangUp(1006);
    expect(owner.onMessage).not.toHaveBeenCalled();
    expect(FakeSocket.all).toHaveLength(2);
  });

  test("while the browser is offline is called so", async () => {
    const server = await connected();
    vi.stubGlobal("navigator", { onLine: false });
    server.hangUp(1006);
    expect(owner.onPhase).toHaveBeenLastCalledWith("offline", null);
  });
});

describe("close codes", () => {
  test.each([4003, 4004, 4009, 4013])("%i: stays away until the user asks", async (code) => {
    const server = await connected();
    server.hangUp(code);
    expect(owner.onPhase).toHaveBeenLastCalledWith("stopped", code);
    socket.wake();
    socket.renew();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(FakeSocket.all).toHaveLength(1);
    socket.restart();
    await settle();
    expect(FakeSocket.all).toHaveLength(2);
  });

  test.each([4200, 4201])("%i: comes again at once", async (code) => {
    (await connected()).hangUp(code);
    await settle();
    expect(FakeSocket.all).toHaveLength(2);
  });

  test.each([4001, 4202])("%i: comes again at once with a new token", async (code) => {
    (await connected()).hangUp(code);
    await settle();
    expect(owner.refresh).toHaveBeenCalledTimes(1);
    expect(FakeSocket.all).toHaveLength(2);
  });

  test("a token refused again and again is met with pauses", async () => {
    socket.start();
    await settle();
    FakeSocket.last.hangUp(4001);
    await settle();
    expect(FakeSocket.all).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(250);
    expect(FakeSocket.all).toHaveLength(2);
  });

  test.each([1000, 1001, 1006, 1012, 4100, 4108, 4129])("%i: backs off", (code) => {
    expect(verdictOf(code)).toBe("backoff");
  });

  test("a pause is anything between nothing and its bound, which has an end", () => {
    expect(backoffMs(0, () => 0)).toBe(0);
    expect(backoffMs(3, () => 1)).toBe(4_000);
    expect(backoffMs(99, () => 1)).toBe(10_000);
  });
});

test("a draining server is left within its time", async () => {
  const server = await connected();
  server.tell({ type: "goaway", in_ms: 4_000 });
  await vi.advanceTimersByTimeAsync(1_999);
  expect(FakeSocket.all).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(server.closed).toBe(true);
  expect(FakeSocket.all).toHaveLength(2);
});

test("stopped, it stays stopped", async () => {
  await connected();
  socket.stop();
  socket.wake();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(FakeSocket.all).toHaveLength(1);
});

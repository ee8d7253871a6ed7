import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Live } from "../src/app/live";
import { Store } from "../src/app/store";
import { initialState } from "../src/state/app";
import type { AppState } from "../src/state/app";
import { outputText } from "../src/state/content";
import { newResponse } from "../src/state/response";
import type { Frame } from "../src/state/types";

let store: Store<AppState>;
let sent: object[];
let live: Live;
let paint: () => void;
const page = { hidden: false };

const item = { type: "message", id: "msg_1", role: "assistant", content: [] };
const frames: Frame[] = [
  { type: "response.created", sequence_number: 0 },
  { type: "response.in_progress", sequence_number: 1 },
  { type: "response.output_item.added", sequence_number: 2, output_index: 0, item },
  ...Array.from({ length: 6 }, (_, n) => ({
    type: "response.output_text.delta",
    sequence_number: 3 + n,
    output_index: 0,
    content_index: 0,
    delta: `w${n} `,
  })),
];
const text = () => outputText(store.get().responses["resp_1"]?.items ?? []);
const receive = (...numbers: number[]) => {
  for (const number of numbers) live.receive("resp_1", frames[number] ?? { type: "none" });
};

beforeEach(() => {
  vi.useFakeTimers();
  page.hidden = false;
  paint = () => undefined;
  vi.stubGlobal("document", page);
  vi.stubGlobal("requestAnimationFrame", (callback: () => void) => {
    paint = callback;
  });
  store = new Store<AppState>({ ...initialState, responses: { resp_1: newResponse("resp_1") } });
  sent = [];
  live = new Live(store, (message) => sent.push(message) > 0);
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("batches", () => {
  test("are drawn once per animation frame", () => {
    const drawn = vi.fn();
    store.subscribe(drawn);
    receive(0, 1, 2, 3, 4, 5);
    expect(drawn).not.toHaveBeenCalled();
    paint();
    expect(drawn).toHaveBeenCalledTimes(1);
    expect(text()).toBe("w0 w1 w2 ");
  });

  test("go by the clock in a hidden tab", async () => {
    page.hidden = true;
    await vi.advanceTimersByTimeAsync(1_000);
    receive(0, 1, 2, 3);
    expect(store.get().responses["resp_1"]?.last).toBe(0);
    await vi.advanceTimersByTimeAsync(250);
    expect(text()).toBe("w0 ");
  });
});

describe("a gap", () => {
  test("is asked for once, however many frames lie behind it", () => {
    receive(0, 1, 2, 3, 5, 6);
    paint();
    receive(7);
    paint();
    expect(sent).toEqual([{ type: "subscribe", response_id: "resp_1", starting_after: 3 }]);
    receive(4, 5, 6, 7);
    paint();
    expect(text()).toBe("w0 w1 w2 w3 w4 ");
  });

  test("that nothing fills costs the position, but never what is shown", async () => {
    receive(0, 1, 2, 3, 5);
    paint();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(sent.at(-1)).toEqual({ type: "subscribe", response_id: "resp_1" });
    expect(text()).toBe("w0 ");
    receive(0, 1, 2, 3, 4, 5);
    paint();
    expect(text()).toBe("w0 w1 w2 ");
  });
});

test("a new connection goes on after what was applied, and leaves finished answers alone", () => {
  receive(0, 1, 2);
  store.update((state) => ({ ...state, responses: { ...state.responses, resp_2: newResponse("resp_2", "completed") } }));
  live.reconnected(["resp_1", "resp_2"]);
  const subscribe = { type: "subscribe", response_id: "resp_1", starting_after: 2 };
  expect(sent).toEqual([subscribe]);
  live.follow("resp_1");
  expect(sent).toEqual([subscribe]);
  live.reconnected(["resp_1"]);
  expect(sent).toEqual([subscribe, subscribe]);
});

test("an acknowledged answer is followed already", () => {
  live.followedByServer("resp_1");
  live.follow("resp_1");
  expect(sent).toEqual([]);
});

test("frames of one account are not drawn for the next", () => {
  receive(0, 1, 2, 3);
  live.reset();
  paint();
  expect(text()).toBe("");
});

test("an end of which the last frame does not come is looked after", async () => {
  receive(0, 1, 2);
  paint();
  live.ended("resp_1");
  await vi.advanceTimersByTimeAsync(2_000);
  expect(sent).toEqual([{ type: "subscribe", response_id: "resp_1", starting_after: 2 }]);
});

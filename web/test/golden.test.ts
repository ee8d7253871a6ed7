/** Replays the golden logs that the Python tests replay too, so that both sides fold a log to the same answer. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { outputText } from "../src/state/content";
import { applyFrame, newResponse } from "../src/state/response";
import type { FrameHeader, ResponseState } from "../src/state/response";
import type { ErrorBody, Frame, Item, Status, Usage } from "../src/state/types";

interface Golden {
  name: string;
  description: string;
  frames: { header?: FrameHeader; event: Frame }[];
  expect: {
    text: string;
    items: Item[];
    status: Status;
    last: number;
    attempt: number;
    error: ErrorBody | null;
    incomplete_reason: string | null;
    usage: Usage | null;
    actions: { frame: number; action: string }[];
  };
}

const folder = new URL("../../tests/golden/", import.meta.url);
const logs = readdirSync(folder)
  .filter((name) => name.endsWith(".json"))
  .map((name) => JSON.parse(readFileSync(new URL(name, folder), "utf8")) as Golden);

function replay(frames: Golden["frames"], start: ResponseState) {
  const actions: Golden["expect"]["actions"] = [];
  let state = start;
  for (const [frame, { event, header }] of frames.entries()) {
    const step = applyFrame(state, event, header);
    state = step.state;
    if (step.action !== "none") actions.push({ frame, action: step.action });
  }
  return { state, actions };
}

describe.each(logs)("golden log $name", ({ frames, expect: wanted }) => {
  test("folds to what it says", () => {
    const { state, actions } = replay(frames, newResponse("resp_0001"));
    expect(outputText(state.items)).toBe(wanted.text);
    expect(state.items).toEqual(wanted.items);
    expect(state.status).toBe(wanted.status);
    expect(state.last).toBe(wanted.last);
    expect(state.attempt).toBe(wanted.attempt);
    expect(state.error).toEqual(wanted.error);
    expect(state.incompleteReason).toBe(wanted.incomplete_reason);
    expect(state.usage).toEqual(wanted.usage);
    expect(actions).toEqual(wanted.actions);
  });

  test("changes nothing when the whole log comes again", () => {
    const once = replay(frames, newResponse("resp_0001")).state;
    const numbered = frames.filter(({ event }) => event.sequence_number !== undefined);
    expect(replay(numbered, once).state).toEqual(once);
  });
});

test("the golden folder is there", () => expect(logs.length).toBeGreaterThan(10));

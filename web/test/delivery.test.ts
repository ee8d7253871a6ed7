/** Whatever the network does to a log's frames, a reader that follows the rules holds each character once. */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { outputText } from "../src/state/content";
import { applyFrame, newResponse, withoutPosition } from "../src/state/response";
import type { FrameHeader } from "../src/state/response";
import type { Frame } from "../src/state/types";
import { randomFrom } from "./random";

interface Entry {
  header?: FrameHeader;
  event: Frame;
}

const folder = new URL("../../tests/golden/", import.meta.url);
const wellFormed = ["plain", "unicode", "takeover", "cancelled", "failed", "tool-call", "reasoning", "incomplete-interrupted"];
const logs = readdirSync(folder)
  .filter((name) => wellFormed.includes(name.replace(".json", "")))
  .map((name) => JSON.parse(readFileSync(new URL(name, folder), "utf8")) as { name: string; frames: Entry[]; expect: { text: string; last: number } });

test.each(logs)("$name survives loss, doubling and old replays", ({ frames, expect: wanted }) => {
  for (let seed = 1; seed <= 150; seed++) {
    const random = randomFrom(seed);
    let state = newResponse("resp_0001");
    let at = 0;
    for (let steps = 0; state.last !== wanted.last; steps++) {
      expect(steps, `seed ${seed} comes to an end`).toBeLessThan(3_000);
      const roll = random();
      if (roll < 0.15) at = Math.min(at + 1 + Math.floor(random() * 3), frames.length);
      else if (roll < 0.3) at = Math.max(at - 1 - Math.floor(random() * 4), 0);
      const entry = frames[at++];
      const step = entry === undefined ? null : applyFrame(state, entry.event, entry.header);
      if (step !== null) state = step.state;
      // A gap, or silence at the end: subscribe again after the last number.
      if (step === null || step.action === "resubscribe") at = indexAfter(frames, state.last);
    }
    expect(outputText(state.items)).toBe(wanted.text);
  }
});

test("a position that the log no longer holds is given up, and the log retells everything", () => {
  const { frames, expect: wanted } = logs.find(({ name }) => name === "plain") ?? { frames: [], expect: { text: "", last: 0 } };
  const half = frames.slice(0, 7).reduce((state, { event }) => applyFrame(state, event).state, newResponse("resp_0001"));
  expect(outputText(half.items)).not.toBe("");
  const lost = withoutPosition(half);
  expect(lost.items).toBe(half.items);
  const again = frames.reduce((state, { event }) => applyFrame(state, event).state, lost);
  expect(outputText(again.items)).toBe(wanted.text);
});

function indexAfter(frames: Entry[], last: number): number {
  const at = frames.findIndex(({ event }) => event.sequence_number === last);
  return at + 1;
}

import { describe, expect, test } from "vitest";
import { applyFrame, newResponse } from "../src/state/response";
import { queueWords } from "../src/ui/Waiting";

describe("who waits is told", () => {
  test.each([
    [null, "place 3"],
    [0, "place 3"],
    [1, "place 3, about 1 s"],
    [7_400, "place 3, about 8 s"],
    [12_000, "place 3, about 10 s"],
    [57_000, "place 3, about 55 s"],
    [100_000, "place 3, about 2 min"],
  ])("a wait of %s ms roughly, and nothing where nobody can tell", (waitMs, words) => {
    expect(queueWords({ place: 3, waitMs })).toBe(words);
  });

  test("what the server said of place and wait", () => {
    const said = { type: "tertulia:position", after: 1, position: 2, expected_wait_ms: 4_000 };
    expect(applyFrame(newResponse("r1"), said as never).state.position).toEqual({ place: 2, waitMs: 4_000 });
  });
});

import { describe, expect, test } from "vitest";
import { inputText, leafUnder, path, treeFrom, turns } from "../src/state/tree";
import { node } from "./make";

// a ─ b ─ c          (c continues b)
// │   └ d            (d: another message after b)
// ├ a2 ─ e           (a2 regenerates a)
// f                  (f: the first message, edited)
const tree = treeFrom([
  node("a", null, "hello"),
  node("b", "a", "more"),
  node("c", "b", null),
  node("a2", null, "hello", { regenerate_of: "a" }),
  node("e", "a2", "what?"),
  node("f", null, "hallo"),
  node("d", "b", "and then?"),
]);

test("a path leads from the root to the head", () => {
  expect(path(tree, "d").map(({ id }) => id)).toEqual(["a", "b", "d"]);
  expect(path(tree, null)).toEqual([]);
  expect(path(tree, "gone")).toEqual([]);
});

describe("turns", () => {
  test("a continuation belongs to the answer it continues", () => {
    expect(turns(tree, "c").map(({ chain }) => chain.map(({ id }) => id))).toEqual([["a"], ["b", "c"]]);
  });

  test("regenerations are versions of the answer, edits versions of the message", () => {
    const [first] = turns(tree, "e");
    expect(first?.answers).toEqual({ ids: ["a", "a2"], index: 1 });
    expect(first?.edits).toEqual({ ids: ["a2", "f"], index: 0 });
    const [edited] = turns(tree, "f");
    expect(edited?.answers).toEqual({ ids: ["f"], index: 0 });
    expect(edited?.edits).toEqual({ ids: ["a2", "f"], index: 1 });
  });

  test("a continuation is no version of the message beside it", () => {
    expect(turns(tree, "d").at(-1)?.edits).toEqual({ ids: ["d"], index: 0 });
  });

  test("a regeneration of a regeneration stays in the same group", () => {
    const more = treeFrom([node("a", null, "x"), node("b", null, "x", { regenerate_of: "a" }), node("c", null, "x", { regenerate_of: "b" })]);
    expect(turns(more, "c")[0]?.answers).toEqual({ ids: ["a", "b", "c"], index: 2 });
  });
});

test("switching leads to the newest leaf of the branch", () => {
  expect(leafUnder(tree, "a")).toBe("d");
  expect(leafUnder(tree, "a2")).toBe("e");
  expect(leafUnder(tree, "f")).toBe("f");
});

test("the user's words are the text of the input's user messages", () => {
  const [first] = turns(treeFrom([node("a", null, null, { input: "plain" })]), "a");
  expect(first?.text).toBe("plain");
  const tool = treeFrom([node("a", null, null, { input: [{ type: "function_call_output", output: "1" }] })]).nodes["a"];
  expect(tool === undefined ? "" : inputText(tool)).toBeNull();
});

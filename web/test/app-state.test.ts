import { describe, expect, test } from "vitest";
import { initialState, loadTree, pickedModel, signedOut, unfinished } from "../src/state/app";
import type { AppState } from "../src/state/app";
import { applyFeed, replaceList } from "../src/state/feed";
import type { FeedState } from "../src/state/feed";
import { groupByDate } from "../src/state/groups";
import { applyFrame, newResponse } from "../src/state/response";
import { continueSend, messageSend, nodeOf, regenerateSend } from "../src/state/send";
import { emptyTree, insert, treeFrom } from "../src/state/tree";
import type { Model } from "../src/state/types";
import { answerText, runningResponse, segmentsOf, viewOf } from "../src/state/view";
import { conversation, node, said } from "./make";

const answered = (id: string, words: string) => ({
  ...newResponse(id, "completed"),
  items: [{ type: "message", content: [{ type: "output_text", text: words }] }],
});

const list = (...ids: string[]): FeedState => ({ active: {}, conversations: Object.fromEntries(ids.map((id) => [id, conversation(id)])) });

const model = (id: string, isDefault: boolean) => ({ id, name: id, default: isDefault }) as Model;

const identity = { id: "req_1", createdAt: 1, conversationId: "conv_1" };
const choice = { model: "m", instructions: null };

describe("the feed", () => {
  const base: FeedState = { conversations: { conv_1: conversation("conv_1", "resp_1") }, active: {} };

  test("creates, changes and deletes", () => {
    const created = applyFeed(base, { type: "conversation.created", conversation: conversation("conv_2") });
    expect(Object.keys(created.conversations)).toEqual(["conv_1", "conv_2"]);
    const moved = applyFeed(created, { type: "head.changed", conversation_id: "conv_1", head: "resp_2" });
    expect(moved.conversations["conv_1"]?.head).toBe("resp_2");
    const deleted = applyFeed(moved, { type: "conversation.deleted", conversation_id: "conv_1" });
    expect(Object.keys(deleted.conversations)).toEqual(["conv_2"]);
  });

  test("knows which conversations are being answered, also when told twice", () => {
    const started = { type: "response.started", response_id: "resp_2", conversation_id: "conv_1", previous_response_id: null } as const;
    const twice = applyFeed(applyFeed(base, started), started);
    expect(twice.active["conv_1"]).toEqual(["resp_2"]);
    const ended = applyFeed(twice, { type: "response.ended", response_id: "resp_2", conversation_id: "conv_1", status: "completed" });
    expect(ended.active["conv_1"]).toEqual([]);
  });

  test("is newer than a list that was asked for before it", () => {
    const before = list("same", "deleted", "renamed", "elsewhere", "open");
    const { deleted: _, ...rest } = before.conversations;
    const now = { active: {}, conversations: { ...rest, made: conversation("made"), renamed: { ...conversation("renamed"), title: "New" } } };
    const page = ["same", "deleted", "renamed", "unknown"].map((id) => conversation(id, "resp_read"));
    const after = replaceList(before, now, page, "open");
    expect(Object.keys(after).toSorted()).toEqual(["made", "open", "renamed", "same", "unknown"]);
    expect(after["renamed"]?.title).toBe("New");
    expect(after["same"]?.head).toBe("resp_read");
  });

  test("an event nobody knows changes nothing", () => {
    expect(applyFeed(base, { type: "memory.changed" } as never)).toBe(base);
  });
});

describe("a tree that is read while answers grow", () => {
  const growing = applyFrame(newResponse("resp_1", "in_progress"), {
    type: "response.created",
    sequence_number: 0,
  }).state;
  const before: AppState = { ...initialState, responses: { resp_1: growing } };

  test("does not throw the live fold away", () => {
    const after = loadTree(before, "conv_1", [node("resp_1", null, "hi", { status: "in_progress", output: [], last_sequence_number: null })]);
    expect(after.responses["resp_1"]).toBe(growing);
    expect(unfinished(after, "conv_1")).toEqual(["resp_1"]);
  });

  test("takes the stored end of one that ended meanwhile, and its number", () => {
    const after = loadTree(before, "conv_1", [node("resp_1", null, "hi")]);
    expect(after.responses["resp_1"]).toMatchObject({ status: "completed", last: 9 });
    const late = applyFrame(after.responses["resp_1"] ?? growing, { type: "response.output_text.delta", sequence_number: 5 });
    expect(late).toEqual({ state: after.responses["resp_1"], action: "none" });
  });

  test("keeps what was acknowledged while it was on its way", () => {
    const send = messageSend(identity, null, said("hi"), choice);
    const held = { ...before, trees: { conv_1: insert(emptyTree, nodeOf(send, "resp_1", emptyTree)) } };
    expect(loadTree(held, "conv_1", []).trees["conv_1"]?.order).toEqual(["resp_1"]);
  });
});

describe("the view", () => {
  const tree = treeFrom([node("a", null, "one"), node("b", "a", "two")]);

  test("shows a pending message below its parent", () => {
    const send = messageSend(identity, "b", said("three"), choice);
    const view = viewOf(tree, "b", [send], "conv_1");
    expect(view.turns).toHaveLength(2);
    expect(view.pending).toBe(send);
    expect(viewOf(tree, "b", [send], "conv_2").pending).toBeNull();
  });

  test("shows a regeneration in place of what it regenerates", () => {
    const regenerated = tree.nodes["a"];
    if (regenerated === undefined) throw new Error("no node a");
    expect(viewOf(tree, "b", [regenerateSend(identity, regenerated, said("one"), choice)], "conv_1").turns).toEqual([]);
  });

  test("keeps refused messages at the end", () => {
    const refused = { ...messageSend(identity, "b", said("three"), choice), failed: { message: "no" } };
    const view = viewOf(tree, "b", [refused], "conv_1");
    expect(view).toMatchObject({ pending: null, refused: [refused] });
  });

  test("an answer and its continuation are one text", () => {
    const chain = [answered("a", "It stopped in mid-sen"), answered("b", "tence.")];
    expect(segmentsOf(chain)).toEqual([{ type: "text", text: "It stopped in mid-sentence." }]);
    expect(answerText(chain)).toBe("It stopped in mid-sentence.");
  });

  test("knows what runs at the head", () => {
    const state: AppState = {
      ...initialState,
      conversations: { conv_1: conversation("conv_1", "b") },
      responses: { b: newResponse("b", "in_progress") },
    };
    expect(runningResponse(state, "conv_1")).toBe("b");
    expect(runningResponse({ ...state, responses: { b: newResponse("b", "failed") } }, "conv_1")).toBeNull();
  });
});

describe("sends", () => {
  test("carry the parent, null for a new root, and the instructions only when there are some", () => {
    expect(messageSend(identity, null, said("hi"), choice).body).toMatchObject({ previous_response_id: null });
    expect(messageSend(identity, null, said("hi"), choice).body).not.toHaveProperty("instructions");
    expect(messageSend(identity, null, said("hi"), { model: "m", instructions: "short" }).body.instructions).toBe("short");
  });

  test("become the node that the server will tell of", () => {
    const tree = treeFrom([node("a", null, "one")]);
    const a = tree.nodes["a"];
    if (a === undefined) throw new Error("no node a");
    expect(nodeOf(regenerateSend(identity, a, said("one"), choice), "b", tree)).toMatchObject({ parent: null, regenerateOf: "a", input: a.input });
    expect(nodeOf(continueSend(identity, a, choice), "c", tree)).toMatchObject({ parent: "a", regenerateOf: null, input: [] });
  });
});

test("signing out leaves nothing of the account", () => {
  const state = { ...initialState, conversations: { c: conversation("c") }, sends: [messageSend(identity, null, said("hi"), choice)] };
  expect(signedOut(state)).toEqual({ ...initialState, phase: "signed-out" });
});

test("the model is the user's choice while it exists, else the default", () => {
  const state = { ...initialState, models: [model("a", false), model("b", true)] };
  const me = { id: "u", email: "", role: "user", instructions: null } as const;
  expect(pickedModel(state)?.id).toBe("b");
  expect(pickedModel({ ...state, me: { ...me, default_model: "a" } })?.id).toBe("a");
  expect(pickedModel({ ...state, me: { ...me, default_model: "gone" } })?.id).toBe("b");
  expect(pickedModel(initialState)).toBeUndefined();
});

test("conversations are grouped by the reader's days", () => {
  const now = new Date(2026, 10, 22, 0, 30);
  const ago = (hours: number) => conversation(`h${hours}`, null, now.getTime() / 1000 - hours * 3600);
  const groups = groupByDate([ago(24 * 40), ago(0.25), ago(1), ago(26), ago(24 * 7), ago(24 * 400)], now, "en");
  expect(groups.map(({ label, conversations }) => [label, conversations.map(({ id }) => id)])).toEqual([
    ["Today", ["h0.25"]],
    ["Yesterday", ["h1"]],
    ["Previous 7 days", ["h26", "h168"]],
    ["October", ["h960"]],
    ["October 2025", ["h9600"]],
  ]);
});

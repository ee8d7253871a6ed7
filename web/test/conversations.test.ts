import { beforeEach, expect, test, vi } from "vitest";
import { Conversations } from "../src/app/conversations";
import { Notices } from "../src/app/notices";
import { Store } from "../src/app/store";
import { ApiError } from "../src/net/http";
import type { Call, Http } from "../src/net/http";
import { initialState } from "../src/state/app";
import type { AppState } from "../src/state/app";
import { applyFeed } from "../src/state/feed";
import { treeFrom } from "../src/state/tree";
import { conversation, node } from "./make";

let store: Store<AppState>;
let call: ReturnType<typeof vi.fn<(path: string, call?: Call) => Promise<unknown>>>;
let conversations: Conversations;

beforeEach(() => {
  vi.useFakeTimers();
  call = vi.fn();
  store = new Store<AppState>({
    ...initialState,
    conversations: { conv_1: { ...conversation("conv_1", "resp_1"), title: "One" } },
    trees: { conv_1: treeFrom([node("resp_1", null, "hi"), node("resp_2", null, "hi", { regenerate_of: "resp_1" })]) },
  });
  conversations = new Conversations(store, { call } as unknown as Http, new Notices(store));
});

const held = () => store.get().conversations["conv_1"];
const refusal = new ApiError(503, { message: "Later." });

test("a tree read before an answer began does not take the new head back", async () => {
  call.mockImplementationOnce(async () => {
    store.update((state) => applyFeed(state, { type: "head.changed", conversation_id: "conv_1", head: "resp_9" }));
    return { conversation: conversation("conv_1", "resp_1"), responses: [] };
  });
  await conversations.loadTree("conv_1");
  expect(held()?.head).toBe("resp_9");
});

test("a conversation that is not there is said so; one that cannot be read now keeps what is shown", async () => {
  call.mockRejectedValueOnce(new ApiError(404, { message: "No." }));
  await conversations.loadTree("conv_2");
  expect(store.get().treeStatus["conv_2"]).toBe("missing");
  call.mockResolvedValueOnce({ conversation: conversation("conv_1"), responses: [] }).mockRejectedValueOnce(refusal);
  await conversations.loadTree("conv_1");
  await conversations.loadTree("conv_1");
  expect(store.get().treeStatus["conv_1"]).toBe("ready");
});

test("what the server refuses is taken back, and told", async () => {
  const before = held();
  call.mockRejectedValue(refusal);
  await conversations.rename("conv_1", "Two");
  expect(held()).toEqual(before);
  await conversations.remove("conv_1");
  expect(held()).toEqual(before);
  await conversations.switchTo("conv_1", "resp_2");
  expect(held()?.head).toBe("resp_1");
  expect(store.get().toasts).toHaveLength(3);
});

test("a deletion can be undone while its notice shows", async () => {
  const onGone = vi.fn();
  conversations.onGone = onGone;
  call.mockResolvedValueOnce({ deleted: true }).mockResolvedValueOnce(conversation("conv_1", "resp_1"));
  await conversations.remove("conv_1");
  expect(onGone).toHaveBeenCalledWith("conv_1");
  expect(held()).toBeUndefined();
  store.get().toasts[0]?.undo?.();
  await vi.waitFor(() => expect(held()?.head).toBe("resp_1"));
  expect(call).toHaveBeenLastCalledWith("/v1/conversations/conv_1/restore", { method: "POST" });
});

test("only the newest search is shown", async () => {
  const answers: ((page: object) => void)[] = [];
  call.mockImplementation(() => new Promise((resolve) => answers.push(resolve)));
  const searches = [conversations.search("a"), conversations.search("ab")];
  answers[1]?.({ data: [conversation("conv_1")] });
  answers[0]?.({ data: [] });
  await Promise.all(searches);
  expect(store.get().search).toEqual({ query: "ab", ids: ["conv_1"] });
});

test("an answer begun elsewhere makes the tree be read once, unless our own acknowledgement names it first", async () => {
  call.mockResolvedValue({ conversation: conversation("conv_1"), responses: [] });
  conversations.reloadFor("conv_1", "resp_1");
  await vi.advanceTimersByTimeAsync(1_000);
  expect(call).not.toHaveBeenCalled();
  conversations.reloadFor("conv_1", "resp_8");
  conversations.reloadFor("conv_1", "resp_9");
  await vi.advanceTimersByTimeAsync(1_000);
  expect(call).toHaveBeenCalledTimes(1);
});

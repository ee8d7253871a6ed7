/** Everything the screen is drawn from. Changed only by pure functions handed to the store. */
import type { FeedState } from "./feed";
import type { Attachment } from "./images";
import type { ResponseState } from "./response";
import { responseFromNode } from "./response";
import type { Send } from "./send";
import { insert, treeFrom } from "./tree";
import type { Tree } from "./tree";
import { isTerminal } from "./types";
import type { Me, Model, TreeNode } from "./types";

export type Phase = "starting" | "unreachable" | "signed-out" | "signed-in";

/** `stopped`: the server has refused this device for good; only the user can have it try again. */
export type ConnectionPhase = "connecting" | "open" | "reconnecting" | "offline" | "stopped";

export type TreeStatus = "loading" | "ready" | "missing" | "failed";

export interface Toast {
  id: number;
  text: string;
  undo?: () => void;
}

export interface AppState extends FeedState {
  phase: Phase;
  /** False under `serve --no-auth`: no account to show. */
  auth: boolean;
  registration: "open" | "closed";
  me: Me | null;
  connection: { phase: ConnectionPhase; code: number | null };
  models: Model[];
  listed: { loaded: boolean; hasMore: boolean; cursor: string | null };
  search: { query: string; ids: string[] | null };
  route: { conversationId: string | null };
  trees: Record<string, Tree>;
  treeStatus: Record<string, TreeStatus>;
  responses: Record<string, ResponseState>;
  sends: Send[];
  /** Images in the composer, by conversation (a new one's under `new`). */
  attachments: Record<string, Attachment[]>;
  /** Conversations in which another device of the user's types. */
  typing: string[];
  toasts: Toast[];
}

export const initialState: AppState = {
  phase: "starting",
  auth: true,
  registration: "closed",
  me: null,
  connection: { phase: "connecting", code: null },
  models: [],
  listed: { loaded: false, hasMore: false, cursor: null },
  search: { query: "", ids: null },
  route: { conversationId: null },
  conversations: {},
  active: {},
  trees: {},
  treeStatus: {},
  responses: {},
  sends: [],
  attachments: {},
  typing: [],
  toasts: [],
};

/** What belongs to an account goes with it; what belongs to the page stays. */
export function signedOut(state: AppState): AppState {
  const { auth, registration, route } = state;
  return { ...initialState, auth, registration, route, phase: "signed-out" };
}

/** @param before the tree as it was held when the one in `nodes` was asked for */
export function loadTree(state: AppState, conversationId: string, nodes: TreeNode[], before?: Tree): AppState {
  const responses = { ...state.responses };
  for (const node of nodes) {
    const held = responses[node.id];
    // A live fold is ahead of the row until the row is terminal; a terminal state never changes again.
    const keep = held !== undefined && (isTerminal(held.status) || !isTerminal(node.status));
    if (!keep) responses[node.id] = responseFromNode(node);
  }
  // What was acknowledged while the tree was on its way is newer than the tree.
  const held = state.trees[conversationId];
  const loaded = treeFrom(nodes);
  const newer = (id: string): boolean => before?.nodes[id] === undefined || !isTerminal(responses[id]?.status ?? "failed");
  const missing = held?.order.filter((id) => loaded.nodes[id] === undefined && newer(id)) ?? [];
  const tree = missing.reduce<Tree>((all, id) => {
    const node = held?.nodes[id];
    return node === undefined ? all : insert(all, node);
  }, loaded);
  return {
    ...state,
    responses,
    trees: { ...state.trees, [conversationId]: tree },
    treeStatus: { ...state.treeStatus, [conversationId]: "ready" },
  };
}

/** The model a new message goes to: the user's choice while it exists, else the server's default. */
export function pickedModel(state: AppState): Model | undefined {
  const chosen = state.models.find((model) => model.id === state.me?.default_model);
  return chosen ?? state.models.find((model) => model.default) ?? state.models[0];
}

/** Unfinished responses of a conversation that this device knows by its tree. */
export function unfinished(state: AppState, conversationId: string): string[] {
  const order = state.trees[conversationId]?.order ?? [];
  return order.filter((id) => !isTerminal(state.responses[id]?.status ?? "failed"));
}

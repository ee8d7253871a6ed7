/**
 * The state of one response as its log tells it: a pure fold over frames.
 *
 * A frame is applied iff its number is `last + 1`, or it opens an attempt whose header continues `last`;
 * numbers `<= last` are dropped; anything else is a gap, answered by the action "resubscribe".
 * So every character is shown once, whatever is sent twice, late, or by a second worker.
 */
import { appendItems, applyContent } from "./content";
import { isTerminal } from "./types";
import type { ErrorBody, Frame, Item, ResponseResource, Status, TreeNode, Usage } from "./types";

/** Attempt `a` numbers its frames from `(a - 1) * ATTEMPT_STRIDE`. */
export const ATTEMPT_STRIDE = 2 ** 20;

/** What a log keeps beside a frame: which attempt wrote it, and for an attempt's first frame the number it continues. */
export interface FrameHeader {
  attempt: number;
  after: number;
}

export interface QueuePosition {
  place: number;
  waitMs: number | null;
}

export interface ResponseState {
  id: string;
  status: Status;
  items: Item[];
  /** Number of the last applied frame; -1 before the first. */
  last: number;
  attempt: number;
  /** An attempt that has announced itself and continues `last`: its first frame may come next. */
  successor: number | null;
  /** Pages of a snapshot collected so far; they replace `items` only when complete. */
  snapshot: { after: number; next: number; items: Item[] } | null;
  position: QueuePosition | null;
  error: ErrorBody | null;
  incompleteReason: string | null;
  usage: Usage | null;
}

export type Action = "none" | "resubscribe";

export interface Step {
  state: ResponseState;
  action: Action;
}

export function newResponse(id: string, status: Status = "queued"): ResponseState {
  return {
    id,
    status,
    items: [],
    last: -1,
    attempt: 1,
    successor: null,
    snapshot: null,
    position: null,
    error: null,
    incompleteReason: null,
    usage: null,
  };
}

/** The state of a stored response. An unfinished one starts empty: its text is in its log. */
export function responseFromNode(node: TreeNode): ResponseState {
  const state = newResponse(node.id, node.status);
  if (!isTerminal(node.status)) return state;
  const last = node.last_sequence_number ?? -1;
  return {
    ...state,
    last,
    attempt: attemptOf(last),
    items: node.output,
    error: node.error,
    incompleteReason: node.incomplete_details?.reason ?? null,
    usage: node.usage,
  };
}

/**
 * Forgets the position but keeps what is on the screen: after `position_lost` the log is read from its start,
 * and its first frame or snapshot replaces the items.
 */
export function withoutPosition(state: ResponseState): ResponseState {
  return { ...state, last: -1, attempt: 1, successor: null, snapshot: null };
}

export function applyFrame(state: ResponseState, frame: Frame, header?: FrameHeader): Step {
  if (isTerminal(state.status)) return unchanged(state);
  if (frame.type.startsWith("tertulia:")) return applyOwn(state, frame);

  const number = frame.sequence_number;
  if (typeof number !== "number" || number <= state.last) return unchanged(state);
  const successor = header && header.after === state.last ? header.attempt : state.successor;
  const opensAttempt = successor !== null && number === (successor - 1) * ATTEMPT_STRIDE;
  if (number !== state.last + 1 && !opensAttempt) return { state, action: "resubscribe" };

  const numbered: ResponseState = {
    ...state,
    last: number,
    attempt: opensAttempt ? successor : state.attempt,
    successor: null,
    snapshot: null,
  };
  return { state: applyEvent(numbered, frame), action: "none" };
}

const unchanged = (state: ResponseState): Step => ({ state, action: "none" });

const attemptOf = (number: number): number => Math.max(0, Math.floor(number / ATTEMPT_STRIDE)) + 1;

/** Events of ours carry no number of their own but `after`: the number they follow. */
function applyOwn(state: ResponseState, frame: Frame): Step {
  const after = Number(frame["after"] ?? -1);
  switch (frame.type) {
    case "tertulia:attempt":
      if (after < state.last) return unchanged(state);
      if (after > state.last) return { state, action: "resubscribe" };
      return unchanged({ ...state, successor: Number(frame["attempt"]) });
    case "tertulia:position": {
      const wait = frame["expected_wait_ms"];
      const waitMs = typeof wait === "number" ? wait : null;
      return unchanged({ ...state, position: { place: Number(frame["position"]), waitMs } });
    }
    case "tertulia:snapshot":
      return applySnapshot(state, after, frame);
    default:
      return unchanged(state);
  }
}

function applySnapshot(state: ResponseState, after: number, frame: Frame): Step {
  if (after < state.last) return unchanged(state);
  const page = Number(frame["page"] ?? 0);
  const pages = Number(frame["pages"] ?? 1);
  const output = (frame["output"] as Item[] | undefined) ?? [];
  const held = state.snapshot;
  if (page > 0 && (held === null || held.after !== after || held.next !== page)) {
    return { state: { ...state, snapshot: null }, action: "resubscribe" };
  }
  const items = page === 0 || held === null ? output : appendItems(held.items, output);
  if (page + 1 < pages) return unchanged({ ...state, snapshot: { after, next: page + 1, items } });
  const status: Status = state.status === "queued" && items.length > 0 ? "in_progress" : state.status;
  return unchanged({
    ...state,
    status,
    items,
    last: after,
    attempt: attemptOf(after),
    successor: null,
    snapshot: null,
    position: null,
  });
}

function applyEvent(state: ResponseState, frame: Frame): ResponseState {
  switch (frame.type) {
    case "response.created":
      // A log read from its start retells everything: whatever was shown before it goes.
      return { ...state, status: statusIn(frame) ?? "queued", items: [] };
    case "response.queued":
      return { ...state, status: "queued" };
    case "response.in_progress":
      return { ...state, status: "in_progress", position: null };
    case "response.completed":
      return finish(state, frame, "completed");
    case "response.failed":
      return finish(state, frame, "failed");
    case "response.incomplete":
      return finish(state, frame, "incomplete");
    case "error":
      return { ...state, error: frame["error"] as ErrorBody };
    default: {
      const items = applyContent(state.items, frame);
      if (items === state.items) return state;
      const status: Status = state.status === "queued" ? "in_progress" : state.status;
      return { ...state, status, items, position: null };
    }
  }
}

function statusIn(frame: Frame): Status | undefined {
  return (frame["response"] as ResponseResource | undefined)?.status;
}

/** The terminal frame is made from the stored row, so its output wins over what was folded. */
function finish(state: ResponseState, frame: Frame, fallback: Status): ResponseState {
  const resource = frame["response"] as ResponseResource | undefined;
  return {
    ...state,
    status: resource?.status ?? fallback,
    items: resource?.output?.length ? resource.output : state.items,
    position: null,
    error: resource?.error ?? state.error,
    incompleteReason: resource?.incomplete_details?.reason ?? null,
    usage: resource?.usage ?? null,
  };
}

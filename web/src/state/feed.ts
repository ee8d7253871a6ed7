/** The user's feed: what happened to conversations on any device, folded into what this device holds. Pure. */
import type { Conversation, Status } from "./types";

export interface FeedState {
  conversations: Record<string, Conversation>;
  /** Unfinished responses by conversation, for the sidebar's sign of life. */
  active: Record<string, string[]>;
}

export type FeedEvent =
  | { type: "conversation.created" | "conversation.updated" | "conversation.restored"; conversation: Conversation }
  | { type: "conversation.deleted"; conversation_id: string }
  | { type: "response.started"; response_id: string; conversation_id: string | null; previous_response_id: string | null }
  | { type: "response.ended"; response_id: string; conversation_id: string | null; status: Status }
  | { type: "head.changed"; conversation_id: string; head: string | null };

export function applyFeed<S extends FeedState>(state: S, event: FeedEvent): S {
  switch (event.type) {
    case "conversation.created":
    case "conversation.updated":
    case "conversation.restored":
      return putConversation(state, event.conversation);
    case "conversation.deleted":
      return dropConversation(state, event.conversation_id);
    case "response.started": {
      const id = event.conversation_id;
      if (id === null) return state;
      const others = (state.active[id] ?? []).filter((other) => other !== event.response_id);
      return { ...state, active: { ...state.active, [id]: [...others, event.response_id] } };
    }
    case "response.ended": {
      const id = event.conversation_id;
      const running = id === null ? undefined : state.active[id];
      if (id === null || running === undefined) return state;
      return { ...state, active: { ...state.active, [id]: running.filter((other) => other !== event.response_id) } };
    }
    case "head.changed": {
      const conversation = state.conversations[event.conversation_id];
      return conversation ? putConversation(state, { ...conversation, head: event.head }) : state;
    }
    default:
      return state;
  }
}

export function putConversation<S extends FeedState>(state: S, conversation: Conversation): S {
  return { ...state, conversations: { ...state.conversations, [conversation.id]: conversation } };
}

/**
 * The list as just read in place of the one held, but for what has been changed, made or deleted since it was asked for:
 * that is newer. The open conversation stays, on whatever page it may stand.
 */
export function replaceList(before: FeedState, now: FeedState, page: Conversation[], open: string | null): FeedState["conversations"] {
  const changed = (id: string): boolean => now.conversations[id] !== before.conversations[id];
  const kept = Object.values(now.conversations).filter(({ id }) => changed(id) || id === open);
  const read = page.filter(({ id }) => !changed(id));
  return Object.fromEntries([...kept, ...read].map((one) => [one.id, one]));
}

export function dropConversation<S extends FeedState>(state: S, id: string): S {
  const { [id]: _gone, ...conversations } = state.conversations;
  const { [id]: _ended, ...active } = state.active;
  return { ...state, conversations, active };
}

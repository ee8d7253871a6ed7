/** What one conversation shows: its path of turns, and the sends that have not become responses yet. Pure. */
import { outputText } from "./content";
import type { AppState } from "./app";
import type { ResponseState } from "./response";
import type { Send } from "./send";
import { emptyTree, turns } from "./tree";
import type { Tree, Turn } from "./tree";
import { isTerminal } from "./types";
import type { Item } from "./types";

export interface View {
  turns: Turn[];
  pending: Send | null;
  refused: Send[];
}

export function viewOf(tree: Tree | undefined, head: string | null, sends: Send[], conversationId: string | null): View {
  const here = sends.filter((send) => send.conversationId === conversationId);
  const pending = here.find((send) => send.failed === null) ?? null;
  return {
    turns: turns(tree ?? emptyTree, pending === null ? head : pending.parent),
    pending,
    refused: here.filter((send) => send.failed !== null),
  };
}

/** The response that is being written at the end of the open branch. */
export function runningResponse(state: AppState, conversationId: string | null): string | null {
  const head = conversationId === null ? null : (state.conversations[conversationId]?.head ?? null);
  const response = head === null ? undefined : state.responses[head];
  return response !== undefined && !isTerminal(response.status) ? response.id : null;
}

export type Segment = { type: "text"; text: string } | { type: "tool"; item: Item } | { type: "reasoning"; text: string };

/** An answer and its continuations are one text: it goes on where it stopped, to the character. */
export function segmentsOf(chain: readonly ResponseState[]): Segment[] {
  const segments: Segment[] = [];
  for (const item of chain.flatMap((response) => response.items)) {
    if (item.type === "message") {
      const text = outputText([item]);
      const previous = segments.at(-1);
      if (previous?.type === "text") segments[segments.length - 1] = { type: "text", text: previous.text + text };
      else if (text !== "") segments.push({ type: "text", text });
    } else if (item.type === "function_call") {
      segments.push({ type: "tool", item });
    } else if (item.type === "reasoning") {
      const parts = [...(item.summary ?? []), ...(Array.isArray(item.content) ? item.content : [])];
      const text = parts.map((part) => part.text ?? "").join("\n\n");
      if (text !== "") segments.push({ type: "reasoning", text });
    }
  }
  return segments;
}

export const answerText = (chain: readonly ResponseState[]): string => chain.map((response) => outputText(response.items)).join("");

/**
 * A send is a create request on its way: from the user's key press until the server has acknowledged it.
 * Its id is the idempotency key, so sending it again after any mishap still makes exactly one answer.
 */
import type { ShownImage } from "./images";
import { userMessage } from "./tree";
import type { Tree, TurnNode } from "./tree";
import type { ErrorBody, Item } from "./types";

/** The create request's body, kept whole: a repetition must be equal to the byte. */
export interface CreateBody {
  /** Left out while it is not known which models there are: the server takes its default. */
  model?: string;
  input?: Item[];
  instructions?: string;
  previous_response_id?: string | null;
  regenerate_of?: string;
}

export type SendKind = "message" | "edit" | "regenerate" | "continue";

export interface Send {
  id: string;
  kind: SendKind;
  /** Null until the conversation of a first message exists. */
  conversationId: string | null;
  /** The response it goes below. */
  parent: string | null;
  text: string;
  images: ShownImage[];
  body: CreateBody;
  createdAt: number;
  failed: ErrorBody | null;
  /** Stop was pressed before the server had answered. */
  stopped: boolean;
}

interface Choice {
  model: string | null;
  instructions: string | null;
}

type Identity = Pick<Send, "id" | "createdAt" | "conversationId">;

/** What the user says: words, images, or both. */
export interface Said {
  text: string;
  images: ShownImage[];
}

export function messageSend(identity: Identity, parent: string | null, said: Said, choice: Choice, kind: "message" | "edit" = "message"): Send {
  const body = { ...common(choice), input: [userMessage(said.text, said.images)], previous_response_id: parent };
  return { ...identity, ...said, kind, parent, body, failed: null, stopped: false };
}

export function regenerateSend(identity: Identity, node: TurnNode, said: Said, choice: Choice): Send {
  const body = { ...common(choice), regenerate_of: node.id };
  return { ...identity, ...said, kind: "regenerate", parent: node.parent, body, failed: null, stopped: false };
}

export function continueSend(identity: Identity, node: TurnNode, choice: Choice): Send {
  const body = { ...common(choice), input: [], previous_response_id: node.id };
  return { ...identity, kind: "continue", parent: node.id, text: "", images: [], body, failed: null, stopped: false };
}

function common(choice: Choice): CreateBody {
  return {
    ...(choice.model === null ? {} : { model: choice.model }),
    ...(choice.instructions ? { instructions: choice.instructions } : {}),
  };
}

/** The node that an acknowledged send has become; known without asking the server for the tree. */
export function nodeOf(send: Send, responseId: string, tree: Tree): TurnNode {
  const original = send.body.regenerate_of === undefined ? undefined : tree.nodes[send.body.regenerate_of];
  return {
    id: responseId,
    parent: send.parent,
    input: send.body.input ?? original?.input ?? [],
    regenerateOf: send.body.regenerate_of ?? null,
    model: send.body.model ?? "",
  };
}

/**
 * The nouns of Open Responses as this client reads them, cut out of the server's own types; unknown
 * members are carried, never dropped.
 */

import type * as api from "../api/schema";

interface More {
  [member: string]: unknown;
}

export type Status = api.TreeNode["status"];

export const isTerminal = (status: Status): boolean => status !== "queued" && status !== "in_progress";

export interface Part {
  type: string;
  text?: string;
  refusal?: string;
  [member: string]: unknown;
}

export interface Item {
  id?: string;
  type: string;
  role?: string;
  status?: string;
  content?: string | Part[];
  summary?: Part[];
  /** `function_call` */
  call_id?: string;
  name?: string;
  arguments?: string;
  /** `function_call_output` */
  output?: unknown;
  [member: string]: unknown;
}

/** The server's, or one that was made here. */
export type ErrorBody = Pick<api.ErrorDetail, "message"> & Partial<api.ErrorDetail>;

export type Usage = Pick<api.ResponseUsage, "input_tokens" | "output_tokens" | "total_tokens"> & More;

/** Its items are loose: while an answer is written they are put together here. */
export type ResponseResource = Pick<
  api.Response,
  "id" | "status" | "model" | "created_at" | "previous_response_id"
> & {
  output: Item[];
  error: ErrorBody | null;
  incomplete_details: { reason: string } | null;
  usage: Usage | null;
} & More;

/** A response in the answer of `GET /v1/conversations/{id}/tree`. */
export type TreeNode = ResponseResource &
  Pick<api.TreeNode, "regenerate_of" | "last_sequence_number"> & { input: Item[] | string };

export type Conversation = Pick<
  api.ConversationResource,
  "id" | "created_at" | "updated_at" | "title" | "head"
> &
  More;

export type ModelStatus = api.State["status"];

export type Model = Pick<api.ModelResource, "id" | "name" | "owned_by" | "default" | "state"> & {
  type?: api.ModelResource["type"];
  capabilities?: Partial<api.Capabilities>;
} & More;

export type User = api.UserResource;

export type Me = api.MeResource;

/** One event of a response's log, or one of ours (`tertulia:…`). */
export interface Frame {
  type: string;
  sequence_number?: number;
  [member: string]: unknown;
}

/** The nouns of Open Responses as this client reads them; unknown members are carried, never dropped. */

export type Status = "queued" | "in_progress" | "completed" | "failed" | "cancelled" | "incomplete";

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

export interface ErrorBody {
  message: string;
  type?: string;
  code?: string | null;
  param?: string | null;
}

export interface Usage {
  input_tokens: number;
  output_tokens: number;
  total_tokens: number;
  [member: string]: unknown;
}

export interface ResponseResource {
  id: string;
  status: Status;
  model: string;
  created_at: number;
  previous_response_id: string | null;
  output: Item[];
  error: ErrorBody | null;
  incomplete_details: { reason: string } | null;
  usage: Usage | null;
  [member: string]: unknown;
}

/** A response in the answer of `GET /v1/conversations/{id}/tree`. */
export interface TreeNode extends ResponseResource {
  input: Item[] | string;
  regenerate_of: string | null;
  last_sequence_number: number | null;
}

export interface Conversation {
  id: string;
  created_at: number;
  updated_at: number;
  title: string | null;
  head: string | null;
  [member: string]: unknown;
}

export type ModelStatus = "ready" | "loading" | "downloading" | "absent" | "failed";

export interface Model {
  id: string;
  name: string;
  owned_by: string;
  type?: "chat" | "embedding";
  default: boolean;
  capabilities?: { images?: boolean; [member: string]: unknown };
  state: { status: ModelStatus; progress: number | null; detail: string | null };
  [member: string]: unknown;
}

export interface User {
  id: string;
  email: string;
  role: "user" | "admin";
}

export interface Me extends User {
  instructions: string | null;
  default_model: string | null;
}

/** One event of a response's log, or one of ours (`tertulia:…`). */
export interface Frame {
  type: string;
  sequence_number?: number;
  [member: string]: unknown;
}

/** Shorthand for what tests need many of. */
import type { ShownImage } from "../src/state/images";
import type { Said } from "../src/state/send";
import type { Conversation, Status, TreeNode } from "../src/state/types";

export function node(id: string, parent: string | null, words: string | null, more: Partial<TreeNode> = {}): TreeNode {
  const status: Status = more.status ?? "completed";
  return {
    id,
    status,
    model: "scripted",
    created_at: 1,
    previous_response_id: parent,
    output: [{ type: "message", id: `msg_${id}`, role: "assistant", content: [{ type: "output_text", text: `answer ${id}` }] }],
    error: null,
    incomplete_details: null,
    usage: null,
    input: words === null ? [] : [{ type: "message", role: "user", content: [{ type: "input_text", text: words }] }],
    regenerate_of: null,
    last_sequence_number: 9,
    ...more,
  };
}

export const conversation = (id: string, head: string | null = null, updated_at = 1): Conversation => ({
  id,
  created_at: 1,
  updated_at,
  title: null,
  head,
});

export const said = (text: string, images: ShownImage[] = []): Said => ({ text, images });

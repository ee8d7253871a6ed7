/** Items and their parts as a stream builds them; pure, and cheap per delta (only the touched item is copied). */
import type { Frame, Item, Part } from "./types";

type PartList = "content" | "summary";

/** Returns the same array when the event says nothing about items, so that an unknown event changes nothing. */
export function applyContent(items: Item[], frame: Frame): Item[] {
  switch (frame.type) {
    case "response.output_item.added":
      return addItem(items, index(frame, "output_index"), frame["item"] as Item);
    case "response.output_item.done":
      return putItem(items, index(frame, "output_index"), frame["item"] as Item);
    case "response.content_part.added":
    case "response.content_part.done":
      return withPart(items, frame, "content", (part) => partOf(frame, part));
    case "response.reasoning_summary_part.added":
    case "response.reasoning_summary_part.done":
      return withPart(items, frame, "summary", (part) => partOf(frame, part));
    case "response.output_text.delta":
      return withPart(items, frame, "content", grow("output_text", "text", frame));
    case "response.output_text.done":
      return withPart(items, frame, "content", settle("output_text", "text", frame));
    case "response.refusal.delta":
      return withPart(items, frame, "content", grow("refusal", "refusal", frame));
    case "response.refusal.done":
      return withPart(items, frame, "content", settle("refusal", "refusal", frame));
    case "response.reasoning.delta":
    case "response.reasoning_text.delta":
      return withPart(items, frame, "content", grow("reasoning_text", "text", frame));
    case "response.reasoning.done":
    case "response.reasoning_text.done":
      return withPart(items, frame, "content", settle("reasoning_text", "text", frame));
    case "response.reasoning_summary_text.delta":
      return withPart(items, frame, "summary", grow("summary_text", "text", frame));
    case "response.reasoning_summary_text.done":
      return withPart(items, frame, "summary", settle("summary_text", "text", frame));
    case "response.function_call_arguments.delta":
      return withItem(items, frame, (item) => ({ ...item, arguments: (item.arguments ?? "") + String(frame["delta"]) }));
    case "response.function_call_arguments.done":
      return withItem(items, frame, (item) => ({ ...item, arguments: String(frame["arguments"]) }));
    default:
      return items;
  }
}

/** A snapshot's later page: items and parts that are already held carry text to append, others are new. */
export function appendItems(held: Item[], page: Item[]): Item[] {
  const result = [...held];
  for (const item of page) {
    const at = result.findIndex((other) => other.id !== undefined && other.id === item.id);
    const before = result[at];
    if (before === undefined) result.push(item);
    else result[at] = appendItem(before, item);
  }
  return result;
}

function appendItem(before: Item, more: Item): Item {
  const item: Item = { ...before, ...more };
  if (Array.isArray(more.content)) item.content = appendParts(partsOf(before, "content"), more.content);
  if (more.summary) item.summary = appendParts(before.summary ?? [], more.summary);
  if (more.arguments !== undefined) item.arguments = (before.arguments ?? "") + more.arguments;
  return item;
}

function appendParts(before: Part[], more: Part[]): Part[] {
  const parts = [...before];
  more.forEach((part, at) => {
    const held = parts[at];
    if (held === undefined) {
      parts[at] = part;
      return;
    }
    const grown = { ...held };
    if (part.text !== undefined) grown.text = (held.text ?? "") + part.text;
    if (part.refusal !== undefined) grown.refusal = (held.refusal ?? "") + part.refusal;
    parts[at] = grown;
  });
  return parts;
}

/** What an assistant said: the text of all message parts, in order. */
export function outputText(items: Item[]): string {
  let text = "";
  for (const item of items) if (item.type === "message") text += messageText(item);
  return text;
}

export function messageText(item: Item): string {
  if (typeof item.content === "string") return item.content;
  return (item.content ?? []).map((part) => part.text ?? part.refusal ?? "").join("");
}

const index = (frame: Frame, member: string): number => Number(frame[member] ?? 0);

function partsOf(item: Item, list: PartList): Part[] {
  const parts = item[list];
  return Array.isArray(parts) ? parts : [];
}

/** A later attempt may announce again an item that its predecessor opened: the text it has stays. */
function addItem(items: Item[], at: number, item: Item): Item[] {
  const held = items[at];
  return held !== undefined && held.id === item.id ? items.slice() : putItem(items, at, item);
}

function putItem(items: Item[], at: number, item: Item): Item[] {
  const result = items.slice();
  // Never a hole, whatever index a foreign server may send.
  result[Math.min(at, result.length)] = item;
  return result;
}

function withItem(items: Item[], frame: Frame, change: (item: Item) => Item): Item[] {
  const at = index(frame, "output_index");
  const item = items[at];
  return item === undefined ? items : putItem(items, at, change(item));
}

function withPart(items: Item[], frame: Frame, list: PartList, change: (part: Part | undefined) => Part): Item[] {
  return withItem(items, frame, (item) => {
    const parts = partsOf(item, list).slice();
    const at = index(frame, list === "content" ? "content_index" : "summary_index");
    parts[Math.min(at, parts.length)] = change(parts[at]);
    return { ...item, [list]: parts };
  });
}

/** `…part.done` settles a part; `…part.added` must not empty one that a predecessor has begun. */
function partOf(frame: Frame, held: Part | undefined): Part {
  const part = frame["part"] as Part;
  return frame.type.endsWith(".added") && held !== undefined && held.type === part.type ? held : part;
}

type TextMember = "text" | "refusal";

const grow =
  (type: string, member: TextMember, frame: Frame) =>
  (part: Part | undefined): Part => ({ type, ...part, [member]: (part?.[member] ?? "") + String(frame["delta"]) });

const settle =
  (type: string, member: TextMember, frame: Frame) =>
  (part: Part | undefined): Part => ({ type, ...part, [member]: String(frame[member]) });

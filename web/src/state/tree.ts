/**
 * A conversation is a tree of responses. What the screen shows is one path, from the root to the head, cut into turns.
 *
 * Siblings share a parent. Among them, a regeneration has the same input as its original (a variant of the answer), an
 * edit has another input (a variant of the user's message), and a continuation has none: it goes on with its parent's text.
 */
import { messageText } from "./content";
import { imagePart, imagesIn } from "./images";
import type { ShownImage } from "./images";
import type { Item, TreeNode } from "./types";

export interface TurnNode {
  id: string;
  parent: string | null;
  input: Item[];
  regenerateOf: string | null;
  model: string;
}

export interface Tree {
  nodes: Record<string, TurnNode>;
  /** Ids in order of creation. */
  order: string[];
}

/** The variants one can switch between; `ids[index]` is shown. */
export interface Variants {
  ids: string[];
  index: number;
}

export interface Turn {
  /** The user's words, or null for an answer without any. */
  text: string | null;
  images: ShownImage[];
  /** The response that carries the input, then its continuations. */
  chain: TurnNode[];
  edits: Variants;
  answers: Variants;
}

export const emptyTree: Tree = { nodes: {}, order: [] };

export function turnNode(node: TreeNode): TurnNode {
  return {
    id: node.id,
    parent: node.previous_response_id,
    input: typeof node.input === "string" ? [userMessage(node.input)] : node.input,
    regenerateOf: node.regenerate_of,
    model: node.model,
  };
}

export function treeFrom(nodes: TreeNode[]): Tree {
  return nodes.map(turnNode).reduce(insert, emptyTree);
}

export function insert(tree: Tree, node: TurnNode): Tree {
  const known = tree.nodes[node.id] !== undefined;
  return {
    nodes: { ...tree.nodes, [node.id]: node },
    order: known ? tree.order : [...tree.order, node.id],
  };
}

export const userMessage = (text: string, images: readonly ShownImage[] = []): Item => ({
  type: "message",
  role: "user",
  // An image may go without words; words without any are no message.
  content: [...(text.trim() === "" && images.length > 0 ? [] : [{ type: "input_text", text }]), ...images.map(imagePart)],
});

export function inputText(node: TurnNode): string | null {
  const messages = node.input.filter((item) => item.role === "user");
  return messages.length === 0 ? null : messages.map(messageText).join("\n\n");
}

export const isContinuation = (node: TurnNode): boolean => node.input.length === 0 && node.parent !== null;

export function path(tree: Tree, head: string | null): TurnNode[] {
  const nodes: TurnNode[] = [];
  for (let id = head; id !== null; ) {
    const node: TurnNode | undefined = tree.nodes[id];
    if (node === undefined) break;
    nodes.push(node);
    id = node.parent;
  }
  return nodes.toReversed();
}

export function turns(tree: Tree, head: string | null): Turn[] {
  const result: Turn[] = [];
  for (const node of path(tree, head)) {
    const previous = result.at(-1);
    if (previous !== undefined && isContinuation(node)) {
      previous.chain.push(node);
    } else {
      result.push({ text: inputText(node), images: imagesIn(node.input), chain: [node], ...variants(tree, node) });
    }
  }
  return result;
}

/** The newest leaf below a response: where switching to its branch leads. */
export function leafUnder(tree: Tree, id: string): string {
  const children = childrenOf(tree, id);
  const newest = children.at(-1);
  return newest === undefined ? id : leafUnder(tree, newest.id);
}

function childrenOf(tree: Tree, parent: string | null): TurnNode[] {
  return tree.order.map((id) => tree.nodes[id]).filter((node): node is TurnNode => node?.parent === parent);
}

function originalOf(tree: Tree, node: TurnNode): string {
  const earlier = node.regenerateOf === null ? undefined : tree.nodes[node.regenerateOf];
  return earlier === undefined ? node.id : originalOf(tree, earlier);
}

function variants(tree: Tree, node: TurnNode): Pick<Turn, "edits" | "answers"> {
  const original = originalOf(tree, node);
  const groups = new Map<string, string[]>();
  for (const sibling of childrenOf(tree, node.parent)) {
    if (isContinuation(sibling) && sibling.id !== node.id) continue;
    const key = originalOf(tree, sibling);
    groups.set(key, [...(groups.get(key) ?? []), sibling.id]);
  }
  const answers = groups.get(original) ?? [node.id];
  return {
    answers: { ids: answers, index: answers.indexOf(node.id) },
    // An edit is entered by its newest answer.
    edits: { ids: [...groups.values()].map((ids) => ids.at(-1) ?? ""), index: [...groups.keys()].indexOf(original) },
  };
}

/** Colours for code. The highlighter is large, so it comes when the first code block does; until then code is plain. */
import type { HLJSApi } from "highlight.js";

/** Colouring is linear in the code's length and repeated while it grows; beyond this, plain text serves better. */
const LONGEST = 20_000;

let highlighter: HLJSApi | null = null;
let loading: Promise<void> | null = null;
const listeners = new Set<() => void>();

/** HTML with the code escaped, or null when it should be shown as it is. */
export function highlight(code: string, language: string): string | null {
  if (language === "" || code.length > LONGEST) return null;
  if (highlighter === null) {
    loading ??= load();
    return null;
  }
  if (highlighter.getLanguage(language) === undefined) return null;
  return highlighter.highlight(code, { language, ignoreIllegals: true }).value;
}

export const isReady = (): boolean => highlighter !== null;

export function onReady(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

async function load(): Promise<void> {
  try {
    highlighter = (await import("highlight.js/lib/common")).default;
    for (const listener of listeners) listener();
  } catch {
    // Offline, or a new version of the client has replaced the file: the next code block asks again.
    loading = null;
  }
}

/**
 * Cuts growing Markdown into top-level blocks, so that a long answer is parsed once and not once per delta.
 *
 * Text appended at the end can change only the last blocks (a paragraph becomes a heading, a list goes on after a blank
 * line), so only those are cut again; the earlier ones keep their identity, and what is drawn from them stays.
 */
import { Lexer } from "marked";

/** How many blocks at the end may still change; a list, the blank after it, and what follows would be three. */
const UNSETTLED = 4;

interface Token {
  type: string;
  raw: string;
}

export class BlockSplitter {
  private source = "";
  private tokens: Token[] = [];
  /** Link reference definitions; they hold for the whole text, wherever they stand. */
  definitions = "";

  /** The blocks' own text, in order. Joined they are the text, but for blank lines and definitions between them. */
  update(text: string): string[] {
    const source = text.replaceAll(/\r\n?/g, "\n");
    if (source !== this.source) {
      const settled = source.startsWith(this.source) ? this.tokens.slice(0, -UNSETTLED) : [];
      const length = settled.reduce((sum, token) => sum + token.raw.length, 0);
      this.tokens = [...settled, ...cut(source.slice(length))];
      this.source = source;
      this.definitions = this.tokens.filter((token) => token.type === "def").map((token) => token.raw).join("\n");
    }
    return this.tokens.filter((token) => token.type !== "space" && token.type !== "def").map((token) => token.raw);
  }
}

/** Block structure only: what stands inside the blocks is parsed when they are drawn. */
function cut(source: string): Token[] {
  const lexer = new Lexer();
  return lexer.blockTokens(source, lexer.tokens).map(({ type, raw }) => ({ type, raw }));
}

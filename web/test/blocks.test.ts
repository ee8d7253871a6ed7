import { Lexer } from "marked";
import { describe, expect, test } from "vitest";
import { SAMPLE } from "../dev/samples.mjs";
import { BlockSplitter } from "../src/markdown/blocks";
import { randomFrom } from "./random";

const texts: Record<string, string> = {
  sample: SAMPLE,
  lists: "- a\n\n  more of a\n- b\n  1. c\n\n     still c\n\nend\n\n* x\n\n\n* y\n\ntext\nlazy\n",
  headings: "one\n===\n\ntwo\n---\n\n---\n\n# three\nfour\n",
  code: "```js\nlet a = 1;\n\n\nlet b;\n```\n\n    indented\n\n    more\n\ntext\n\n~~~\nopen\n\nstill",
  tables: "| a | b |\n|---|---|\n| 1 | 2 |\n\n| c |\n|---|\n| 3 |\nafter\n",
  html: "<div>\nx\n\n</div>\n\ntext <b>bold</b>\n\n<!-- a\n\ncomment -->\n\nend",
  quotes: "> a\n> b\nlazy\n\n> c\n>\n> - d\n\ne",
  definitions: "See [one] and [two].\n\n[one]: https://example.org/1\n[two]: https://example.org/2\n\nMore [one].",
  carriage: "a\r\n\r\n- b\r\n- c\r\n\rd",
};

function whole(text: string): string[] {
  const lexer = new Lexer();
  const tokens = lexer.blockTokens(text.replaceAll(/\r\n?/g, "\n"), lexer.tokens);
  return tokens.filter(({ type }) => type !== "space" && type !== "def").map(({ raw }) => raw);
}

describe.each(Object.entries(texts))("%s", (_, text) => {
  test("comes out the same however it comes in", () => {
    for (let seed = 1; seed <= 40; seed++) {
      const random = randomFrom(seed);
      const splitter = new BlockSplitter();
      let blocks: string[] = [];
      for (let end = 0; end < text.length; ) {
        end = Math.min(text.length, end + 1 + Math.floor(random() * 12));
        blocks = splitter.update(text.slice(0, end));
      }
      expect(blocks, `seed ${seed}`).toEqual(whole(text));
    }
  });
});

test("another text begins anew", () => {
  const splitter = new BlockSplitter();
  splitter.update("# one\n\ntwo\n\nthree\n\nfour\n\nfive");
  expect(splitter.update("six\n\nseven")).toEqual(["six", "seven"]);
});

test("the work for an answer grows with its length, not with its square", () => {
  const paragraph = `${"word ".repeat(40)}\n\n`;
  let cut = 0;
  const original = Object.getOwnPropertyDescriptor(Lexer.prototype, "blockTokens");
  const blockTokens = original?.value as typeof Lexer.prototype.blockTokens;
  Lexer.prototype.blockTokens = function counting(this: Lexer, source: string, ...rest: never[]) {
    cut += source.length;
    return blockTokens.call(this, source, ...rest);
  } as typeof blockTokens;
  try {
    const splitter = new BlockSplitter();
    for (let n = 1; n <= 250; n++) splitter.update(paragraph.repeat(n));
  } finally {
    Lexer.prototype.blockTokens = blockTokens;
  }
  // Each step cuts the last few blocks again: some five times the text in all, where the square would be 125 times.
  expect(cut / (paragraph.length * 250)).toBeLessThan(6);
});

/**
 * One block of Markdown to safe DOM. A model's words are a stranger's: raw HTML keeps a few plain tags without attributes,
 * pictures become links (fetching one would tell a third party that it was read), and DOMPurify has the last word.
 */
import DOMPurify from "dompurify";
import { Marked } from "marked";
import type { Tokens } from "marked";
import remend from "remend";
import { highlight } from "./highlight";

const FORMATTING = ["b", "i", "em", "strong", "u", "s", "del", "ins", "sub", "sup", "kbd", "mark", "small", "br"];
const STRUCTURE = ["p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "hr", "a", "code", "pre", "span", "div"];
const TABLE = ["table", "thead", "tbody", "tr", "th", "td"];
const CONTROLS = ["button", "input"];

const BARE_TAG = new RegExp(`^</?(?:${FORMATTING.join("|")})\\s*/?>$`, "i");
/**
 * A comment, a script or style with its content, or one tag, each also unfinished: all that starts with `<`. What is taken
 * out here no parser sees; one that did would tell the console of each handler and style that our policy forbids.
 */
const MARKUP = /<!--[\s\S]*?(?:-->|$)|<(script|style)\b[\s\S]*?(?:<\/\1\s*>|$)|<[^>]*>?/gi;
const SAFE_LINK = /^(?:https?:|mailto:|tel:)/i;

const marked = new Marked({
  gfm: true,
  renderer: {
    code: ({ text, lang }: Tokens.Code) => codeBlock(text, (lang ?? "").trim().split(/\s+/)[0] ?? ""),
    html: ({ text }: Tokens.HTML | Tokens.Tag) => text.replaceAll(MARKUP, (markup) => (BARE_TAG.test(markup) ? markup : "")),
    image: ({ href, text }: Tokens.Image) => link(href, escape(text || href)),
    link({ href, tokens }: Tokens.Link) {
      return link(href, this.parser.parseInline(tokens));
    },
    table(token: Tokens.Table) {
      const row = (cells: Tokens.TableCell[]): string => `<tr>${cells.map((cell) => this.tablecell(cell)).join("")}</tr>`;
      const body = token.rows.map(row).join("");
      return `<div class="table-scroll" tabindex="0"><table><thead>${row(token.header)}</thead><tbody>${body}</tbody></table></div>`;
    },
  },
});

/**
 * @param growing the block is still being written: what is open at its end is closed for now, so that `**bo` does not
 *   flash as asterisks
 */
export function renderBlock(raw: string, definitions: string, growing: boolean): DocumentFragment {
  const whole = growing ? remend(raw, { katex: false, linkMode: "text-only" }) : raw;
  // References resolve only against definitions in the same text.
  const source = definitions !== "" && raw.includes("[") ? `${whole}\n\n${definitions}` : whole;
  const html = marked.parse(source, { async: false }).trimEnd();
  return DOMPurify.sanitize(html, {
    RETURN_DOM_FRAGMENT: true,
    ALLOWED_TAGS: [...FORMATTING, ...STRUCTURE, ...TABLE, ...CONTROLS],
    ALLOWED_ATTR: ["href", "target", "rel", "class", "type", "checked", "disabled", "start", "align", "tabindex", "aria-label"],
    ALLOW_DATA_ATTR: true,
  });
}

function link(href: string, label: string): string {
  if (!SAFE_LINK.test(href)) return label;
  return `<a href="${escape(href)}" target="_blank" rel="noopener noreferrer">${label}</a>`;
}

/** The language's name and the button's label are drawn by CSS: the text of the block is the code and nothing else. */
function codeBlock(code: string, language: string): string {
  const html = highlight(code, language) ?? escape(code);
  return (
    `<div class="code-block"><div class="code-head" data-language="${escape(language || "text")}">` +
    `<button type="button" class="code-copy" data-testid="copy-code" aria-label="Copy code"></button></div>` +
    `<pre tabindex="0"><code>${html}</code></pre></div>`
  );
}

const ENTITIES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

const escape = (text: string): string => text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? character);

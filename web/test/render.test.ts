// @vitest-environment jsdom
import { describe, expect, test } from "vitest";
import { morph } from "../src/markdown/morph";
import { renderBlock } from "../src/markdown/render";

function draw(raw: string, definitions = "", growing = false): HTMLElement {
  const host = document.createElement("div");
  host.append(renderBlock(raw, definitions, growing));
  return host;
}

describe("a stranger's words", () => {
  test.each([
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)><a href='javascript:alert(1)'>x</a></svg>",
    "<iframe src='https://example.org'></iframe>",
    "<style>*{display:none}</style>",
    "<form action='https://example.org'><input name=a><button>x</button></form>",
    '<a href="https://example.org" class="button primary" style="position:fixed">x</a>',
    "text <b onclick=alert(1)>bold</b> <img src=https://example.org/x.png> <video src=x></video>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
  ])("%s runs, loads and imitates nothing", (raw) => {
    const host = draw(raw);
    expect(host.querySelector("script,img,svg,iframe,style,form,input,button,video,object,embed,[style],[class]")).toBeNull();
    for (const element of host.querySelectorAll("*")) {
      for (const { name } of element.attributes) expect(name).not.toMatch(/^on/);
    }
  });

  test("plain formatting tags are kept, without attributes", () => {
    expect(draw("H<sub>2</sub>O and <kbd>Enter</kbd><br>line").innerHTML).toBe("<p>H<sub>2</sub>O and <kbd>Enter</kbd><br>line</p>");
  });

  test.each(["javascript:alert(1)", "data:text/html,x", "vbscript:x", "/auth/logout", "JaVaScRiPt:alert(1)"])("a link to %s is only its words", (href) => {
    const host = draw(`[click](${href})`);
    expect(host.querySelector("a")).toBeNull();
    expect(host.textContent).toBe("click");
  });
});

test("links open elsewhere and tell nothing", () => {
  const link = draw("[a](https://example.org/?a=1&b=2) ").querySelector("a");
  expect(link?.getAttribute("href")).toBe("https://example.org/?a=1&b=2");
  expect(link?.getAttribute("target")).toBe("_blank");
  expect(link?.getAttribute("rel")).toBe("noopener noreferrer");
});

test("pictures are links", () => {
  const host = draw("![a <café>](https://example.org/cafe.png)");
  expect(host.querySelector("img")).toBeNull();
  expect(host.querySelector("a")?.textContent).toBe("a <café>");
});

test("references find their definitions in another block", () => {
  expect(draw("See [one].", "[one]: https://example.org/1").querySelector("a")?.getAttribute("href")).toBe("https://example.org/1");
});

test("tables keep their alignment and scroll by themselves", () => {
  const host = draw("| a | b |\n|:--|--:|\n| x | 1 |");
  expect(host.querySelector(".table-scroll > table")).not.toBeNull();
  expect([...host.querySelectorAll("th")].map((cell) => cell.getAttribute("align"))).toEqual(["left", "right"]);
});

test("code keeps every character, has its language and a copy button, and adds no text", () => {
  const code = 'if (a < b && "c") {\n\treturn `<b>`;\n}';
  const host = draw(`\`\`\`ts title="x"\n${code}\n\`\`\``);
  expect(host.querySelector("code")?.textContent).toBe(code);
  expect(host.textContent).toBe(code);
  expect(host.querySelector(".code-head")?.getAttribute("data-language")).toBe("ts");
  expect(host.querySelector("button.code-copy")?.getAttribute("aria-label")).toBe("Copy code");
});

test("a hostile language name stays a name", () => {
  const host = draw('```"><img/src=x>\nx\n```');
  expect(host.querySelector("img")).toBeNull();
  expect(host.querySelector("code")?.textContent).toBe("x");
});

test("task lists show their boxes, which cannot be changed", () => {
  const boxes = draw("- [x] read\n- [ ] discuss").querySelectorAll<HTMLInputElement>("input[type=checkbox]");
  expect([...boxes].map(({ checked, disabled }) => [checked, disabled])).toEqual([
    [true, true],
    [false, true],
  ]);
});

describe("an unfinished block", () => {
  test("is drawn as if it were closed", () => {
    expect(draw("some **bo", "", true).innerHTML).toBe("<p>some <strong>bo</strong></p>");
    expect(draw("some **bo").textContent).toBe("some **bo");
  });

  test("shows the words of a link whose address is still coming", () => {
    const host = draw("see [the pa](https://exa", "", true);
    expect(host.querySelector("a")).toBeNull();
    expect(host.textContent).toBe("see the pa");
  });
});

test("plain words are drawn to the character", () => {
  const words = Array.from({ length: 2_000 }, (_, n) => `w${n}`).join(" ");
  expect(draw(words).textContent).toBe(words);
  expect(draw(words, "", true).textContent).toBe(words);
});

describe("morph", () => {
  test("appends to the text node that is there, so a selection in it survives", () => {
    const host = draw("one two");
    const node = host.querySelector("p")?.firstChild;
    morph(host, renderBlock("one two three **four**", "", false));
    expect(host.querySelector("p")?.firstChild).toBe(node);
    expect(host.innerHTML).toBe("<p>one two three <strong>four</strong></p>");
  });

  test.each([
    ["text", "# heading"],
    ["- a\n- b", "- a"],
    ["[a](https://example.org/1)", "[a](https://example.org/2)"],
    ["```js\na\n```", "```\nb\n```"],
    ["| a |\n|--:|\n| 1 |", "| a |\n|---|\n| 1 |"],
  ])("makes %j into %j", (before, after) => {
    const host = draw(before);
    morph(host, renderBlock(after, "", false));
    expect(host.innerHTML).toBe(draw(after).innerHTML);
  });
});

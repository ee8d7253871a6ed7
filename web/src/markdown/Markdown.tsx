import { memo, useLayoutEffect, useRef, useState, useSyncExternalStore } from "react";
import { copyText } from "../app/clipboard";
import { BlockSplitter } from "./blocks";
import { isReady, onReady } from "./highlight";
import { morph } from "./morph";
import { renderBlock } from "./render";

export interface MarkdownProps {
  text: string;
  /** More may come, or should have come: the last block is drawn as unfinished. */
  growing: boolean;
}

const Markdown = memo(function Markdown({ text, growing }: MarkdownProps) {
  const [splitter] = useState(() => new BlockSplitter());
  const blocks = splitter.update(text);
  return (
    <div className="markdown" data-testid="markdown" onClick={copyCode}>
      {blocks.map((raw, at) => (
        // Blocks are only ever appended or changed in place, so the place is the identity.
        // oxlint-disable-next-line react/no-array-index-key
        <Block key={at} raw={raw} definitions={splitter.definitions} growing={growing && at === blocks.length - 1} />
      ))}
    </div>
  );
});

export default Markdown;

interface BlockProps {
  raw: string;
  definitions: string;
  growing: boolean;
}

const Block = memo(function Block({ raw, definitions, growing }: BlockProps) {
  const element = useRef<HTMLDivElement>(null);
  const colours = useSyncExternalStore(onReady, isReady);
  useLayoutEffect(() => {
    if (element.current !== null) morph(element.current, renderBlock(raw, definitions, growing));
    // `colours` is not read here: code is coloured by renderBlock once the highlighter is ready.
    // oxlint-disable-next-line react/exhaustive-effect-dependencies
  }, [raw, definitions, growing, colours]);
  return <div ref={element} className="block" />;
});

/** One listener for the copy buttons of all code blocks: they are made by the renderer, not by React. */
function copyCode(event: React.MouseEvent): void {
  const button = (event.target as Element).closest(".code-copy");
  const code = button?.closest(".code-block")?.querySelector("code")?.textContent;
  if (button === null || button === undefined || code === null || code === undefined) return;
  void copyText(code).then(() => {
    button.setAttribute("data-copied", "");
    setTimeout(() => button.removeAttribute("data-copied"), 2_000);
  });
}

import { lazy, Suspense } from "react";
import type { ComponentType } from "react";
import type { MarkdownProps } from "../markdown/Markdown";

/** Parser and sanitiser are no part of the first load: the sign-in page and an empty chat do without. */
export async function loadMarkdown(): Promise<{ default: ComponentType<MarkdownProps> }> {
  try {
    return await import("../markdown/Markdown");
  } catch {
    // An updated server no longer has our file: plain text is better than none.
    return { default: Plain };
  }
}

const Markdown = lazy(loadMarkdown);

export function AnswerText(props: MarkdownProps) {
  return (
    <Suspense fallback={<Plain {...props} />}>
      <Markdown {...props} />
    </Suspense>
  );
}

function Plain({ text }: MarkdownProps) {
  return <div className="plain">{text}</div>;
}

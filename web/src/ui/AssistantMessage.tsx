import { memo } from "react";
import type { ResponseState } from "../state/response";
import type { Send } from "../state/send";
import type { Turn } from "../state/tree";
import { isTerminal } from "../state/types";
import { answerText, segmentsOf } from "../state/view";
import type { Segment } from "../state/view";
import { AnswerEnd } from "./AnswerEnd";
import { AnswerText } from "./AnswerText";
import { Branches } from "./Branches";
import { CopyButton } from "./CopyButton";
import { useApp, useAppList } from "./context";
import { ChevronRight, Regenerate, Tool } from "./icons";
import { Waiting } from "./Waiting";

interface AssistantMessageProps {
  turn: Turn;
  /** Something is being written in this conversation: no second answer beside it. */
  busy: boolean;
  last: boolean;
  pending: Send | null;
  onSwitch: (responseId: string) => void;
}

export const AssistantMessage = memo(function AssistantMessage({ turn, busy, last, pending, onSwitch }: AssistantMessageProps) {
  const app = useApp();
  const chain = useAppList((state) => turn.chain.map((node) => state.responses[node.id]).filter((one) => one !== undefined));
  const response = chain.at(-1);
  const node = turn.chain.at(-1);
  const first = turn.chain[0];
  if (response === undefined || node === undefined || first === undefined) return null;

  const done = isTerminal(response.status);
  const segments = segmentsOf(chain);
  const text = answerText(chain);
  return (
    <article
      className="message assistant"
      aria-label="Tertulia"
      data-testid="message-assistant"
      data-response-id={response.id}
      data-status={response.status}
      data-attempt={response.attempt}
      data-streaming={(!done && text !== "") || undefined}
    >
      {segments.map((segment, at) => (
        // Segments only ever grow at the end.
        // oxlint-disable-next-line react/no-array-index-key
        <SegmentView key={at} segment={segment} growing={response.status !== "completed" && at === segments.length - 1} />
      ))}
      {pending !== null && <Waiting send={pending} />}
      {!done && showsWaiting(response) && <Waiting response={response} model={node.model} />}
      {done && pending === null && <AnswerEnd response={response} node={node} hasText={text !== ""} last={last} busy={busy} />}
      {pending === null && (done || turn.answers.ids.length > 1) && (
        <div className="actions">
          <Branches variants={turn.answers} what="answer" onSwitch={onSwitch} />
          {done && text !== "" && <CopyButton text={() => text} />}
          {done && !busy && (
            <button
              type="button"
              className="icon-button"
              aria-label="Regenerate answer"
              title="Regenerate"
              data-testid="regenerate"
              onClick={() => app.chat.regenerate(first)}
            >
              <Regenerate />
            </button>
          )}
        </div>
      )}
    </article>
  );
});

/** Until its own first words come; a continuation waits below the text that it continues. */
function showsWaiting(response: ResponseState): boolean {
  return segmentsOf([response]).length === 0;
}

function SegmentView({ segment, growing }: { segment: Segment; growing: boolean }) {
  switch (segment.type) {
    case "text":
      return <AnswerText text={segment.text} growing={growing} />;
    case "tool":
      return (
        <details className="aside">
          <summary>
            <Tool /> Tool call: <code>{segment.item.name}</code>
            <ChevronRight />
          </summary>
          <pre>{segment.item.arguments}</pre>
        </details>
      );
    case "reasoning":
      return (
        <details className="aside">
          <summary>
            Reasoning
            <ChevronRight />
          </summary>
          <div className="aside-text">{segment.text}</div>
        </details>
      );
  }
}

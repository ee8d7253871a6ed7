import type { ResponseState } from "../state/response";
import type { TurnNode } from "../state/tree";
import { useApp } from "./context";
import { Warning } from "./icons";

interface AnswerEndProps {
  response: ResponseState;
  node: TurnNode;
  hasText: boolean;
  last: boolean;
  busy: boolean;
}

interface End {
  words: string;
  grave?: boolean;
  canContinue?: boolean;
}

/** How an answer ended, when it did not simply end, and what can be done about it. */
export function AnswerEnd({ response, node, hasText, last, busy }: AnswerEndProps) {
  const app = useApp();
  const end = endOf(response, hasText);
  if (end === null) return null;
  return (
    <div className="answer-end" data-grave={end.grave} data-testid="answer-end">
      {end.grave && <Warning />}
      <span className="answer-end-words">{end.words}</span>
      {!busy && (
        <span className="answer-end-buttons">
          {end.canContinue && last && (
            <button type="button" className="button" data-testid="continue" onClick={() => app.chat.continue(node)}>
              Continue
            </button>
          )}
          <button type="button" className="button" data-testid="retry" onClick={() => app.chat.regenerate(node)}>
            Retry
          </button>
        </span>
      )}
    </div>
  );
}

/** The reason, where the server gives one, set into our sentence. */
const why = (response: ResponseState): string => (response.error === null ? "" : `: ${response.error.message.replace(/\.$/, "")}`);

function endOf(response: ResponseState, hasText: boolean): End | null {
  switch (response.status) {
    case "failed":
      return { words: response.error?.message ?? "The answer failed.", grave: true };
    case "cancelled":
      return { words: "You stopped this answer." };
    case "incomplete":
      switch (response.incompleteReason) {
        case "max_output_tokens":
          return { words: "The answer reached its length limit.", canContinue: hasText };
        case "content_filter":
          return { words: "A part of this answer was withheld." };
        default:
          return { words: `The answer was interrupted${why(response)}.`, canContinue: hasText };
      }
    case "completed":
      return hasText || response.items.some((item) => item.type === "function_call") ? null : { words: "The model gave an empty answer." };
    default:
      return null;
  }
}

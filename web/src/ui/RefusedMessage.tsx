import type { Send } from "../state/send";
import { Warning } from "./icons";
import { MessageImages } from "./MessageImages";

interface RefusedMessageProps {
  send: Send;
  busy: boolean;
  onRetry: () => void;
  onEdit: () => void;
}

/** A message that the server did not take. Its words stay until the user sends them again or takes them back. */
export function RefusedMessage({ send, busy, onRetry, onEdit }: RefusedMessageProps) {
  return (
    <article className="message user refused" aria-label="You, not sent" data-testid="message-user" data-failed>
      <MessageImages images={send.images} />
      {send.text !== "" && (
        <div className="bubble" dir="auto" data-testid="user-text">
          {send.text}
        </div>
      )}
      <div className="answer-end" data-grave role="alert" data-testid="send-failed">
        <Warning />
        <span className="answer-end-words">Not sent. {send.failed?.message}</span>
        {!busy && (
          <span className="answer-end-buttons">
            <button type="button" className="button" data-testid="send-edit" onClick={onEdit}>
              Edit
            </button>
            <button type="button" className="button" data-testid="send-retry" onClick={onRetry}>
              Retry
            </button>
          </span>
        )}
      </div>
    </article>
  );
}

import type { ShownImage } from "../state/images";
import type { Send } from "../state/send";
import type { Turn } from "../state/tree";
import type { View } from "../state/view";
import { AssistantMessage } from "./AssistantMessage";
import { useApp } from "./context";
import { RefusedMessage } from "./RefusedMessage";
import { UserMessage } from "./UserMessage";
import { Waiting } from "./Waiting";

interface MessageLogProps {
  view: View;
  conversationId: string | null;
  busy: boolean;
  onHandBack: (text: string, images: readonly ShownImage[]) => void;
}

/**
 * A live log for screen readers. `aria-busy` holds them back while an answer grows, so that they read it once and whole
 * instead of every word as it comes.
 */
export function MessageLog({ view, conversationId, busy, onHandBack }: MessageLogProps) {
  const app = useApp();
  const { turns, pending, refused } = view;
  const continued = pending?.kind === "continue" ? pending : null;
  return (
    <div role="log" aria-live="polite" aria-relevant="additions" aria-busy={busy} aria-label="Messages" className="log" data-testid="log">
      {turns.map((turn, at) => (
        <TurnView
          // The place, so that another branch of the same turn is drawn over it and focus stays on the switcher.
          // oxlint-disable-next-line react/no-array-index-key
          key={at}
          turn={turn}
          conversationId={conversationId}
          busy={busy}
          last={at === turns.length - 1 && pending === null}
          pending={at === turns.length - 1 ? continued : null}
        />
      ))}
      {pending !== null && continued === null && (
        <>
          {(pending.text !== "" || pending.images.length > 0) && <UserMessage text={pending.text} images={pending.images} />}
          <Waiting send={pending} />
        </>
      )}
      {refused.map((send) => (
        <RefusedMessage
          key={send.id}
          send={send}
          onRetry={() => app.chat.retry(send)}
          onEdit={() => {
            app.chat.discard(send);
            onHandBack(send.text, send.images);
          }}
          busy={busy}
        />
      ))}
    </div>
  );
}

interface TurnProps {
  turn: Turn;
  conversationId: string | null;
  busy: boolean;
  last: boolean;
  pending: Send | null;
}

function TurnView({ turn, conversationId, busy, last, pending }: TurnProps) {
  const app = useApp();
  const first = turn.chain[0];
  const switchTo = (responseId: string): void => {
    if (conversationId !== null) void app.conversations.switchTo(conversationId, responseId);
  };
  return (
    <>
      {turn.text !== null && (
        <UserMessage
          text={turn.text}
          images={turn.images}
          variants={turn.edits}
          onSwitch={switchTo}
          {...(busy || first === undefined ? {} : { onEdit: (text: string) => app.chat.edit(first, text) })}
        />
      )}
      <AssistantMessage turn={turn} busy={busy} last={last} pending={pending} onSwitch={switchTo} />
    </>
  );
}

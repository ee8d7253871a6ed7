import { memo, useState } from "react";
import type { Variants } from "../state/tree";
import { Branches } from "./Branches";
import { CopyButton } from "./CopyButton";
import { Pencil } from "./icons";
import { isPlainEnter, useAutosize } from "./textarea";

interface UserMessageProps {
  text: string;
  variants?: Variants;
  onSwitch?: (responseId: string) => void;
  onEdit?: (text: string) => void;
}

export const UserMessage = memo(function UserMessage({ text, variants, onSwitch, onEdit }: UserMessageProps) {
  const [editing, setEditing] = useState(false);
  if (editing && onEdit !== undefined) {
    return (
      <article className="message user editing" data-testid="message-user">
        <EditField
          text={text}
          onDone={(next) => {
            setEditing(false);
            if (next !== null && next !== text) onEdit(next);
          }}
        />
      </article>
    );
  }
  return (
    <article className="message user" data-testid="message-user" aria-label="You">
      <div className="bubble" dir="auto" data-testid="user-text">
        {text}
      </div>
      <div className="actions">
        {variants !== undefined && onSwitch !== undefined && <Branches variants={variants} what="message" onSwitch={onSwitch} />}
        <CopyButton text={() => text} />
        {onEdit !== undefined && (
          <button type="button" className="icon-button" aria-label="Edit message" data-testid="edit" onClick={() => setEditing(true)}>
            <Pencil />
          </button>
        )}
      </div>
    </article>
  );
});

function EditField({ text, onDone }: { text: string; onDone: (text: string | null) => void }) {
  const [draft, setDraft] = useState(text);
  const area = useAutosize(draft);
  const send = (): void => {
    if (draft.trim() !== "") onDone(draft);
  };
  return (
    <div className="bubble">
      <textarea
        ref={area}
        autoFocus
        dir="auto"
        rows={1}
        aria-label="Edit message"
        data-testid="edit-text"
        value={draft}
        onFocus={(event) => event.target.setSelectionRange(draft.length, draft.length)}
        onChange={(event) => setDraft(event.target.value)}
        onKeyDown={(event) => {
          if (isPlainEnter(event)) {
            event.preventDefault();
            send();
          } else if (event.key === "Escape" && !event.nativeEvent.isComposing) {
            event.preventDefault();
            onDone(null);
          }
        }}
      />
      <div className="edit-foot">
        <button type="button" className="button" data-testid="edit-cancel" onClick={() => onDone(null)}>
          Cancel
        </button>
        <button type="button" className="button primary" data-testid="edit-send" disabled={draft.trim() === ""} onClick={send}>
          Send
        </button>
      </div>
    </div>
  );
}

import { memo, useState } from "react";
import type { ShownImage } from "../state/images";
import type { Variants } from "../state/tree";
import { Branches } from "./Branches";
import { CopyButton } from "./CopyButton";
import { Pencil } from "./icons";
import { MessageImages } from "./MessageImages";
import { isPlainEnter, useAutosize } from "./textarea";

interface UserMessageProps {
  text: string;
  images: readonly ShownImage[];
  variants?: Variants;
  onSwitch?: (responseId: string) => void;
  onEdit?: (text: string) => void;
}

export const UserMessage = memo(function UserMessage({ text, images, variants, onSwitch, onEdit }: UserMessageProps) {
  const [editing, setEditing] = useState(false);
  if (editing && onEdit !== undefined) {
    return (
      <article className="message user editing" data-testid="message-user">
        <MessageImages images={images} />
        <EditField
          text={text}
          mayBeEmpty={images.length > 0}
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
      <MessageImages images={images} />
      {text !== "" && (
        <div className="bubble" dir="auto" data-testid="user-text">
          {text}
        </div>
      )}
      <div className="actions">
        {variants !== undefined && onSwitch !== undefined && <Branches variants={variants} what="message" onSwitch={onSwitch} />}
        {text !== "" && <CopyButton text={() => text} />}
        {onEdit !== undefined && (
          <button type="button" className="icon-button" aria-label="Edit message" data-testid="edit" onClick={() => setEditing(true)}>
            <Pencil />
          </button>
        )}
      </div>
    </article>
  );
});

interface EditFieldProps {
  text: string;
  mayBeEmpty: boolean;
  onDone: (text: string | null) => void;
}

function EditField({ text, mayBeEmpty, onDone }: EditFieldProps) {
  const [draft, setDraft] = useState(text);
  const area = useAutosize(draft);
  const sendable = mayBeEmpty || draft.trim() !== "";
  const send = (): void => {
    if (sendable) onDone(draft.trim() === "" ? "" : draft);
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
        <button type="button" className="button primary" data-testid="edit-send" disabled={!sendable} onClick={send}>
          Send
        </button>
      </div>
    </div>
  );
}

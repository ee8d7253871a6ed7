import { useEffect, useImperativeHandle, useState } from "react";
import type { Ref } from "react";
import { useApp } from "./context";
import { ArrowUp, Stop } from "./icons";
import { isPlainEnter, useAutosize } from "./textarea";

export interface ComposerHandle {
  /** Puts words of a refused message back, before what has been written since. */
  handBack(text: string): void;
}

interface ComposerProps {
  conversationId: string | null;
  busy: boolean;
  ready: boolean;
  ref: Ref<ComposerHandle>;
  onSend: (text: string) => void;
  onStop: () => void;
}

export function Composer({ conversationId, busy, ready, ref, onSend, onStop }: ComposerProps) {
  const app = useApp();
  const [text, setText] = useState(() => app.storage.draft(conversationId));
  const area = useAutosize(text);
  const sendable = ready && !busy && text.trim() !== "";

  function write(next: string): void {
    setText(next);
    app.storage.saveDraft(conversationId, next);
  }

  // On a phone a focused field calls up the keyboard over half of the screen.
  useEffect(() => {
    if (matchMedia("(pointer: fine)").matches) area.current?.focus();
  }, [area]);

  useImperativeHandle(ref, () => ({
    handBack(words) {
      write(text.trim() === "" ? words : `${words}\n\n${text}`);
      area.current?.focus();
    },
  }));

  function send(): void {
    if (!sendable) return;
    onSend(text);
    write("");
  }

  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <textarea
        ref={area}
        rows={1}
        dir="auto"
        value={text}
        placeholder="Write a message"
        aria-label="Message"
        enterKeyHint="send"
        data-testid="composer"
        onChange={(event) => {
          write(event.target.value);
          app.typing();
        }}
        onKeyDown={(event) => {
          if (!isPlainEnter(event)) return;
          event.preventDefault();
          send();
        }}
      />
      {busy ? (
        <button type="button" className="round-button" aria-label="Stop the answer" title="Stop (Esc)" data-testid="stop" onClick={onStop}>
          <Stop />
        </button>
      ) : (
        <button type="submit" className="round-button" aria-label="Send" title="Send (Enter)" disabled={!sendable} data-testid="send">
          <ArrowUp />
        </button>
      )}
    </form>
  );
}

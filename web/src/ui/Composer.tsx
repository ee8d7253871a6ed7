import { useEffect, useImperativeHandle, useState } from "react";
import type { Ref } from "react";
import { pickedModel } from "../state/app";
import { holdsBack, takesImages } from "../state/images";
import type { Attachment, ShownImage } from "../state/images";
import { AttachButton, AttachedImages } from "./AttachedImages";
import { useApp, useAppState } from "./context";
import { ArrowUp, Stop } from "./icons";
import { isPlainEnter, useAutosize } from "./textarea";

export interface ComposerHandle {
  /** Puts words and images of a refused message back, before what has been written since. */
  handBack(text: string, images: readonly ShownImage[]): void;
}

interface ComposerProps {
  conversationId: string | null;
  busy: boolean;
  ready: boolean;
  ref: Ref<ComposerHandle>;
  onSend: (text: string, images: ShownImage[]) => void;
  onStop: () => void;
}

const NONE: readonly Attachment[] = [];

export function Composer({ conversationId, busy, ready, ref, onSend, onStop }: ComposerProps) {
  const app = useApp();
  const [text, setText] = useState(() => app.storage.draft(conversationId));
  const area = useAutosize(text);
  const attachments = useAppState((state) => state.attachments[conversationId ?? "new"] ?? NONE);
  const model = useAppState(pickedModel);
  const held = holdsBack(attachments, model);
  const sendable = ready && !busy && held === null && (text.trim() !== "" || attachments.length > 0);
  useEffect(() => app.attachments.open(conversationId), [app, conversationId]);

  function write(next: string): void {
    setText(next);
    app.storage.saveDraft(conversationId, next);
  }

  // On a phone a focused field calls up the keyboard over half of the screen.
  useEffect(() => {
    if (matchMedia("(pointer: fine)").matches) area.current?.focus();
  }, [area]);

  useImperativeHandle(ref, () => ({
    handBack(words, images) {
      if (words !== "") write(text.trim() === "" ? words : `${words}\n\n${text}`);
      app.attachments.handBack(conversationId, images);
      area.current?.focus();
    },
  }));

  function attach(files: File[]): void {
    app.attachments.add(conversationId, files);
    if (matchMedia("(pointer: fine)").matches) area.current?.focus();
  }

  function send(): void {
    if (!sendable) return;
    onSend(text, app.attachments.take(conversationId));
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
      <AttachedImages conversationId={conversationId} attachments={attachments} held={held} onRemoved={() => area.current?.focus()} />
      {takesImages(model) && <AttachButton onFiles={attach} />}
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
        onPaste={(event) => {
          const { files, types } = event.clipboardData;
          // Office programs add a picture of the text that they copy.
          if (files.length === 0 || types.includes("text/plain")) return;
          event.preventDefault();
          app.attachments.add(conversationId, [...files]);
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

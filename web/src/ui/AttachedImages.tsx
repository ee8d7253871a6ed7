import { useRef } from "react";
import { ACCEPTED } from "../app/attachments";
import type { Attachment } from "../state/images";
import { useApp } from "./context";
import { Close, Picture, Regenerate } from "./icons";
import { usePicture } from "./usePicture";

interface AttachedImagesProps {
  conversationId: string | null;
  attachments: readonly Attachment[];
  /** Why the message cannot go yet. */
  held: string | null;
  /** After a removal the focus must be somewhere. */
  onRemoved: () => void;
}

/** The images that will go with the next message. */
export function AttachedImages({ conversationId, attachments, held, onRemoved }: AttachedImagesProps) {
  const { attachments: all } = useApp();
  const wrong = attachments.some((one) => one.error !== null && !one.waiting);
  return (
    <>
      {attachments.length > 0 && (
        <ul className="attached" aria-label="Attached images" data-testid="attached">
          {attachments.map((one) => (
            <li
              key={one.key}
              className="attachment"
              data-testid="attachment"
              data-state={one.fileId !== null ? "uploaded" : one.error !== null ? "failed" : "uploading"}
              aria-busy={one.fileId === null && one.error === null}
            >
              <Thumbnail one={one} />
              {one.error !== null && (
                <button
                  type="button"
                  className="attachment-retry"
                  aria-label={`Upload ${one.name} again`}
                  title={one.error}
                  data-testid="attachment-retry"
                  onClick={() => all.retry(conversationId, one.key)}
                >
                  <Regenerate />
                </button>
              )}
              <button
                type="button"
                className="attachment-remove"
                aria-label={`Remove ${one.name}`}
                title="Remove"
                data-testid="attachment-remove"
                onClick={() => {
                  all.remove(conversationId, one.key);
                  onRemoved();
                }}
              >
                <Close />
              </button>
            </li>
          ))}
        </ul>
      )}
      <p className={held === null ? "visually-hidden" : "attached-words"} role="status" data-grave={wrong || undefined} data-testid="attached-words">
        {held ?? (attachments.length === 0 ? "" : attachments.length === 1 ? "1 image attached." : `${attachments.length} images attached.`)}
      </p>
    </>
  );
}

function Thumbnail({ one }: { one: Attachment }) {
  return one.fileId === null ? <span className="attachment-name">{one.name}</span> : <Uploaded fileId={one.fileId} name={one.name} />;
}

function Uploaded({ fileId, name }: { fileId: string; name: string }) {
  const { url } = usePicture({ fileId });
  return url === null ? <span className="attachment-name">{name}</span> : <img src={url} alt={name} title={name} />;
}

/** Opens the system's own picker; on a phone that offers the camera too. */
export function AttachButton({ onFiles }: { onFiles: (files: File[]) => void }) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <input
        ref={input}
        type="file"
        hidden
        multiple
        accept={ACCEPTED.join(",")}
        data-testid="attach-input"
        onChange={(event) => {
          onFiles([...(event.target.files ?? [])]);
          // The same file chosen once more is a change too.
          event.target.value = "";
        }}
      />
      <button
        type="button"
        className="icon-button attach"
        aria-label="Attach images"
        title="Attach images"
        data-testid="attach"
        onClick={() => input.current?.click()}
      >
        <Picture />
      </button>
    </>
  );
}

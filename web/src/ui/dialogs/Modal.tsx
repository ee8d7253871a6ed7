import { useEffect, useRef } from "react";
import type { ReactNode } from "react";
import { Close } from "../icons";

interface ModalProps {
  title: string;
  testId: string;
  onClose: () => void;
  children: ReactNode;
}

/** The browser's own dialog: focus stays inside, Escape closes, and the focus returns to where it was. */
export function Modal({ title, testId, onClose, children }: ModalProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    dialog.current?.showModal();
    // The browser would take the first control, which is the one that closes.
    dialog.current?.querySelector<HTMLElement>("input, textarea")?.focus();
  }, []);
  return (
    <dialog
      ref={dialog}
      className="modal"
      aria-labelledby="modal-title"
      data-testid={testId}
      onClose={onClose}
      onMouseDown={(event) => {
        // The dialog's own box is covered by its content, so only its backdrop is hit directly.
        if (event.target === dialog.current) dialog.current.close();
      }}
    >
      <div className="modal-body">
        <header className="modal-head">
          <h2 id="modal-title">{title}</h2>
          <button type="button" className="icon-button" aria-label="Close" onClick={() => dialog.current?.close()}>
            <Close />
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}

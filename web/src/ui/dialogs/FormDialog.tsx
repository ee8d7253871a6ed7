import type { ReactNode } from "react";
import { Modal } from "./Modal";
import { useSubmit } from "./useSubmit";

interface Props {
  title: string;
  testId: string;
  /** Said before the fields. */
  lead?: ReactNode;
  /** The fields. */
  children: ReactNode;
  /** On the button that does it, and its test id. */
  action: string;
  actionId: string;
  /** Whether what it does cannot be undone. */
  grave?: boolean;
  onClose: () => void;
  /** Rejects with what the reader is to be told. */
  submit: () => Promise<void>;
}

/** A dialog that is one form: fields, what went wrong, and two buttons. */
export function FormDialog({ title, testId, lead, children, action, actionId, grave = false, onClose, submit }: Props) {
  const { busy, error, onSubmit } = useSubmit(submit);
  return (
    <Modal title={title} testId={testId} onClose={onClose}>
      {lead}
      <form onSubmit={onSubmit} className="form">
        {children}
        {error !== null && (
          <p className="form-error" role="alert">
            {error}
          </p>
        )}
        <footer className="form-foot">
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className={`button ${grave ? "grave" : "primary"}`} disabled={busy} data-testid={actionId}>
            {action}
          </button>
        </footer>
      </form>
    </Modal>
  );
}

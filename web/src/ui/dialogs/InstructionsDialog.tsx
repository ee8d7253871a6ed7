import { useState } from "react";
import { useApp, useAppState } from "../context";
import { Modal } from "./Modal";
import { useSubmit } from "./useSubmit";

const LONGEST = 32_768;

export function InstructionsDialog({ onClose }: { onClose: () => void }) {
  const { account, notices } = useApp();
  const saved = useAppState((state) => state.me?.instructions ?? "");
  const [text, setText] = useState(saved);
  const { busy, error, onSubmit } = useSubmit(async () => {
    await account.save({ instructions: text.trim() === "" ? null : text });
    notices.show("Custom instructions saved");
    onClose();
  });

  return (
    <Modal title="Custom instructions" testId="dialog-instructions" onClose={onClose}>
      <form onSubmit={onSubmit} className="form">
        <label className="field">
          <span className="faint">What should the model know about you, and how should it answer? Sent with each message.</span>
          <textarea
            rows={9}
            maxLength={LONGEST}
            value={text}
            placeholder="For example: I live in Seville. Keep answers short; use metric units."
            data-testid="instructions-text"
            onChange={(event) => setText(event.target.value)}
          />
        </label>
        {error !== null && (
          <p className="form-error" role="alert">
            {error}
          </p>
        )}
        <footer className="form-foot">
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="button primary" disabled={busy} data-testid="instructions-save">
            Save
          </button>
        </footer>
      </form>
    </Modal>
  );
}

import { useState } from "react";
import { useApp, useAppState } from "../context";
import { FormDialog } from "./FormDialog";

const LONGEST = 32_768;

export function InstructionsDialog({ onClose }: { onClose: () => void }) {
  const { account, notices } = useApp();
  const saved = useAppState((state) => state.me?.instructions ?? "");
  const [text, setText] = useState(saved);

  async function submit(): Promise<void> {
    await account.save({ instructions: text.trim() === "" ? null : text });
    notices.show("Custom instructions saved");
    onClose();
  }

  return (
    <FormDialog title="Custom instructions" testId="dialog-instructions" action="Save" actionId="instructions-save" onClose={onClose} submit={submit}>
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
    </FormDialog>
  );
}

import { useState } from "react";
import { useApp } from "../context";
import { FormDialog } from "./FormDialog";
import { PasswordField, withPassword } from "./PasswordField";

export function PasswordDialog({ onClose }: { onClose: () => void }) {
  const { account, notices } = useApp();
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");

  async function submit(): Promise<void> {
    await withPassword(account.changePassword(current, next), "The current password is wrong.");
    notices.show("Password changed. Your other devices are signed out.");
    onClose();
  }

  return (
    <FormDialog title="Change password" testId="dialog-password" action="Change password" actionId="password-save" onClose={onClose} submit={submit}>
      <PasswordField label="Current password" fills="current-password" value={current} testId="password-current" onChange={setCurrent} />
      <PasswordField label="New password" fills="new-password" value={next} testId="password-new" onChange={setNext} />
    </FormDialog>
  );
}

import { useState } from "react";
import { useApp, useAppState } from "../context";
import { FormDialog } from "./FormDialog";
import { PasswordField, withPassword } from "./PasswordField";

export function DeleteDialog({ onClose }: { onClose: () => void }) {
  const app = useApp();
  const email = useAppState((state) => state.me?.email);
  const [password, setPassword] = useState("");

  return (
    <FormDialog
      title="Delete account"
      testId="dialog-delete"
      lead={
        <>
          <p>
            This deletes <bdi>{email}</bdi> with all conversations, files, instructions and API keys. All your devices are signed out, and answers that
            are being written stop.
          </p>
          <p>
            <strong>It cannot be undone.</strong>
          </p>
        </>
      }
      action="Delete account"
      actionId="delete-account"
      grave
      onClose={onClose}
      submit={() => withPassword(app.deleteAccount(password), "The password is wrong.")}
    >
      <PasswordField label="Password" fills="current-password" value={password} testId="delete-password" onChange={setPassword} />
    </FormDialog>
  );
}

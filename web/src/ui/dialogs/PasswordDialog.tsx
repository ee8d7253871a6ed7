import { useState } from "react";
import { ApiError } from "../../net/http";
import { useApp } from "../context";
import { Modal } from "./Modal";
import { useSubmit } from "./useSubmit";

export function PasswordDialog({ onClose }: { onClose: () => void }) {
  const { account, notices } = useApp();
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const { busy, error, onSubmit } = useSubmit(async () => {
    try {
      await account.changePassword(current, next);
    } catch (reason) {
      const wrong = reason instanceof ApiError && reason.code === "invalid_credentials";
      throw wrong ? new Error("The current password is wrong.") : reason;
    }
    notices.show("Password changed. Your other devices are signed out.");
    onClose();
  });

  return (
    <Modal title="Change password" testId="dialog-password" onClose={onClose}>
      <form onSubmit={onSubmit} className="form">
        <label className="field">
          <span>Current password</span>
          <input
            type="password"
            autoComplete="current-password"
            required
            value={current}
            data-testid="password-current"
            onChange={(event) => setCurrent(event.target.value)}
          />
        </label>
        <label className="field">
          <span>New password</span>
          <input
            type="password"
            autoComplete="new-password"
            required
            value={next}
            data-testid="password-new"
            onChange={(event) => setNext(event.target.value)}
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
          <button type="submit" className="button primary" disabled={busy} data-testid="password-save">
            Change password
          </button>
        </footer>
      </form>
    </Modal>
  );
}

import { useState } from "react";
import { ApiError } from "../../net/http";
import { useApp, useAppState } from "../context";
import { Modal } from "./Modal";
import { useSubmit } from "./useSubmit";

export function DeleteDialog({ onClose }: { onClose: () => void }) {
  const app = useApp();
  const email = useAppState((state) => state.me?.email);
  const [password, setPassword] = useState("");
  const { busy, error, onSubmit } = useSubmit(async () => {
    try {
      await app.deleteAccount(password);
    } catch (reason) {
      const wrong = reason instanceof ApiError && reason.code === "invalid_credentials";
      throw wrong ? new Error("The password is wrong.") : reason;
    }
  });

  return (
    <Modal title="Delete account" testId="dialog-delete" onClose={onClose}>
      <p>
        This deletes <bdi>{email}</bdi> with all conversations, files, instructions and API keys. All your devices are signed out, and answers that are
        being written stop.
      </p>
      <p>
        <strong>It cannot be undone.</strong>
      </p>
      <form onSubmit={onSubmit} className="form">
        <label className="field">
          <span>Password</span>
          <input
            type="password"
            autoComplete="current-password"
            required
            value={password}
            data-testid="delete-password"
            onChange={(event) => setPassword(event.target.value)}
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
          <button type="submit" className="button grave" disabled={busy} data-testid="delete-account">
            Delete account
          </button>
        </footer>
      </form>
    </Modal>
  );
}

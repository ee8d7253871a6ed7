import { useEffect, useState } from "react";
import type { ApiKey } from "../../app/account";
import { copyText } from "../../app/clipboard";
import { useApp } from "../context";
import { Copy, Trash } from "../icons";
import { Modal } from "./Modal";
import { useSubmit } from "./useSubmit";

export function KeysDialog({ onClose }: { onClose: () => void }) {
  const { account, notices } = useApp();
  const [keys, setKeys] = useState<ApiKey[] | null>(null);
  const [name, setName] = useState("");
  const [created, setCreated] = useState<string | null>(null);
  const { busy, error, onSubmit } = useSubmit(async () => {
    const key = await account.createKey(name.trim());
    setCreated(key.key);
    setName("");
    setKeys(await account.keys());
  });

  useEffect(() => {
    account.keys().then(setKeys, (reason: unknown) => notices.failure("The keys could not be listed", reason));
  }, [account, notices]);

  async function revoke(key: ApiKey): Promise<void> {
    try {
      await account.revokeKey(key.id);
      setKeys(await account.keys());
    } catch (reason) {
      notices.failure("The key could not be revoked", reason);
    }
  }

  return (
    <Modal title="API keys" testId="dialog-keys" onClose={onClose}>
      <p className="faint">Programs use a key in place of your password. The official OpenAI clients work with this server’s address and a key.</p>
      {created !== null && (
        <div className="new-key" role="status">
          <p>Copy the key now; it is not shown again.</p>
          <div className="new-key-row">
            <code data-testid="key-value">{created}</code>
            <button
              type="button"
              className="icon-button"
              aria-label="Copy the key"
              data-testid="key-copy"
              onClick={() => void copyText(created).then(() => notices.show("Key copied"))}
            >
              <Copy />
            </button>
          </div>
        </div>
      )}
      <ul className="keys">
        {keys?.map((key) => (
          <li key={key.id} data-testid="key-row">
            <span className="key-name">
              <bdi>{key.name}</bdi>
              <small className="faint">
                {key.prefix}… · {lastUse(key)}
              </small>
            </span>
            <button type="button" className="icon-button" aria-label={`Revoke ${key.name}`} data-testid="key-revoke" onClick={() => void revoke(key)}>
              <Trash />
            </button>
          </li>
        ))}
        {keys?.length === 0 && <li className="faint">No keys yet.</li>}
      </ul>
      <form onSubmit={onSubmit} className="form inline">
        <input
          aria-label="Name of the new key"
          placeholder="Name, for example: laptop"
          required
          maxLength={100}
          value={name}
          data-testid="key-name"
          onChange={(event) => setName(event.target.value)}
        />
        <button type="submit" className="button primary" disabled={busy} data-testid="key-create">
          Create key
        </button>
      </form>
      {error !== null && (
        <p className="form-error" role="alert">
          {error}
        </p>
      )}
    </Modal>
  );
}

const lastUse = (key: ApiKey): string =>
  key.last_used_at === null ? "never used" : `last used ${new Date(key.last_used_at * 1000).toLocaleDateString()}`;

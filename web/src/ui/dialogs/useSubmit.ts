import { useState } from "react";
import type { SyntheticEvent } from "react";

/** A form's hand-over to the server: busy meanwhile, and the server's words when it refuses. */
export function useSubmit(work: () => Promise<void>) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);

  async function submit(event: SyntheticEvent): Promise<void> {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await work();
    } catch (reason) {
      setError(reason instanceof Error ? reason.message : String(reason));
    } finally {
      setBusy(false);
    }
  }

  return { busy, error, onSubmit: (event: SyntheticEvent) => void submit(event) };
}

import { useEffect, useState } from "react";
import { useApp, useAppState } from "./context";

/** A reconnect that takes no longer than this is nobody's business. */
const UNNOTICED_MS = 1_200;

const STOPPED: Record<number, string> = {
  4003: "This device may not connect to the server.",
  4004: "Too many tabs or devices are connected.",
};

export function ConnectionBanner() {
  const app = useApp();
  const { phase, code } = useAppState((state) => state.connection);
  const [late, setLate] = useState(false);
  const open = phase === "open";

  useEffect(() => {
    if (open) return;
    const timer = setTimeout(() => setLate(true), UNNOTICED_MS);
    return () => {
      clearTimeout(timer);
      setLate(false);
    };
  }, [open]);

  if (open || !late) return null;
  return (
    <div className="banner" role="status" data-testid="banner-connection" data-phase={phase}>
      <span className="banner-dot" />
      {phase === "offline" && "You are offline. What you write is kept and sent later."}
      {(phase === "connecting" || phase === "reconnecting") && "Reconnecting…"}
      {phase === "stopped" && (
        <>
          {STOPPED[code ?? 0] ?? "The connection was closed by the server."}
          <button type="button" className="button quiet" onClick={() => app.reconnect()}>
            Connect
          </button>
        </>
      )}
    </div>
  );
}

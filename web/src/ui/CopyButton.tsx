import { useEffect, useState } from "react";
import { copyText } from "../app/clipboard";
import { Check, Copy } from "./icons";

/** Copies the source as it was written, not what was drawn from it. */
export function CopyButton({ text }: { text: () => string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 2_000);
    return () => clearTimeout(timer);
  }, [copied]);
  return (
    <button
      type="button"
      className="icon-button"
      aria-label={copied ? "Copied" : "Copy"}
      title="Copy"
      data-testid="copy"
      onClick={() => void copyText(text()).then(() => setCopied(true))}
    >
      {copied ? <Check /> : <Copy />}
    </button>
  );
}

import { useAppState } from "./context";

const WORDS: Record<string, string> = {
  queued: "An answer is being written.",
  in_progress: "An answer is being written.",
  completed: "The answer is complete.",
  failed: "The answer failed.",
  cancelled: "The answer was stopped.",
  incomplete: "The answer is incomplete.",
};

/** Tells a screen reader that an answer began and how it ended; the log itself keeps still while it grows. */
export function Announcer({ head }: { head: string | null }) {
  const status = useAppState((state) => (head === null ? undefined : state.responses[head]?.status));
  return (
    <p className="visually-hidden" role="status">
      {WORDS[status ?? ""] ?? ""}
    </p>
  );
}

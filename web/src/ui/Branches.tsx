import type { Variants } from "../state/tree";
import { ChevronLeft, ChevronRight } from "./icons";

interface BranchesProps {
  variants: Variants;
  /** What there are several of: “message”, “answer”. */
  what: string;
  onSwitch: (responseId: string) => void;
}

export function Branches({ variants, what, onSwitch }: BranchesProps) {
  const { ids, index } = variants;
  if (ids.length < 2) return null;
  const step = (to: number): void => {
    const id = ids[to];
    if (id !== undefined) onSwitch(id);
  };
  return (
    <span className="branches" role="group" aria-label={`Versions of this ${what}`}>
      <button
        type="button"
        className="icon-button"
        aria-label="Previous version"
        aria-disabled={index === 0}
        data-testid="branch-prev"
        onClick={() => step(index - 1)}
      >
        <ChevronLeft />
      </button>
      <span className="branch-label" data-testid="branch-label">
        {index + 1}/{ids.length}
      </span>
      <button
        type="button"
        className="icon-button"
        aria-label="Next version"
        aria-disabled={index === ids.length - 1}
        data-testid="branch-next"
        onClick={() => step(index + 1)}
      >
        <ChevronRight />
      </button>
    </span>
  );
}

"""The workers that are there, and what they can do together. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

#: The part that one turn has in the mean of how long turns take: the last dozen or so count.
_WEIGHT: Final = 1 / 8


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker tells of itself. ``slots``: responses that it runs at once. ``turn_seconds``:
    how long its turns take on average; None: none has ended yet."""

    worker_id: str
    slots: int
    turn_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Fleet:
    """All live workers together."""

    workers: int = 0
    slots: int = 0
    turn_seconds: float | None = None

    @classmethod
    def of(cls, reports: Iterable[Report]) -> Fleet:
        """Turns end at the rate of all workers together, so the fast and the large ones count
        for more; those of which nobody can tell are taken to be like the others."""
        told = list(reports)
        known = [(r.slots, r.turn_seconds) for r in told if r.turn_seconds]
        rate = sum(slots / seconds for slots, seconds in known)
        return cls(
            len(told),
            sum(r.slots for r in told),
            sum(slots for slots, _ in known) / rate if rate else None,
        )


def smoothed(mean: float | None, seconds: float) -> float:
    """The exponentially weighted mean after one more turn."""
    return seconds if mean is None else mean + (seconds - mean) * _WEIGHT

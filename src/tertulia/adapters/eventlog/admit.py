"""Which frames a log takes: the rules of `EventLog.append`, the same for every backend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tertulia.domain.frame import Frame, first_number, follows
from tertulia.errors import Fenced, PositionLost, Unavailable


@dataclass(frozen=True, slots=True)
class Held:
    """What a log says of itself."""

    #: The fence: the highest attempt that has opened it.
    attempt: int
    #: Number of its last frame; None while it has none.
    last_number: int | None
    ended: bool


def admit(response_id: str, held: Held, attempt: int, frames: Sequence[Frame]) -> Sequence[Frame]:
    """The frames that are new to the log; they follow what it holds without a gap.

    Raises:
        Fenced: a higher attempt has opened the log, or it ended.
        Unavailable: frames before these are missing (their append failed): append all again.
    """
    if attempt < held.attempt:
        raise Fenced(f"attempt {held.attempt} has taken {response_id} over from {attempt}")
    last = held.last_number
    fresh = [f for f in frames if last is None or f.sequence_number > last]
    if fresh and held.ended:
        raise Fenced(f"the log of {response_id} has ended with frame {last}", code="log_ended")
    for frame in fresh:
        if not follows(last, frame):
            raise Unavailable(
                f"frame {frame.sequence_number} of {response_id} does not follow frame {last}"
            )
        last = frame.sequence_number
    return fresh


def begins(attempt: int, frames: Sequence[Frame]) -> bool:
    """Whether these frames are the start of a log that does not exist."""
    first = frames[0]
    return first.continues is None and first.sequence_number == first_number(attempt)


def gone(response_id: str) -> Fenced:
    """The error of an append to a log that was erased or lost: `EventLog.open` begins it anew."""
    return Fenced(f"the log of {response_id} is gone", code="log_lost")


def position_lost(response_id: str, after: int | None) -> PositionLost:
    return PositionLost(
        f"the stream of {response_id} does not hold position {after}: retrieve the response, or "
        "stream it from the start",
        param="starting_after",
    )

"""Events of Tertulia's own, which a plain stream carries only when it was asked for them."""

from __future__ import annotations

from tertulia.domain.frame import Frame
from tertulia.transports.reply import encode

ATTEMPT = "tertulia:attempt"
POSITION = "tertulia:position"


def attempt_event(frame: Frame) -> bytes:
    """``tertulia:attempt``, to be sent before the first frame of a later attempt."""
    return encode({"type": ATTEMPT, "after": frame.continues, "attempt": frame.attempt})


def position_event(after: int | None, place: int) -> bytes:
    """``tertulia:position``, while a response waits: its place, 1 being next."""
    return encode(
        {
            "type": POSITION,
            "after": after,
            "position": place,
            "expected_wait_ms": None,
        }
    )

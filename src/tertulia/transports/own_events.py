"""Events of Tertulia's own, which a plain stream carries only when it was asked for them."""

from __future__ import annotations

from tertulia.domain.frame import Frame
from tertulia.transports.reply import encode


def attempt_event(frame: Frame) -> tuple[str, bytes]:
    """``tertulia:attempt``, to be sent before the first frame of a later attempt: kind and data."""
    kind = "tertulia:attempt"
    body = {"type": kind, "after": frame.continues, "attempt": frame.attempt}
    return kind, encode(body)


def position_event(after: int | None, place: int) -> bytes:
    """``tertulia:position``, while a response waits: its place, 1 being next."""
    return encode(
        {
            "type": "tertulia:position",
            "after": after,
            "position": place,
            "expected_wait_ms": None,
        }
    )

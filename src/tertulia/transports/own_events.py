"""Events of Tertulia's own, which a plain stream carries only when it was asked for them."""

from __future__ import annotations

import math

from tertulia.domain.frame import Frame
from tertulia.domain.prospect import Prospect
from tertulia.transports.described import Described
from tertulia.transports.reply import encode

ATTEMPT = "tertulia:attempt"
POSITION = "tertulia:position"
SNAPSHOT = "tertulia:snapshot"

#: They have no number of their own: ``after`` is that of the last event before them.
OURS = {
    POSITION: Described(
        "`after`, `position`, `expected_wait_ms`",
        "While it waits: its place in the queue, 1 being next, and how long until it may begin, as "
        "things stand. Users are served in turn, so work that comes later may still go first. Sent "
        "whenever the place has changed; the wait is null until a turn has ended.",
    ),
    ATTEMPT: Described(
        "`after`, `attempt`",
        "Another worker has taken over. The next event's number is far greater, and its text goes "
        "on after number `after`.",
    ),
    SNAPSHOT: Described(
        "`after`, `page`, `pages`, `output`",
        "The feed only, to a reader that fell behind: what the response has written up to number "
        "`after`, in pages counted from 0, replaces what the reader holds.",
    ),
}


def attempt_event(frame: Frame) -> bytes:
    """``tertulia:attempt``, to be sent before the first frame of a later attempt."""
    return encode({"type": ATTEMPT, "after": frame.continues, "attempt": frame.attempt})


def position_event(after: int | None, prospect: Prospect) -> bytes:
    """``tertulia:position``, while a response waits."""
    wait = None if prospect.wait is None else math.ceil(prospect.wait * 1000)
    return encode(
        {
            "type": POSITION,
            "after": after,
            "position": prospect.place,
            "expected_wait_ms": wait,
        }
    )

"""What a response that waits can be told: its place, and when its turn may come. Pure.

Both are of the moment: who comes later and has had less may still go first, and who cancels makes
room. The wait is what turns have taken of late, over the slots there are; while no turn has ended
nobody can tell.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from tertulia.domain.admission import Limits, Turns, turn_of

#: Seconds that a refused client is told to wait: at least, at most, and where nothing has ended.
RETRY_LEAST: Final = 1.0
RETRY_MOST: Final = 60.0
RETRY_BLIND: Final = 5.0

#: Turns that lie no further apart begin at the same moment.
_SAME: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Prospect:
    """``place``: 1 is next. ``wait``: seconds; None where nobody can tell."""

    place: int
    wait: float | None


@dataclass(frozen=True, slots=True)
class Queued:
    """What one user has waiting in one tier."""

    user_id: str
    tier: str
    count: int


@dataclass(frozen=True, slots=True)
class Standing:
    """A response that has not begun, among its user's own.

    ``waits``: it has no slot yet. ``admitted_before`` and ``waiting_before``: accepted before it,
    with a slot but not begun, or without one. ``running``: those of its user with a slot, begun or
    not; ``free``: slots that nobody has."""

    user_id: str
    tier: str
    waits: bool
    admitted_before: int
    waiting_before: int
    running: int
    free: int


def prospect(
    standing: Standing, queued: Iterable[Queued], turns: Turns, limits: Limits
) -> Prospect:
    """``queued``: of all other users; needed only while slots are scarce.

    The place is at most that in which `admit` would start it, if all that wait were able to.
    """
    own = standing.waiting_before
    before = standing.admitted_before + own
    seconds = limits.turn_seconds
    if not standing.waits:
        return Prospect(before + 1, None if seconds is None else 0.0)
    scarce = limits.scarce(standing.free)
    ahead = own + (_others_ahead(standing, queued, turns) if scarce else 0)
    place = standing.admitted_before + ahead + 1
    if seconds is None:
        return Prospect(place, None)
    wait = 0.0
    if standing.running:
        # One of the user's own has to end for each that stands before, and for this one.
        held_up = own + 1 if standing.running >= limits.running or not scarce else own
        wait = held_up * seconds / standing.running
    if scarce:
        wait = max(wait, wait_for_slot(ahead, limits) or 0.0)
    return Prospect(place, wait)


def wait_for_slot(ahead: int, limits: Limits) -> float | None:
    """Seconds until so many others and one more have been given slots, all of which are taken."""
    if limits.turn_seconds is None:
        return None
    return (ahead + 1) * limits.turn_seconds / max(1, limits.capacity)


def newcomer_wait(
    standing: Standing, queued: Iterable[Queued], turns: Turns, limits: Limits
) -> float | None:
    """How long a response that is yet to be accepted would wait for others' slots; what its user
    waits for by their own limits is no sign of too much work."""
    return wait_for_slot(standing.waiting_before + _others_ahead(standing, queued, turns), limits)


def _others_ahead(standing: Standing, queued: Iterable[Queued], turns: Turns) -> int:
    """Turns of others that begin no later than that of this response.

    A user's waiting responses begin one turn after the other, each as long as theirs are on
    average.
    """
    start = turns.start(standing.user_id) + standing.waiting_before * turn_of(standing.tier)
    counts: dict[str, int] = {}
    lengths: dict[str, float] = {}
    for some in queued:
        if some.user_id != standing.user_id:
            counts[some.user_id] = counts.get(some.user_id, 0) + some.count
            length = some.count * turn_of(some.tier)
            lengths[some.user_id] = lengths.get(some.user_id, 0.0) + length
    ahead = 0
    for user, count in counts.items():
        lead = start - turns.start(user)
        if lead > -_SAME:
            ahead += min(count, math.floor(lead * count / lengths[user] + _SAME) + 1)
    return ahead


def retry_when_full(turns: Sequence[float], limits: Limits) -> float:
    """Seconds until one of a user's places becomes free, by how long their own last turns took."""
    known = sum(turns) / len(turns) if turns else limits.turn_seconds
    return _bounded(RETRY_BLIND if known is None else known / limits.running)


def retry_when_busy(wait: float, limits: Limits) -> float:
    """Seconds until a wait so long has become bearable, if nothing more is accepted meanwhile."""
    return _bounded(wait - limits.shed_wait)


def _bounded(seconds: float) -> float:
    return min(RETRY_MOST, max(RETRY_LEAST, seconds))

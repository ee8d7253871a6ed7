"""Fair admission: who of the waiting may run now. Pure; the store applies it in a transaction.

Where slots are few they are given out in turns, by start-time fair queueing (Goyal, Vin and Cheng,
SIGCOMM 1996) with the turn as the unit: on a scale of turns each user's next one begins where their
last one ended, a turn is the shorter the higher its service tier weighs, and the earliest is next.
A user who was away joins where the others are. So over any time in which two users have work
waiting, the turns of the one, over their weight, and those of the other differ by no more than one
each; and a hundred messages of one user delay another's one by one turn at most.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

#: Turns a user of the tier gets for each of a `default` user.
TIER_WEIGHT: Mapping[str, float] = {"flex": 0.5, "default": 1.0, "auto": 1.0, "priority": 2.0}

#: With fewer slots none is kept free: each is too large a part of all.
_FEWEST_WITH_RESERVE: Final = 4


@dataclass(frozen=True, slots=True)
class Limits:
    """``running`` and ``waiting``: responses of one user; ``capacity``: of all users together."""

    running: int = 2
    waiting: int = 10
    capacity: int = 512
    #: The part of the capacity that only users with nothing running may take.
    reserved: float = 0.125
    #: New work is refused when it would wait longer than this for a slot, in seconds.
    shed_wait: float = 30.0
    #: How long a turn takes on average; None: nobody can tell yet, and nothing is refused.
    turn_seconds: float | None = None

    @property
    def reserve(self) -> int:
        """Slots that only users with nothing running may take."""
        if self.reserved <= 0 or self.capacity < _FEWEST_WITH_RESERVE:
            return 0
        return max(1, int(self.capacity * self.reserved))

    def allow(self, running: int, free: int) -> bool:
        """Whether a user with so many running may have one of so many free slots."""
        return running < self.running and free > (self.reserve if running else 0)

    def scarce(self, free: int) -> bool:
        """Whether some may have to wait for others' slots."""
        return free <= self.reserve


@dataclass(frozen=True, slots=True)
class Waiting:
    """A submitted response that is not admitted, and whose parent (if any) is terminal."""

    response_id: str
    user_id: str
    tier: str = "default"


@dataclass(frozen=True, slots=True)
class Turns:
    """Whose turn it is, on the scale of turns: ``now`` is where the last one began, and ``next``
    where a user's next one begins. Who is not in it, or before ``now``, begins at ``now``."""

    now: float = 0.0
    next: Mapping[str, float] = field(default_factory=dict)

    def start(self, user_id: str) -> float:
        return max(self.now, self.next.get(user_id, self.now))


@dataclass(frozen=True, slots=True)
class Admission:
    """``chosen``: responses, in the order to start them. ``moved``: users whose next turn has
    moved; ``now``: see `Turns`."""

    chosen: tuple[str, ...]
    now: float
    moved: Mapping[str, float]


def turn_of(tier: str) -> float:
    """The length of a turn."""
    return 1.0 / TIER_WEIGHT.get(tier, 1.0)


def admit(
    waiting: Sequence[Waiting], running: Mapping[str, int], limits: Limits, turns: Turns
) -> Admission:
    """Which of ``waiting`` (each user's in their order, all oldest first) may run.

    ``running`` counts the admitted, unfinished responses of each user. A user never gets beyond
    ``limits.running``, all users together never beyond ``limits.capacity``, and who has something
    running never into the reserve. The next slot goes to the user whose turn begins first; among
    equals to the one with the fewest running for their weight, then to the one who has waited
    longest.
    """
    round_ = _Round(waiting, running, limits, turns)
    while (user := round_.first()) is not None:
        round_.begin(user)
    return Admission(tuple(round_.chosen), round_.now, round_.moved)


class _Round:
    """Slots given out one by one."""

    def __init__(
        self, waiting: Sequence[Waiting], running: Mapping[str, int], limits: Limits, turns: Turns
    ) -> None:
        self.chosen: list[str] = []
        self.now = turns.now
        self.moved: dict[str, float] = {}
        self._turns = turns
        self._limits = limits
        self._running = dict(running)
        self._free = limits.capacity - sum(running.values())
        self._queues: dict[str, deque[Waiting]] = {}
        for one in waiting:
            self._queues.setdefault(one.user_id, deque()).append(one)
        self._arrival = {user: index for index, user in enumerate(self._queues)}

    def first(self) -> str | None:
        """The user who has the next slot."""
        able = (
            user
            for user, queue in self._queues.items()
            if queue and self._limits.allow(self._running.get(user, 0), self._free)
        )
        return min(able, key=self._order, default=None)

    def begin(self, user: str) -> None:
        one = self._queues[user].popleft()
        self.now = self._start(user)
        self.moved[user] = self.now + turn_of(one.tier)
        self.chosen.append(one.response_id)
        self._running[user] = self._running.get(user, 0) + 1
        self._free -= 1

    def _order(self, user: str) -> tuple[float, float, int]:
        held = self._running.get(user, 0) * turn_of(self._queues[user][0].tier)
        return self._start(user), held, self._arrival[user]

    def _start(self, user: str) -> float:
        return max(self.now, self.moved.get(user, self._turns.start(user)))

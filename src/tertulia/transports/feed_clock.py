"""One clock for all feed connections of a process.

A timer for each would be the larger part of what an idle connection does; here those that are due
at about the same time are looked after together, which also lets them ask the store together.
"""

from __future__ import annotations

import asyncio
from math import ceil
from typing import Protocol

from tertulia.settings.sections import Feed

#: Seconds by which a connection may be looked after late, at most.
MAX_GRAIN = 1.0
#: By what part of the shortest time that is watched it may be late.
_PART = 20


class Watched(Protocol):
    #: The round it waits for; None: none.
    round: int | None

    def tick(self) -> None:
        """Look after what is due. Must not raise."""
        ...


class FeedClock:
    def __init__(self, settings: Feed) -> None:
        shortest = min(settings.ping_seconds, settings.slow_seconds, settings.recheck_seconds)
        #: Seconds; a connection is looked after so much late at most.
        self.grain = min(MAX_GRAIN, shortest / _PART)
        self._rounds: dict[int, set[Watched]] = {}

    def call(self, who: Watched, when: float) -> None:
        """Call ``who`` at this time of the event loop or soon after, in place of any earlier
        appointment."""
        self.forget(who)
        number = ceil(when / self.grain)
        waiting = self._rounds.get(number)
        if waiting is None:
            waiting = self._rounds[number] = set()
            loop = asyncio.get_running_loop()
            loop.call_at(number * self.grain, self._ring, number)
        waiting.add(who)
        who.round = number

    def forget(self, who: Watched) -> None:
        if who.round is not None:
            self._rounds[who.round].discard(who)
            who.round = None

    def _ring(self, number: int) -> None:
        for who in self._rounds.pop(number):
            who.round = None
            who.tick()

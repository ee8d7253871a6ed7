"""How often the answers of one process show what they have gathered."""

from __future__ import annotations

import asyncio
import math

#: Each answer flushes on its own of so many moments within an interval, at most.
BEATS = 12
#: Least seconds from one of them to the next: what shares a moment shares its system calls.
BEAT_SECONDS = 0.010
#: Seconds by which a timer of the event loop may be early: uvloop counts milliseconds.
TIMER_RESOLUTION = 0.001
#: Milliseconds that one moment may differ from itself, by how it was counted.
_ROUNDING = 0.05


class Pace:
    """Shared by all answers of a process.

    An answer flushes at most every ``least`` seconds, and all of them together ``per_second``
    times: when many are written at once their deltas grow longer. A process that always flushed
    as often as it can would leave no time between for the first words of others.
    """

    def __init__(self, least: float = 0.030, per_second: float = 4000.0) -> None:
        self._least = least
        self._per_second = per_second
        self._streams = 0
        self._begun = 0
        #: Who waits for each millisecond of the loop's clock.
        self._waiting: dict[int, list[asyncio.Future[None]]] = {}

    @property
    def interval(self) -> float:
        """Seconds from one flush of an answer to its next, at present."""
        return max(self._least, self._streams / self._per_second)

    def enter(self) -> float:
        """An answer begins: its place within the interval, 0..1. `leave` must follow.

        On common beats one write serves several answers; on one beat all of them would be served
        at once (left to themselves they fall into step), and whoever comes then waits for all.
        """
        self._streams += 1
        self._begun += 1
        return self._begun % BEATS / BEATS

    def leave(self) -> None:
        self._streams -= 1

    def next_flush(self, now: float, place: float) -> float:
        """When an answer of this place that flushes now does so again; times of the loop."""
        interval = self.interval
        beats = min(BEATS, max(1, int(interval / BEAT_SECONDS)))
        place = int(place * beats) / beats
        ahead = interval - (now - place * interval) % interval
        if ahead <= TIMER_RESOLUTION:  # it is this moment's flush, come early
            ahead += interval
        # Who was late comes sooner than in an interval, and is in its place again after that.
        return now + max(ahead, interval * 0.75)

    def moment(self, at: float) -> asyncio.Future[None]:
        """Done at this time of the loop, or up to a millisecond later. Whoever waits for the same
        moment shares a timer with the others, and is woken with them."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        millisecond = math.ceil(at * 1000 - _ROUNDING)
        waiting = self._waiting.get(millisecond)
        if waiting is None:
            waiting = self._waiting[millisecond] = []
            loop.call_at(millisecond / 1000, self._wake, millisecond)
        waiting.append(future)
        return future

    def _wake(self, millisecond: int) -> None:
        for future in self._waiting.pop(millisecond):
            if not future.done():
                future.set_result(None)

"""The time on a database server, known without asking it each time.

Leases, deadlines and the order of conversations go by this one clock, so it does not matter how
far the clocks of the machines lie apart, nor that one of them is set while a node runs.
"""

from __future__ import annotations

import time
from typing import Final

#: Seconds that an answer of a server on the same network takes, and more.
GOOD: Final = 0.05


def _steady() -> float:
    """Seconds that nobody sets, counted on while the machine sleeps, where it can tell."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class ServerClock:
    """Unix seconds of the server, right to half the time that asking for it took, the best time
    that it was asked."""

    def __init__(self) -> None:
        #: The server's time less that of `_steady`, and how far off that may be.
        self._ahead: float | None = None
        #: Seconds; as good as right below `GOOD`.
        self.within = 0.0

    @staticmethod
    def begin() -> float:
        """To be called just before the server is asked."""
        return _steady()

    def told(self, seconds: float, begun: float) -> None:
        """To be called as soon as it has answered. An answer that took long, perhaps since this
        process was stopped meanwhile, changes nothing that it does not contradict."""
        ended = _steady()
        ahead, within = seconds - (begun + ended) / 2, (ended - begun) / 2
        known = self._ahead
        if known is None or within <= self.within or abs(ahead - known) > within + self.within:
            self._ahead, self.within = ahead, within

    def __call__(self) -> float:
        if self._ahead is None:
            raise RuntimeError("the server has not been asked for its time yet")
        return _steady() + self._ahead

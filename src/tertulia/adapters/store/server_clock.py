"""The time on a database server, known without asking it each time.

Leases, deadlines and the order of conversations go by this one clock, so it does not matter how
far the clocks of the machines lie apart, nor that one of them is set while a node runs.
"""

from __future__ import annotations

import time


def _steady() -> float:
    """Seconds that nobody sets, counted on while the machine sleeps, where it can tell."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class ServerClock:
    """Unix seconds of the server, right to half the time that asking for it took."""

    def __init__(self) -> None:
        #: The server's time less that of `_steady`.
        self._ahead: float | None = None

    @staticmethod
    def begin() -> float:
        """To be called just before the server is asked."""
        return _steady()

    def told(self, seconds: float, begun: float) -> None:
        """To be called as soon as it has answered."""
        self._ahead = seconds - (begun + _steady()) / 2

    def __call__(self) -> float:
        if self._ahead is None:
            raise RuntimeError("the server has not been asked for its time yet")
        return _steady() + self._ahead

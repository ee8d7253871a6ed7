"""What every node does now and then, whatever else it is for: sweep, and erase what has had its
time. It does no harm that they all do it: each pass is a transaction that finds what others left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from tertulia.errors import TertuliaError
from tertulia.turns.parts import Parts
from tertulia.turns.recover import Sweeper

log = structlog.get_logger(__name__)

#: Seconds between purges.
PURGE_SECONDS = 60.0


class Upkeep:
    """To be started on the event loop, and stopped."""

    def __init__(self, parts: Parts) -> None:
        self._sweep_seconds = parts.timing.sweep
        self.sweeper = Sweeper(parts)
        self._loops: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._loops = [
            every(self._sweep_seconds, self.sweeper.sweep),
            every(PURGE_SECONDS, self.sweeper.purge),
        ]

    async def stop(self) -> None:
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)


def every(seconds: float, act: Callable[[], Awaitable[object]]) -> asyncio.Task[None]:
    """Do it again and again, whatever comes of it."""
    name = getattr(act, "__name__", "upkeep")

    async def loop() -> None:
        while True:
            try:
                await act()
            except TertuliaError as error:
                log.warning("upkeep_failed", task=name, code=error.code)
            except Exception:  # a bug must not end the renewals
                log.exception("upkeep_crashed", task=name)
            await asyncio.sleep(seconds)

    return asyncio.create_task(loop(), name=name)

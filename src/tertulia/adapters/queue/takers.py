"""Those who wait for a ring, in the order in which they came."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from tertulia.errors import Unavailable

R = TypeVar("R")


class Takers(Generic[R]):
    """``put_back`` is given a ring whose taker gave up at the moment of getting it, when nobody
    else waits."""

    def __init__(self, put_back: Callable[[R], None]) -> None:
        self._put_back = put_back
        self._waiting: deque[asyncio.Future[R]] = deque()
        self._closed = False
        #: Set while somebody waits.
        self.wanted = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def check_open(self) -> None:
        """Raises `Unavailable` when closed."""
        if self._closed:
            raise Unavailable("The queue is closed.", code="queue_closed")

    async def wait(self) -> R:
        """Raises `Unavailable` when closed."""
        self.check_open()
        taker: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append(taker)
        self.wanted.set()
        try:
            return await taker
        except asyncio.CancelledError:
            if taker in self._waiting:
                self._remove(taker)
            elif not taker.cancelled() and taker.exception() is None:
                ring = taker.result()
                if not self.give(ring):
                    self._put_back(ring)
            raise

    def give(self, ring: R) -> bool:
        """Whether somebody waited for it."""
        while self._waiting:
            taker = self._waiting[0]
            self._remove(taker)
            if not taker.done():
                taker.set_result(ring)
                return True
        return False

    def close(self) -> None:
        """Tell all who wait, and all who will."""
        self._closed = True
        while self._waiting:
            taker = self._waiting[0]
            self._remove(taker)
            if not taker.done():
                taker.set_exception(Unavailable("The queue was closed.", code="queue_closed"))

    def _remove(self, taker: asyncio.Future[R]) -> None:
        self._waiting.remove(taker)
        if not self._waiting:
            self.wanted.clear()

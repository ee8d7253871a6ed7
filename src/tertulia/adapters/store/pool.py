"""Connections to a database server: few, kept open, given out in the order of asking."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

from tertulia.errors import Unavailable


class Link(Protocol):
    """A connection to a server."""

    @property
    def lost(self) -> bool:
        """Known to be of no more use."""
        ...

    def abort(self) -> None:
        """Close it at once, whatever it is doing."""
        ...

    async def close(self) -> None:
        """Take leave of the server, as far as it still answers."""
        ...


L = TypeVar("L", bound=Link)


class Pool(Generic[L]):
    """``connect`` opens a connection, or raises what the caller of `take` is to get.

    ``idle_seconds``: one that lay unused for longer is not trusted again: routers forget a
    silent connection without telling either end.
    """

    def __init__(
        self, connect: Callable[[], Awaitable[L]], size: int, *, idle_seconds: float = 300.0
    ) -> None:
        self._connect = connect
        self._size = size
        self._idle_seconds = idle_seconds
        self._count = 0
        self._closed = False
        #: With the time since which each lies here; the last one used is used next.
        self._idle: deque[tuple[L, float]] = deque()
        #: Each gets a connection, or None: room to open one.
        self._waiting: deque[asyncio.Future[L | None]] = deque()

    async def take(self) -> L:
        """To be given back with `give` or `drop`. Raises what ``connect`` raises, and
        `Unavailable` when the pool is closed."""
        if self._closed:
            raise Unavailable("the store is closed")
        while self._idle:
            link, since = self._idle.pop()
            if not link.lost and time.monotonic() - since < self._idle_seconds:
                return link
            self._count -= 1
            link.abort()
        if self._count >= self._size:
            handed = await self._wait()
            if handed is not None:
                return handed
        else:
            self._count += 1
        try:
            return await self._connect()
        except BaseException:
            self._leave()
            raise

    async def _wait(self) -> L | None:
        waiter: asyncio.Future[L | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                # It was handed something in the very moment in which it gave up.
                handed = waiter.result()
                self._leave() if handed is None else self.give(handed)
            raise

    def give(self, link: L) -> None:
        """It is free, and in no transaction."""
        if link.lost or self._closed:
            self.drop(link)
        elif not self._hand(link):
            self._idle.append((link, time.monotonic()))

    def drop(self, link: L) -> None:
        """It is of no more use."""
        link.abort()
        self._leave()

    def distrust(self) -> None:
        """One was lost: the server was restarted, say, and the others went with it."""
        while self._idle:
            link, _ = self._idle.pop()
            link.abort()
            self._leave()

    def _leave(self) -> None:
        if self._closed or not self._hand(None):
            self._count -= 1

    def _hand(self, link: L | None) -> bool:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(link)
                return True
        return False

    async def close(self) -> None:
        """To be called when all have been given back."""
        self._closed = True
        while self._idle:
            link, _ = self._idle.pop()
            self._count -= 1
            await link.close()

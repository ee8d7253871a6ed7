"""Who is connected: how many streams a user holds, and whether anyone still reads a response that
nobody could ever fetch again."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from tertulia.domain.response import Response
from tertulia.errors import NotFound, RateLimited, TertuliaError
from tertulia.telemetry.instruments import CONNECTIONS
from tertulia.transports.feed_clock import FeedClock
from tertulia.transports.services import Services
from tertulia.turns.cancel import cancel
from tertulia.turns.erase import erase_unstored

_log = structlog.get_logger("tertulia.presence")


class Presence:
    """Of one process. All of it may be lost: what is left over, the store's purge erases."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.clock = FeedClock(services.settings.feed)
        self._connections: Counter[str] = Counter()
        self._readers: Counter[str] = Counter()
        self._leaving: dict[str, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    # --- connections -------------------------------------------------------------------------

    def check(self, user_id: str) -> None:
        """Whether the user may open one more stream or socket.

        Raises:
            RateLimited: code ``too_many_connections``.
        """
        if self._connections[user_id] >= self._services.settings.limits.connections_per_user:
            raise RateLimited(
                "You have too many open connections; close one of them.",
                code="too_many_connections",
            )

    @contextmanager
    def connection(self, user_id: str, transport: str) -> Iterator[None]:
        """Held for as long as a stream or socket of the user is open; raises as `check`.
        ``transport``: as `instruments.CONNECTIONS` lists them."""
        self.connect(user_id, transport)
        try:
            yield
        finally:
            self.disconnect(user_id, transport)

    def connect(self, user_id: str, transport: str) -> None:
        """Count one more, until `disconnect`; raises as `check`."""
        self.check(user_id)
        self._connections[user_id] += 1
        CONNECTIONS.inc(transport)

    def disconnect(self, user_id: str, transport: str) -> None:
        CONNECTIONS.dec(transport)
        self._connections[user_id] -= 1
        if not self._connections[user_id]:
            del self._connections[user_id]

    # --- responses with store=false ------------------------------------------------------------

    def came(self, response: Response) -> None:
        """Somebody reads this response; only those with ``store=false`` are watched."""
        if response.store:
            return
        self._readers[response.id] += 1
        timer = self._leaving.pop(response.id, None)
        if timer is not None:
            timer.cancel()

    def left(self, response: Response, *, ended: bool) -> None:
        """A reader is gone. ``ended``: it got all of it, so the row may go at once; else the
        response is cancelled and erased after `Timing.abandoned` unless a reader comes back."""
        if response.store:
            return
        self._readers[response.id] -= 1
        if self._readers[response.id] > 0:
            return
        del self._readers[response.id]
        if ended:
            self._run(erase_unstored(self._services.parts, response))
        else:
            self._leaving[response.id] = asyncio.get_running_loop().call_later(
                self._services.parts.timing.abandoned, self._abandon, response
            )

    def _abandon(self, response: Response) -> None:
        self._leaving.pop(response.id, None)
        self._run(self._cancel(response))

    async def _cancel(self, response: Response) -> None:
        try:
            await cancel(self._services.parts, response.user_id, response.id)
        except NotFound:
            return
        await erase_unstored(self._services.parts, response)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            code = fault.code if isinstance(fault, TertuliaError) else type(fault).__name__
            _log.warning("an abandoned response is left to the purge", code=code)

"""The event log in this process's memory: for tests, and where answers need not outlive it."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from tertulia.adapters.eventlog.admit import Held, admit, gone
from tertulia.adapters.eventlog.hub import Hub
from tertulia.domain.frame import Frame
from tertulia.errors import Fenced, TertuliaError
from tertulia.ports.eventlog import Appended, Subscription


@dataclass(slots=True)
class _Log:
    user_id: str
    attempt: int
    updated_at: float
    frames: list[Frame] = field(default_factory=list)
    cancel_requested: bool = False

    @property
    def held(self) -> Held:
        if not self.frames:
            return Held(self.attempt, None, ended=False)
        last = self.frames[-1]
        return Held(self.attempt, last.sequence_number, last.terminal)


class MemoryEventLog:
    """An `EventLog` that is as durable as its process."""

    def __init__(
        self, *, clock: Callable[[], float] = time.time, window_bytes: int = 1 << 20
    ) -> None:
        self._clock = clock
        self._logs: dict[str, _Log] = {}
        self._hub = Hub(self, window_bytes=window_bytes)

    async def open(self, user_id: str, response_id: str, attempt: int) -> Sequence[Frame]:
        log = self._of(user_id, response_id)
        if log is None:
            log = self._logs[response_id] = _Log(user_id, attempt, self._clock())
        elif log.attempt > attempt:
            raise Fenced(f"attempt {log.attempt} has taken {response_id} over from {attempt}")
        log.attempt, log.updated_at = attempt, self._clock()
        return tuple(log.frames)

    def append(
        self, user_id: str, response_id: str, attempt: int, frames: Sequence[Frame]
    ) -> Awaitable[Appended]:
        done: asyncio.Future[Appended] = asyncio.get_running_loop().create_future()
        try:
            done.set_result(self._append(user_id, response_id, attempt, frames))
        except TertuliaError as error:
            done.set_exception(error)
        return done

    def _append(
        self, user_id: str, response_id: str, attempt: int, frames: Sequence[Frame]
    ) -> Appended:
        log = self._of(user_id, response_id)
        if log is None:
            raise gone(response_id)
        fresh = admit(response_id, log.held, attempt, frames)
        if fresh:
            log.attempt, log.updated_at = attempt, self._clock()
            log.frames += fresh
            self._hub.publish(response_id, fresh)
        return Appended(log.cancel_requested)

    async def subscribe(
        self, user_id: str, response_id: str, after: int | None, wake: Callable[[], None]
    ) -> Subscription:
        return await self._hub.subscribe(user_id, response_id, after, wake)

    async def signal_cancel(self, response_id: str) -> None:
        log = self._logs.get(response_id)
        if log is not None:
            log.cancel_requested = True

    async def drop(self, response_ids: Sequence[str]) -> None:
        for response_id in response_ids:
            self._logs.pop(response_id, None)
            self._hub.reset(response_id)

    async def purge(self, retention_seconds: float) -> int:
        before = self._clock() - retention_seconds
        outlived = [r for r, log in self._logs.items() if log.updated_at < before]
        await self.drop(outlived)
        return len(outlived)

    async def newest(self, user_id: str, response_id: str) -> tuple[Sequence[Frame], bool]:
        """See `hub.Source`."""
        log = self._of(user_id, response_id)
        return (tuple(log.frames) if log else ()), False

    async def after(
        self, user_id: str, response_id: str, number: int | None
    ) -> Sequence[Frame] | None:
        """See `hub.Source`."""
        log = self._of(user_id, response_id)
        frames = log.frames if log else []
        if number is None:
            return tuple(frames)
        at = bisect_left(frames, number, key=attrgetter("sequence_number"))
        if at == len(frames) or frames[at].sequence_number != number:
            return None
        return tuple(frames[at + 1 :])

    def _of(self, user_id: str, response_id: str) -> _Log | None:
        log = self._logs.get(response_id)
        return log if log is not None and log.user_id == user_id else None

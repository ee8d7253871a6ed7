"""Readers of an event log as transports write them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from tertulia.adapters.eventlog.redis import RedisEventLog
from tertulia.domain.frame import Frame
from tertulia.domain.response import Request, Response
from tertulia.errors import Unavailable
from tertulia.ports.eventlog import EventLog, Subscription
from tertulia.turns.append import LogWriter

T = TypeVar("T")

USER = "user_1"
RESPONSE = "resp_1"


@dataclass
class Reader:
    """A reader as transports write one: fill, take, and wait for a wake when there was nothing."""

    log: EventLog
    after: int | None = None
    response_id: str = RESPONSE
    at_once: int = 1024
    got: list[Frame] = field(default_factory=list)
    wakes: int = 0

    def __post_init__(self) -> None:
        self._woken = asyncio.Event()

    def _wake(self) -> None:
        self.wakes += 1
        self._woken.set()

    async def open(self) -> Subscription:
        self.place = await self.log.subscribe(USER, self.response_id, self.after, self._wake)
        return self.place

    async def look(self) -> list[Frame]:
        """Everything that is there now."""
        self._woken.clear()
        seen: list[Frame] = []
        while True:
            await self.place.fill()
            frames = self.place.take(self.at_once)
            if not frames:
                self.got += seen
                return seen
            seen += frames

    async def stirred(self) -> None:
        """Returns when it was woken since it last looked."""
        await self._woken.wait()

    async def until_end(self) -> list[Frame]:
        await self.open()
        try:
            while not (self.got and self.got[-1].terminal):
                if not await self.look():
                    await self._woken.wait()
        finally:
            self.place.close()
        return self.got


async def everything(log: EventLog, after: int | None = None) -> list[Frame]:
    reader = Reader(log, after)
    place = await reader.open()
    seen = await reader.look()
    place.close()
    return seen


# --- over a log that comes and goes -------------------------------------------------------------


class OpenNode(Protocol):
    """The log of one more node, as Redis at ``url`` has it."""

    def __call__(self, url: str, **options: Any) -> Awaitable[RedisEventLog]: ...


class Patient(Reader):
    """A reader that outlives its Redis: it asks again when it is woken."""

    async def open(self) -> Subscription:
        self.place = await patiently(super().open)
        return self.place

    async def look(self) -> list[Frame]:
        try:
            return await super().look()
        except Unavailable:
            return []


async def patiently(act: Callable[[], Awaitable[T]]) -> T:
    """Try until it is available."""
    while True:
        try:
            return await act()
        except Unavailable:
            await asyncio.sleep(0.01)


def writer(log: EventLog, held: Sequence[Frame] = ()) -> LogWriter:
    """As a worker writes."""
    response = Response(
        id=RESPONSE,
        user_id=USER,
        request=Request(model="m"),
        status="in_progress",
        created_at=0.0,
        attempt=1,
    )

    async def confirm() -> bool:
        return True

    return LogWriter(
        log, response, held, confirm=confirm, on_cancel=lambda: None, on_lost=lambda: None
    )


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what happens elsewhere."""
    while True:
        if condition():
            return
        await asyncio.sleep(0.002)


async def seen(reader: Reader, count: int) -> None:
    """Returns when the reader has this many frames."""
    await until(lambda: len(reader.got) >= count)

"""The queue within one process; at a start it is filled again from the store by the sweeper."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from tertulia.ports.queue import Doorbell


@dataclass(frozen=True, slots=True)
class _Ring:
    response_id: str

    async def acknowledge(self) -> None:
        """Nothing to do: whoever could die without acknowledging takes the queue along."""


class MemoryQueue:
    """A `Queue`. First rung, first heard; an id that still waits is not put in twice, so that a
    sweeper that rings again and again does not fill it."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        self._waiting: set[str] = set()

    async def ring(self, response_ids: Sequence[str]) -> None:
        for response_id in response_ids:
            if response_id not in self._waiting:
                self._waiting.add(response_id)
                self._queue.put_nowait(response_id)

    async def take(self) -> Doorbell:
        response_id = await self._queue.get()
        self._waiting.discard(response_id)
        return _Ring(response_id)

    async def close(self) -> None:
        self._waiting.clear()
        self._queue = asyncio.Queue()

"""The queue within one process; at a start it is filled again from the store by the sweeper."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from tertulia.adapters.queue.takers import Takers
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
        self._waiting: deque[str] = deque()
        self._known: set[str] = set()
        self._takers: Takers[_Ring] = Takers(self._put_back)

    async def ring(self, response_ids: Sequence[str]) -> None:
        self._takers.check_open()
        for response_id in response_ids:
            if response_id in self._known or self._takers.give(_Ring(response_id)):
                continue
            self._known.add(response_id)
            self._waiting.append(response_id)

    async def take(self) -> Doorbell:
        self._takers.check_open()
        if self._waiting:
            response_id = self._waiting.popleft()
            self._known.discard(response_id)
            return _Ring(response_id)
        return await self._takers.wait()

    async def ping(self) -> None:
        self._takers.check_open()

    async def close(self) -> None:
        self._waiting.clear()
        self._known.clear()
        self._takers.close()

    def _put_back(self, ring: _Ring) -> None:
        if ring.response_id not in self._known:
            self._known.add(ring.response_id)
            self._waiting.appendleft(ring.response_id)

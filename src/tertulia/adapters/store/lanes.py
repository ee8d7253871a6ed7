"""Work that must not overlap, in lanes: one piece of each lane at a time, in the order of asking.

A user's row is locked by whatever counts or numbers for them. Were that left to the database
alone, a hundred messages of one user would hold every connection, to wait there for each other.
"""

from __future__ import annotations

import asyncio
from collections import deque


class Lanes:
    def __init__(self) -> None:
        #: Of the lanes in use: those that wait.
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    async def enter(self, lane: str) -> None:
        """Wait for one's turn; `leave` must follow, unless this raises."""
        waiting = self._waiting.get(lane)
        if waiting is None:
            self._waiting[lane] = deque()
        else:
            await self._turn(lane, waiting)

    async def _turn(self, lane: str, waiting: deque[asyncio.Future[None]]) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(lane)
            raise

    def leave(self, lane: str) -> None:
        waiting = self._waiting[lane]
        while waiting:
            turn = waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        del self._waiting[lane]

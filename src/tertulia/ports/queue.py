"""The queue: a doorbell that carries a response id, never content, and promises no order.

A ring may be lost, doubled or late: claim, order and recovery are the store's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Doorbell(Protocol):
    @property
    def response_id(self) -> str: ...

    async def acknowledge(self) -> None:
        """Called as soon as the claim has committed or was refused."""
        ...


class Queue(Protocol):
    async def ring(self, response_ids: Sequence[str]) -> None:
        """Let one of the workers hear each id.

        Raises:
            Unavailable: perhaps not heard; the sweeper will ring again.
        """
        ...

    async def take(self) -> Doorbell:
        """Wait for the next ring. Cancelling the wait loses none."""
        ...

    async def close(self) -> None: ...

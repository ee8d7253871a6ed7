"""The engine: runs scripts as transactions, and tells the event loop in the order of commits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, TypeVar

from tertulia.adapters.store.statement import Script

T = TypeVar("T")


class Engine(Protocol):
    """Guarantees: a script happens whole or not at all; scripts are run, committed and told of
    in the order in which `write` was called; whatever a script raises undoes that script alone
    and reaches its caller as it is. Errors of the driver that no script can help become
    `Unavailable` or `DataFolderError`, and then nothing of the script has happened."""

    async def start(self) -> None:
        """Open the database.

        Raises:
            DataFolderError: it cannot be opened, is read-only, full, or not a database.
            Unavailable: it does not answer.
        """
        ...

    def write(
        self,
        make: Callable[[], Script[T]],
        *,
        durable: bool = True,
        on_commit: Callable[[T], None] | None = None,
    ) -> asyncio.Future[T]:
        """Run ``make()`` as one transaction. To be called on the event loop; the script is queued
        before this returns and runs whether or not anybody waits for the future.

        ``durable``: resolve only when a loss of power cannot undo it; without, only when the
        death of this process cannot. ``on_commit`` is called on the loop with the script's
        value, in the order of commits, before the future resolves and before any later
        ``on_commit``; it must not raise.
        """
        ...

    def read(self, make: Callable[[], Script[T]]) -> asyncio.Future[T]:
        """Run a script that only reads, on one consistent snapshot. It sees every write whose
        future had resolved when this was called."""
        ...

    async def ping(self) -> None:
        """Raises `Unavailable` unless a write could be made now."""
        ...

    async def close(self) -> None:
        """Finish what was queued, then close. Later calls fail with `Unavailable`."""
        ...

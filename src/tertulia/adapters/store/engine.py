"""The engine: runs scripts as transactions, and tells the event loop of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, TypeVar

from tertulia.adapters.store.statement import Script

T = TypeVar("T")


class Engine(Protocol):
    """Guarantees: a script happens whole or not at all; whatever a script raises undoes that
    script alone and reaches its caller as it is. Errors of the driver that no script can help
    become `Unavailable` or `DataFolderError` (of a server: `Unavailable`, `Misconfigured`, and
    `InvalidInput` for values that it cannot keep), and then nothing of the script has happened.

    The one exception is a server's: when the connection is lost while a transaction is being
    committed nobody knows whether it was, and the caller gets `Unavailable` with the code
    ``outcome_unknown``. It is not told of by ``on_commit``, and it is not run again. So what a
    script does must be harmless when its caller tries again, as it is here: a submission made
    again finds its idempotency key, an end made again is refused as stale, a lease that nobody
    knows of expires, and what was to be told is found by whoever reads the row next.

    Order. The embedded engine has one writer: scripts run, commit and are told of in the order in
    which `write` was called. A server runs many at once, from many nodes, and that order is
    neither to be had nor needed. There it holds for scripts that begin by locking the same row
    (`Statement.lane`: the user's), among the calls of one node; between nodes the order of the
    commits is that of the locks, so the numbers given out under one rise with the commits. Those
    who rely on it rely on no more: feeds and ordinals are numbered under the user's lock, readers
    of a feed go by its numbers, and the log that lies in the same file is the embedded engine's
    only.
    """

    async def start(self) -> None:
        """Open the database.

        Raises:
            DataFolderError: it cannot be opened, is read-only, full, or not a database.
            Misconfigured: the server refuses us, or its schema is another release's.
            Unavailable: it does not answer.
        """
        ...

    def write(
        self,
        make: Callable[[], Script[T]],
        *,
        durable: bool = True,
        on_commit: Callable[[T], None] | None = None,
        overtakes: bool = False,
        heavy: bool = False,
    ) -> asyncio.Future[T]:
        """Run ``make()`` as one transaction. To be called on the event loop; the script is queued
        before this returns and runs whether or not anybody waits for the future.

        ``durable``: resolve only when a loss of power cannot undo it; without, only when the
        death of this process cannot (where a server can tell the two apart). ``on_commit`` is
        called on the loop with the script's value, before the future resolves, and in the order
        of commits as far as there is one; it must not raise. ``overtakes``: of what is not
        durable, that it may be told of while earlier durable writes still wait for the disk.
        ``heavy``: it takes more than a millisecond or so (large values, many rows), and would
        hold up what else the process does.
        """
        ...

    def read(self, make: Callable[[], Script[T]], *, heavy: bool = False) -> asyncio.Future[T]:
        """Run a script that only reads, on one consistent snapshot. It sees every write whose
        future had resolved when this was called. ``heavy``: as for `write`."""
        ...

    async def ping(self) -> None:
        """Raises `Unavailable` unless a write could be made now."""
        ...

    async def close(self) -> None:
        """Finish what was queued, then close. Later calls fail with `Unavailable`."""
        ...

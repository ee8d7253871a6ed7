"""The way of a server's schema, gone once, whatever number of nodes start at once.

Every node asks for it; the first one takes a lock that belongs to the database and does the work,
and the others, when they get the lock, find it done. PostgreSQL changes a schema whole or not at
all. MariaDB and MySQL commit each statement as it comes: there a revision that fails half-way
leaves what it has done, and the version of the last one that was done whole.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

from tertulia.adapters.store.migrations import HEAD, KNOWN, serves
from tertulia.adapters.store.migrations.check import refuse_newer
from tertulia.adapters.store.server_session import Database, Session

#: Seconds to wait for another node that is at it.
LOCK_SECONDS: Final = 300

#: Locked by whoever admits when places are few: see `scripts.admission`.
_SLOTS: Final = (
    "INSERT INTO meta (name, value) SELECT 'slots', '' FROM (SELECT 1 AS one) AS once "
    "WHERE NOT EXISTS (SELECT 1 FROM meta WHERE name = 'slots')"
)


class Migratable(Database, Protocol):
    #: As SQLAlchemy calls it.
    dialect: str

    def migrating(self) -> AbstractAsyncContextManager[Session]:
        """Holds the lock; what was run is committed at its end, unless that is an error."""
        ...


async def prepare(database: Migratable, to: str = HEAD) -> None:
    """Bring the database to revision ``to`` (``base``: no tables).

    Raises:
        Misconfigured: a newer release wrote it, or user, password or database are wrong.
        Unavailable: no server answers.
    """
    try:
        async with database.migrating() as session:
            version = await session.version()
            refuse_newer(version, database.name)
            if version == to or (version is None and to == "base"):
                return
            if version not in (*KNOWN, None) and serves(version):
                return  # what a later release has added is its own to take back
            if version is None:
                # A way back to the beginning leaves this one, empty.
                await session.fetch("DROP TABLE IF EXISTS alembic_version")
            for statement in await asyncio.to_thread(_way, database.dialect, version, to):
                await session.fetch(statement)
            if to != "base":
                await session.fetch(_SLOTS)
    except database.errors as error:
        raise database.meaning(error).error from None


def _way(dialect: str, start: str | None, to: str) -> list[str]:
    # Alembic is slow to import, and seldom needed.
    from tertulia.adapters.store.migrations.run import statements

    return statements(dialect, start, to)

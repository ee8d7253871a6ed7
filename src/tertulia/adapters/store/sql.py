"""The SQL store, whole."""

from __future__ import annotations

import os
from collections.abc import Mapping

from tertulia.adapters.store.accounts import SqlAccounts
from tertulia.adapters.store.conversations import SqlConversations
from tertulia.adapters.store.files import SqlFiles
from tertulia.adapters.store.removals import SqlRemovals
from tertulia.adapters.store.scripts import deployment
from tertulia.adapters.store.turns import SqlTurns


class SqlStore(SqlTurns, SqlConversations, SqlAccounts, SqlFiles, SqlRemovals):
    """A `ports.store.Store` over an engine that is given to it, and closed with it.

    The database must be of this code's schema: see `migrations.prepare_sqlite`.
    """

    async def start(self) -> None:
        await self._engine.start()
        try:
            await self._engine.read(deployment.whole)
        except BaseException:
            await self._engine.close()
            raise
        await self._epoch()

    async def ping(self) -> None:
        await self._engine.ping()

    async def close(self) -> None:
        await self._engine.close()

    async def deployment(self) -> str:
        """The name of what this database is the truth of, made with it: 16 hex digits."""
        fresh = os.urandom(8).hex()
        return await self._engine.write(lambda: deployment.noted("deployment", fresh))

    async def compare(self, marks: Mapping[str, str]) -> tuple[str, ...]:
        """Which of ``marks`` (by name) differ from those that the first node has left."""
        return await self._engine.write(lambda: deployment.marks(marks))

    async def forget_mark(self, name: str) -> None:
        """Let the next node leave a new one."""
        await self._engine.write(lambda: deployment.forget_mark(name))

"""The SQL store, whole."""

from __future__ import annotations

from tertulia.adapters.store.accounts import SqlAccounts
from tertulia.adapters.store.conversations import SqlConversations
from tertulia.adapters.store.files import SqlFiles
from tertulia.adapters.store.turns import SqlTurns


class SqlStore(SqlTurns, SqlConversations, SqlAccounts, SqlFiles):
    """A `ports.store.Store` over an engine that is given to it, and closed with it.

    The database must be of this code's schema: see `migrations.prepare_sqlite`.
    """

    async def start(self) -> None:
        await self._engine.start()
        await self._epoch()

    async def ping(self) -> None:
        await self._engine.ping()

    async def close(self) -> None:
        await self._engine.close()

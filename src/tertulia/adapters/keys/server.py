"""Keys in a database of their own on a server: for many nodes.

One table, `keys`, is made by whoever is first. The rows are wrapped by the master key of the
settings, which no server has: without it they, and a backup of them, open nothing. It must not be
the store's database, or an erased user would come back with the store's backups.
"""

from __future__ import annotations

from typing import Final

from tertulia.adapters.keys.wrapped import WrappedKeys
from tertulia.adapters.store.servers import database_of, open_server
from tertulia.errors import Misconfigured, Unavailable

_SETTING: Final = "keys"
#: Few and short transactions, for which whoever serves a user waits.
_TUNING: Final = {
    "writers": 2,
    "readers": 3,
    "queue_seconds": 5.0,
    "transaction_seconds": 10.0,
    "connect_seconds": 5.0,
}
_HAS: Final = {
    "postgresql": "SELECT to_regclass('keys') IS NOT NULL",
    "mysql": "SELECT COUNT(*) FROM information_schema.tables "
    "WHERE table_schema = DATABASE() AND table_name = 'keys'",
}
_CREATE: Final = {
    "postgresql": "CREATE TABLE IF NOT EXISTS keys "
    "(user_id VARCHAR(64) PRIMARY KEY, version INTEGER NOT NULL, wrapped BYTEA)",
    "mysql": "CREATE TABLE IF NOT EXISTS `keys` "
    "(user_id VARCHAR(64) PRIMARY KEY, version INTEGER NOT NULL, wrapped VARBINARY(1024))",
}


class ServerKeys(WrappedKeys):
    """`Keys` over the database at ``url``; ``kek``: the master key. ``trusted_seconds``: see
    `wrapped`.

    Raises:
        Misconfigured: the URL cannot be understood, or its driver is not installed.
    """

    def __init__(self, url: str, kek: bytes, *, trusted_seconds: float = 60.0) -> None:
        self._master = kek
        self._database = database_of(url, setting=_SETTING)
        self.name = self._database.name
        engine = open_server(url, setting=_SETTING, check=_any_schema, **_TUNING)
        super().__init__(engine, trusted_seconds=trusted_seconds)

    async def start(self, deployment: bytes | None = None) -> None:
        """Raises `Misconfigured` also when it is a store's database, or another master key sealed
        what is in it; `Unavailable` when no server answers."""
        try:
            await self._prepare()
            await self._engine.start()
        except Unavailable as error:
            raise Unavailable(
                f"{_SETTING}: {error.message}", code=error.code, retry_after=error.retry_after
            ) from None
        try:
            await self._load(self._master, deployment)
        except BaseException:
            await self._engine.close()
            raise

    async def _prepare(self) -> None:
        database = self._database
        try:
            session = await database.connect(reading=True)
            try:
                if await session.version() is not None:
                    raise Misconfigured(
                        f"{_SETTING}: {self.name} is a store's database. Users' keys must "
                        "not be in the store's backups: give them a database of their own "
                        "(CREATE DATABASE) in TERTULIA_KEYS."
                    )
                ((there,),) = await session.fetch(_HAS[database.dialect])
            finally:
                await session.close()
            if not there:
                async with database.migrating() as session:
                    await session.fetch(_CREATE[database.dialect])
        except database.errors as error:
            raise database.meaning(error).error from None

    def _foreign(self) -> Misconfigured:
        return Misconfigured(
            f"master_key: the keys in {self.name} were sealed by another master key "
            "than TERTULIA_MASTER_KEY (or the file of TERTULIA_MASTER_KEY_FILE) gives: set the "
            "one that they were made with."
        )


def _any_schema(version: str | None, name: str) -> None:
    """The store's versions are none of ours."""

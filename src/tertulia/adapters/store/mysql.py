"""MariaDB 10.6 and later, and MySQL 8.0 and later, over aiomysql.

Changes of data are READ COMMITTED, as on PostgreSQL: by the server's own default a script would
go on seeing what was there before it got its lock. Reads are REPEATABLE READ: one snapshot.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import aiomysql
from sqlalchemy.dialects.mysql.aiomysql import dialect

from tertulia.adapters.store.migrations.server import LOCK_SECONDS
from tertulia.adapters.store.mysql_errors import ERRORS, meaning
from tertulia.adapters.store.mysql_values import written
from tertulia.adapters.store.server import ServerEngine
from tertulia.adapters.store.server_session import Meaning
from tertulia.adapters.store.statement import Params, Rows, Statement
from tertulia.errors import Misconfigured, Unavailable

_DIALECT: Final = dialect(paramstyle="pyformat")
_LEAVE_SECONDS: Final = 2.0
#: Seconds after which the server ends a connection that lies unused; ours are used again only
#: while they are younger.
_SERVER_IDLE: Final = 120
_IDLE_SECONDS: Final = 60.0

# Strict: what does not fit is refused, never cut. Warnings are kept from the driver, which would
# show them, and the values they quote, to whoever watches the process.
_AT_FIRST: Final = (
    "SET sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00', "
    "sql_notes = 0, max_error_count = 0"
)
_VERSION: Final = "SELECT version_num FROM alembic_version"
_HAS_VERSION: Final = (
    "SELECT COUNT(*) FROM information_schema.tables "
    "WHERE table_schema = DATABASE() AND table_name = 'alembic_version'"
)


def open_mysql(
    url: str,
    *,
    setting: str = "store",
    transaction_seconds: float = 30.0,
    connect_seconds: float = 5.0,
    **tuning: Any,
) -> ServerEngine:
    """An engine over ``mysql://user:password@host:port/database`` (or ``mariadb://``), not
    started. ``?ssl_ca=FILE`` asks for TLS with a server of that authority, ``?ssl=true`` of those
    the machine trusts. Errors and parameters as those of `postgresql.open_postgresql`.
    """
    database = MysqlDatabase(
        url,
        setting=setting,
        transaction_seconds=transaction_seconds,
        connect_seconds=connect_seconds,
    )
    return ServerEngine(
        database,
        transaction_seconds=transaction_seconds,
        idle_seconds=_IDLE_SECONDS,
        **tuning,
    )


class MysqlDatabase:
    """A `Database`, and `Migratable`."""

    dialect = "mysql"
    errors = ERRORS
    single_reads = True

    def __init__(
        self,
        url: str,
        *,
        setting: str = "store",
        transaction_seconds: float = 30.0,
        connect_seconds: float = 5.0,
    ) -> None:
        self._setting = setting
        self._options = _options(url, setting)
        database = self._options["db"]
        self.name = f"MariaDB at {self._options['host']}:{self._options['port']}/{database}"
        self._lock = f"tertulia-{sha256(database.encode()).hexdigest()[:32]}"
        self._connect_seconds = connect_seconds
        self._seconds = max(1, int(transaction_seconds))

    async def connect(self, *, reading: bool = False) -> MysqlSession:
        level = "REPEATABLE READ" if reading else "READ COMMITTED"
        session = await self.raw()
        try:
            await session.fetch(f"SET SESSION TRANSACTION ISOLATION LEVEL {level}")
            await session.fetch(
                f"SET innodb_lock_wait_timeout = {self._seconds}, wait_timeout = {_SERVER_IDLE}"
            )
            if session.is_mariadb:
                # A node that was stopped in the middle of a transaction must not hold a user's
                # row. (MySQL has only the time-out for connections as such.)
                await session.fetch(f"SET idle_transaction_timeout = {self._seconds}")
        except BaseException:
            session.abort()
            raise
        return session

    async def raw(self) -> MysqlSession:
        """Raises `ERRORS`."""
        connection = await aiomysql.connect(
            **self._options,
            connect_timeout=self._connect_seconds,
            charset="utf8mb4",
            autocommit=True,
            init_command=_AT_FIRST,
        )
        return MysqlSession(connection)

    def meaning(self, error: Exception) -> Meaning:
        return meaning(error, self.name, self._setting)

    @asynccontextmanager
    async def migrating(self) -> AsyncIterator[MysqlSession]:
        session = await self.raw()
        try:
            ((got,),) = await session.fetch(f"SELECT GET_LOCK('{self._lock}', {LOCK_SECONDS})")
            if got != 1:
                raise Unavailable(f"{self.name} is being changed by another node for too long")
            # Ids and keys are compared byte by byte, spaces at their end too. Tables made from
            # here on inherit it.
            binary = "utf8mb4_nopad_bin" if session.is_mariadb else "utf8mb4_0900_bin"
            await session.fetch(f"ALTER DATABASE CHARACTER SET utf8mb4 COLLATE {binary}")
            yield session
        finally:
            # The lock is the connection's, and ends with it.
            await session.close()


def _options(url: str, setting: str) -> dict[str, Any]:
    """What the driver takes. Raises `Misconfigured`."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 3306
    except ValueError:
        parts, host, port = urlsplit(""), None, 0
    database = unquote(parts.path.strip("/"))
    if not host or not database:
        raise Misconfigured(
            f"{setting}: a MariaDB or MySQL database is given as "
            "mysql://user:password@host:port/database; characters of the password that mean "
            "something in a URL are written %xx."
        )
    options: dict[str, Any] = {
        "host": host,
        "port": port,
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "db": database,
    }
    for name, value in parse_qsl(parts.query):
        if name == "ssl_ca" or (name == "ssl" and value == "true"):
            options["ssl"] = _trusting(value if name == "ssl_ca" else None, setting)
        else:
            raise Misconfigured(
                f"{setting}: a MariaDB or MySQL URL takes ssl=true and ssl_ca, not {name}."
            )
    return options


def _trusting(authorities: str | None, setting: str) -> Any:
    import ssl

    try:
        return ssl.create_default_context(cafile=authorities)
    except OSError as error:
        raise Misconfigured(
            f"{setting}: the file of certificates {authorities} cannot be read ({error.strerror})."
        ) from None


class MysqlSession:
    """A `Session`."""

    __slots__ = ("_connection", "committing")

    def __init__(self, connection: aiomysql.Connection) -> None:
        self._connection = connection
        self.committing = False

    @property
    def is_mariadb(self) -> bool:
        return "MariaDB" in str(self._connection.get_server_info())

    @property
    def lost(self) -> bool:
        return bool(self._connection.closed)

    def abort(self) -> None:
        self._connection.close()

    async def close(self) -> None:
        try:
            async with asyncio.timeout(_LEAVE_SECONDS):
                await self._connection.ensure_closed()
        except ERRORS:
            self._connection.close()

    async def begin(self, *, durable: bool) -> None:  # noqa: ARG002 - the server has no such choice
        await self._connection.begin()

    async def begin_reading(self) -> None:
        await self.fetch("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")

    async def execute(self, statement: Statement, params: Params) -> Rows:
        sql, values = statement.render(_DIALECT, params)
        return await self.fetch(written(sql, values))

    async def fetch(self, sql: str) -> Rows:
        async with self._connection.cursor() as cursor:
            await cursor.execute(sql)
            return list(await cursor.fetchall())

    async def commit(self) -> None:
        await self._connection.commit()

    async def roll_back(self) -> None:
        if self._connection.get_transaction_status():
            await self._connection.rollback()

    async def time(self) -> float:
        ((seconds,),) = await self.fetch("SELECT UNIX_TIMESTAMP(SYSDATE(6))")
        return float(seconds)

    async def version(self) -> str | None:
        ((table,),) = await self.fetch(_HAS_VERSION)
        rows = await self.fetch(_VERSION) if table else []
        return str(rows[0][0]) if rows else None

    async def read_only(self) -> bool:
        ((read_only,),) = await self.fetch("SELECT @@GLOBAL.read_only")
        return bool(read_only)

"""PostgreSQL 13 and later, over asyncpg.

PgBouncer in front, in transaction mode: ``statement_cache_size=0``. It takes no settings at
connection time, so time-outs are then to be set for the role (`ALTER ROLE … SET
idle_in_transaction_session_timeout = '15s'`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import asyncpg
from sqlalchemy.dialects.postgresql.asyncpg import dialect

from tertulia.adapters.store.migrations.server import LOCK_SECONDS
from tertulia.adapters.store.postgresql_errors import ERRORS, meaning
from tertulia.adapters.store.server import ServerEngine
from tertulia.adapters.store.server_session import Meaning
from tertulia.adapters.store.statement import Params, Rows, Statement
from tertulia.errors import Misconfigured

_DIALECT: Final = dialect()  # type: ignore[no-untyped-call]
_LEAVE_SECONDS: Final = 2.0
#: Of the advisory lock under which the schema is changed: "tertulia" in ASCII.
_LOCK: Final = int.from_bytes(b"tertulia")

_VERSION: Final = "SELECT version_num FROM alembic_version"
_TIME: Final = "SELECT extract(epoch FROM clock_timestamp())::float8"
_READ_ONLY: Final = "SELECT current_setting('transaction_read_only') = 'on'"


def open_postgresql(
    url: str,
    *,
    setting: str = "store",
    transaction_seconds: float = 30.0,
    connect_seconds: float = 5.0,
    statement_cache_size: int = 512,
    **tuning: Any,
) -> ServerEngine:
    """An engine over ``postgresql://user:password@host:port/database``, not started.

    The URL is as libpq knows it: several hosts (``host1,host2``) with
    ``?target_session_attrs=primary`` are tried in turn, ``?sslmode=verify-full`` and its like
    ask for TLS. Starting raises `Misconfigured` when user, password, database or schema are
    wrong, and `Unavailable` when no server answers. ``setting``: that has the URL, for messages;
    ``connect_seconds``: within which a server must have answered a new connection; ``tuning``:
    the other parameters of `ServerEngine`.

    Raises:
        Misconfigured: the URL cannot be understood.
    """
    database = PostgresDatabase(
        url,
        setting=setting,
        transaction_seconds=transaction_seconds,
        connect_seconds=connect_seconds,
        statement_cache_size=statement_cache_size,
    )
    return ServerEngine(database, transaction_seconds=transaction_seconds, **tuning)


class PostgresDatabase:
    """A `Database`, and `Migratable`."""

    dialect = "postgresql"
    errors = ERRORS

    def __init__(
        self,
        url: str,
        *,
        setting: str = "store",
        transaction_seconds: float = 30.0,
        connect_seconds: float = 5.0,
        statement_cache_size: int = 512,
    ) -> None:
        try:
            parts = urlsplit(url)
            hosts, database = parts.netloc.rpartition("@")[2], parts.path.strip("/")
        except ValueError:
            hosts = database = ""
        if not hosts or not database:
            raise Misconfigured(
                f"{setting}: a PostgreSQL database is given as "
                "postgresql://user:password@host:port/database; characters of the password that "
                "mean something in a URL are written %xx."
            )
        self.name = f"PostgreSQL at {hosts}/{database}"
        #: Outside a transaction a pooler may send each message to another server process.
        self.single_reads = statement_cache_size > 0
        self._url = url
        self._setting = setting
        self._connect_seconds = connect_seconds
        self._cache = statement_cache_size
        self._settings = _settings(transaction_seconds) if statement_cache_size else {}

    async def connect(self, *, reading: bool = False) -> PostgresSession:  # noqa: ARG002
        return PostgresSession(await self.raw())

    async def raw(self) -> asyncpg.Connection[Any]:
        """A connection of the driver's. Raises `ERRORS`."""
        try:
            return await asyncpg.connect(
                self._url,
                timeout=self._connect_seconds,
                statement_cache_size=self._cache,
                # Planned once for the life of the connection.
                max_cached_statement_lifetime=0,
                server_settings=self._settings,
            )
        except (ValueError, asyncpg.ClientConfigurationError):
            raise Misconfigured(
                f"{self._setting}: the URL of {self.name} cannot be used: a port that is no "
                "number, or an option that libpq does not know."
            ) from None

    def meaning(self, error: Exception) -> Meaning:
        return meaning(error, self.name, self._setting)

    @asynccontextmanager
    async def migrating(self) -> AsyncIterator[PostgresSession]:
        session = PostgresSession(await self.raw())
        try:
            await session.begin(durable=True)
            await session.fetch("SET LOCAL statement_timeout TO 0")
            await session.fetch(f"SET LOCAL lock_timeout TO '{LOCK_SECONDS}s'")
            await session.fetch(f"SELECT pg_advisory_xact_lock({_LOCK})")
            yield session
            await session.commit()
        finally:
            await session.close()


def _settings(transaction_seconds: float) -> dict[str, str]:
    milliseconds = f"{transaction_seconds * 1000:.0f}"
    return {
        "application_name": "tertulia",
        "statement_timeout": milliseconds,
        "lock_timeout": milliseconds,
        # A node that was stopped in the middle of a transaction must not hold a user's row.
        "idle_in_transaction_session_timeout": milliseconds,
        "tcp_keepalives_idle": "60",
        # Short queries only: compiling one takes longer than running it.
        "jit": "off",
    }


class PostgresSession:
    """A `Session`."""

    __slots__ = ("_connection", "committing")

    def __init__(self, connection: asyncpg.Connection[Any]) -> None:
        self._connection = connection
        self.committing = False

    @property
    def lost(self) -> bool:
        return bool(self._connection.is_closed())

    def abort(self) -> None:
        self._connection.terminate()

    async def close(self) -> None:
        try:
            await self._connection.close(timeout=_LEAVE_SECONDS)
        except ERRORS:
            self._connection.terminate()

    async def begin(self, *, durable: bool) -> None:
        await self._connection.execute(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
            if durable
            else "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; "
            "SET LOCAL synchronous_commit TO off"
        )

    async def begin_reading(self) -> None:
        await self._connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")

    async def execute(self, statement: Statement, params: Params) -> Rows:
        sql, values = statement.render_positional(_DIALECT, params)
        return [tuple(row) for row in await self._connection.fetch(sql, *values)]

    async def fetch(self, sql: str) -> Rows:
        return [tuple(row) for row in await self._connection.fetch(sql)]

    async def commit(self) -> None:
        await self._connection.execute("COMMIT")

    async def roll_back(self) -> None:
        if self._connection.is_in_transaction():
            await self._connection.execute("ROLLBACK")

    async def time(self) -> float:
        return float(await self._connection.fetchval(_TIME))

    async def version(self) -> str | None:
        ((table,),) = await self.fetch("SELECT to_regclass('alembic_version') IS NOT NULL")
        rows = await self.fetch(_VERSION) if table else []
        return str(rows[0][0]) if rows else None

    async def read_only(self) -> bool:
        return bool(await self._connection.fetchval(_READ_ONLY))

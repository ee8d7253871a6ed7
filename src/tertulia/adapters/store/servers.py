"""Databases on servers, chosen by URL. Drivers are loaded only here, when named."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from tertulia.adapters.store.migrations.server import Migratable, prepare
from tertulia.errors import Misconfigured

if TYPE_CHECKING:
    from tertulia.adapters.store.server import ServerEngine

#: Scheme of the URL: the driver it needs, the extra that brings it, and the port if none is said.
_DRIVERS: Final = {
    "postgresql": ("asyncpg", "postgresql", 5432),
    "postgres": ("asyncpg", "postgresql", 5432),
    "mysql": ("aiomysql", "mysql", 3306),
    "mariadb": ("aiomysql", "mysql", 3306),
}
_THIS_MACHINE: Final = frozenset(("localhost", "127.0.0.1", "::1"))


def is_server(url: str) -> bool:
    """Whether this URL names a database on a server."""
    return url.partition(":")[0] in _DRIVERS


def open_server(url: str, *, setting: str = "store", **tuning: Any) -> ServerEngine:
    """An engine over the database at ``url``, not started; ``setting``: that has the URL, for
    messages; ``tuning``: the parameters of `postgresql.open_postgresql` or `mysql.open_mysql`.

    Raises:
        Misconfigured: the URL cannot be understood, or its driver is not installed.
    """
    if _extra_of(url, setting) == "postgresql":
        from tertulia.adapters.store.postgresql import open_postgresql

        return open_postgresql(url, setting=setting, **tuning)
    from tertulia.adapters.store.mysql import open_mysql

    return open_mysql(url, setting=setting, **tuning)


def database_of(url: str, *, setting: str = "store") -> Migratable:
    """The database at ``url``, for whoever changes its schema. Raises as `open_server` does."""
    if _extra_of(url, setting) == "postgresql":
        from tertulia.adapters.store.postgresql import PostgresDatabase

        return PostgresDatabase(url, setting=setting)
    from tertulia.adapters.store.mysql import MysqlDatabase

    return MysqlDatabase(url, setting=setting)


async def prepare_server(url: str) -> None:
    """Bring the database at ``url`` to this release's schema, whoever else does so just now.

    Raises:
        Misconfigured: as `open_server`; also when a newer release wrote it, or user, password or
            database are wrong.
        Unavailable: no server answers.
    """
    await prepare(database_of(url))


def same_database(one: str, other: str) -> bool:
    """Whether two URLs of servers name one database, as far as can be told from them: a machine
    may have names of which nothing is known here."""
    kind, hosts, name = _place(one)
    other_kind, other_hosts, other_name = _place(other)
    return kind == other_kind and name == other_name and not hosts.isdisjoint(other_hosts)


def _place(url: str) -> tuple[str, frozenset[tuple[str, str]], str]:
    """Driver, hosts with their ports, database."""
    driver, _, usual = _DRIVERS[url.partition(":")[0]]
    try:
        parts = urlsplit(url)
    except ValueError:
        return driver, frozenset(), ""
    hosts = set()
    for place in parts.netloc.rpartition("@")[2].split(","):
        host, colon, port = place.rpartition(":")
        if not colon or port.endswith("]"):
            host, port = place, str(usual)
        host = unquote(host).strip("[]").lower()
        hosts.add(("localhost" if host in _THIS_MACHINE else host, port))
    return driver, frozenset(hosts), unquote(parts.path.strip("/"))


def _extra_of(url: str, setting: str) -> str:
    scheme = url.partition(":")[0]
    if scheme not in _DRIVERS:
        raise Misconfigured(
            f"{setting}: {scheme!r} is none of {', '.join(sorted(_DRIVERS))}, or the embedded "
            f"`{'sqlite' if setting == 'store' else 'file'}`."
        )
    driver, extra, _ = _DRIVERS[scheme]
    if find_spec(driver) is None:
        raise Misconfigured(
            f"{setting}: {scheme} needs {driver}, which is not installed: "
            f"pip install 'tertulia[{extra}]'"
        )
    return extra

"""The store on a database server, chosen by its URL. Drivers are loaded only here, when named."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from tertulia.errors import Misconfigured

if TYPE_CHECKING:
    from tertulia.adapters.store.server import ServerEngine

#: Scheme of the URL: the driver it needs, and the extra that brings it.
_DRIVERS: Final = {
    "postgresql": ("asyncpg", "postgresql"),
    "postgres": ("asyncpg", "postgresql"),
    "mysql": ("aiomysql", "mysql"),
    "mariadb": ("aiomysql", "mysql"),
}


def is_server(url: str) -> bool:
    """Whether this URL names a database on a server."""
    return url.partition(":")[0] in _DRIVERS


def open_server(url: str, **tuning: Any) -> ServerEngine:
    """An engine over the database at ``url``, not started; ``tuning``: the parameters of
    `postgresql.open_postgresql` or `mysql.open_mysql`.

    Raises:
        Misconfigured: the URL cannot be understood, or its driver is not installed.
    """
    if _extra_of(url) == "postgresql":
        from tertulia.adapters.store.postgresql import open_postgresql

        return open_postgresql(url, **tuning)
    from tertulia.adapters.store.mysql import open_mysql

    return open_mysql(url, **tuning)


async def prepare_server(url: str) -> None:
    """Bring the database at ``url`` to this release's schema, whoever else does so just now.

    Raises:
        Misconfigured: as `open_server`; also when a newer release wrote it, or user, password or
            database are wrong.
        Unavailable: no server answers.
    """
    if _extra_of(url) == "postgresql":
        from tertulia.adapters.store.postgresql import prepare_postgresql

        await prepare_postgresql(url)
    else:
        from tertulia.adapters.store.mysql import prepare_mysql

        await prepare_mysql(url)


def _extra_of(url: str) -> str:
    scheme = url.partition(":")[0]
    if scheme not in _DRIVERS:
        raise Misconfigured(
            f"store: {scheme!r} is none of {', '.join(sorted(_DRIVERS))}, or the embedded `sqlite`."
        )
    driver, extra = _DRIVERS[scheme]
    if find_spec(driver) is None:
        raise Misconfigured(
            f"store: {scheme} needs {driver}, which is not installed: "
            f"pip install 'tertulia[{extra}]'"
        )
    return extra

"""Keys in databases on servers."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from tertulia.adapters.keys.server import ServerKeys

KEK = bytes(range(32))
#: The same, as the settings take it.
MASTER_KEY = base64.b64encode(KEK).decode()
#: Kinds of database servers, with the fixture of the server.
SERVERS = {"postgresql": "postgres", "mariadb": "mariadb"}


@contextmanager
def empty_database(request: pytest.FixtureRequest, kind: str) -> Iterator[str]:
    """The URL of a database without a table on a server of the kind."""
    server = request.getfixturevalue(SERVERS[kind])
    name = server.database()
    try:
        yield server.url(name)
    finally:
        server.drop(name)


@asynccontextmanager
async def server_keys(url: str, kek: bytes = KEK, **how: Any) -> AsyncIterator[ServerKeys]:
    keys = ServerKeys(url, kek, **how)
    await keys.start()
    try:
        yield keys
    finally:
        await keys.close()

"""Every backend of the store, held to one contract."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path

import pytest
from tests.support.stores import SERVERS, Rig, server_rig, sqlite_rig, template

from tertulia.adapters.store.servers import open_server


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return template(tmp_path_factory.mktemp("store"))


@pytest.fixture(params=["sqlite", "sqlite+log", *SERVERS])
async def rig(request: pytest.FixtureRequest, tmp_path: Path, empty: Path) -> AsyncIterator[Rig]:
    opened: AbstractAsyncContextManager[Rig]
    if request.param in SERVERS:
        url = request.getfixturevalue(SERVERS[request.param])
        opened = server_rig(tmp_path, open_server(url))
    else:
        opened = sqlite_rig(tmp_path, empty, with_log=request.param == "sqlite+log")
    async with opened as made:
        yield made


@pytest.fixture(params=SERVERS)
def server_url(request: pytest.FixtureRequest) -> str:
    """Of a database with the schema on a server of each kind."""
    return str(request.getfixturevalue(SERVERS[request.param]))


@pytest.fixture
async def nodes(server_url: str, tmp_path: Path) -> AsyncIterator[tuple[Rig, Rig]]:
    """Two on one database, with the same keys."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(server_rig(tmp_path, open_server(server_url)))
        again = server_rig(tmp_path, open_server(server_url), fresh=False)
        yield first, await stack.enter_async_context(again)

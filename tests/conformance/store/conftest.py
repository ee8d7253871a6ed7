"""Every backend of the store, held to one contract."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from tests.support.services.postgres import Postgres, apart, postgres_server
from tests.support.stores import Rig, server_rig, sqlite_rig, template

from tertulia.adapters.store.postgresql import open_postgresql, prepare_postgresql


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return template(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def empty_postgres(postgres: Postgres) -> str:
    """The name of a database with the schema: each test copies it."""
    name = postgres.database()
    apart(prepare_postgresql(postgres.url(name)))
    return name


@pytest.fixture
def postgres_url(postgres: Postgres, empty_postgres: str) -> Iterator[str]:
    """Of a database of the test's own."""
    name = postgres.database(empty_postgres)
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture(params=["sqlite", "sqlite+log", "postgresql"])
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    def given(name: str) -> object:
        return request.getfixturevalue(name)

    opened: AbstractAsyncContextManager[Rig]
    if request.param == "postgresql":
        opened = server_rig(tmp_path, open_postgresql(str(given("postgres_url"))))
    else:
        empty = Path(str(given("empty")))
        opened = sqlite_rig(tmp_path, empty, with_log=request.param == "sqlite+log")
    async with opened as made:
        yield made

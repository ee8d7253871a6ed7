"""The pipeline over its real parts, in a folder of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.turns.house import House, open_house

#: Store and log share transactions, or know nothing of each other, as they do in a cluster.
EMBEDDED = ("one file", "two systems")
#: Of the files in which it could matter, tests run with the store on a server as well.
ON_A_SERVER = ("test_turn", "test_recover", "test_takeover", "test_edges")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "house" in metafunc.fixturenames:
        name = metafunc.module.__name__.rpartition(".")[2]
        servers = ("postgresql",) if name in ON_A_SERVER else ()
        metafunc.parametrize("house", (*EMBEDDED, *servers), indirect=True)


@pytest.fixture
async def house(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[House]:
    """A node without transports: store, log, queue, scripted model, worker (not started)."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    async with open_house(tmp_path, one_file=request.param == "one file", store_url=url) as made:
        yield made

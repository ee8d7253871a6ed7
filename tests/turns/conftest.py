"""The pipeline over its real embedded parts, in a folder of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.turns.house import House, open_house


@pytest.fixture(params=["one file", "two systems"])
async def house(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[House]:
    """A node without transports: store, log, queue, scripted model, worker (not started).

    Store and log share transactions, or know nothing of each other, as they do in a cluster.
    """
    async with open_house(tmp_path, one_file=request.param == "one file") as made:
        yield made

"""The pipeline over its real embedded parts, in a folder of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.turns.house import House, open_house


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A node without transports: store, log, queue, scripted model, worker (not started)."""
    async with open_house(tmp_path) as made:
        yield made

"""Every backend of the store, held to one contract."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.stores import Rig, sqlite_rig, template


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return template(tmp_path_factory.mktemp("store"))


@pytest.fixture(params=["sqlite", "sqlite+log"])
async def rig(request: pytest.FixtureRequest, tmp_path: Path, empty: Path) -> AsyncIterator[Rig]:
    async with sqlite_rig(tmp_path, empty, with_log=request.param == "sqlite+log") as opened:
        yield opened

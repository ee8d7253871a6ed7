"""Servers under test; see `tests.support.served`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.served import Served, serving
from tests.support.stores import template

Serve = Callable[..., Awaitable[Served]]


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return template(tmp_path_factory.mktemp("empty"))


@pytest.fixture
async def serve(tmp_path: Path, empty_database: Path) -> AsyncIterator[Serve]:
    """Starts servers; keyword arguments are settings."""
    async with AsyncExitStack() as stack:

        async def start(**changes: Any) -> Served:
            folder = tmp_path / "data"
            folder.mkdir()
            web = changes.pop("web", tmp_path / "web")
            return await stack.enter_async_context(serving(folder, empty_database, web, **changes))

        yield start


@pytest.fixture
async def served(serve: Serve) -> Served:
    """A server as `tertulia serve` starts it."""
    return await serve()


@pytest.fixture
async def ann(served: Served) -> httpx.AsyncClient:
    """A signed-in user of `served`."""
    return await served.user("ann@example.org")


@pytest.fixture
async def ben(served: Served) -> httpx.AsyncClient:
    """Another one."""
    return await served.user("ben@example.org")

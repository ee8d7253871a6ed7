"""Servers that end with their test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.server import Server


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Makes servers, each with a data folder of its own; started by the test."""
    made: list[Server] = []

    def make(*flags: str, data: Path | None = None, **options: Any) -> Server:
        server = Server(data or tmp_path / f"data{len(made)}", *flags, **options)
        made.append(server)
        return server

    yield make
    for server in made:
        server.stop()

"""A NATS server with JetStream; its streams lie in a file and outlive it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.services.process import Service, free_port, program


class Nats(Service):
    """``options`` as on its command line."""

    def __init__(self, folder: Path, *options: str, jetstream: bool = True) -> None:
        port = free_port()
        command = [
            program("nats-server", str(Path(sys.executable).parent)),
            "-a", "127.0.0.1",
            "-p", str(port),
            *options,
        ]  # fmt: skip
        if jetstream:
            command += ["-js", "-sd", str(folder / "jetstream")]
        super().__init__("nats", command, folder, port=port)

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nats]:
    """Shared by all tests; who pauses or stops it sees to it that it serves again."""
    server = Nats(tmp_path_factory.mktemp("nats"))
    try:
        server.start()
        yield server
    finally:
        server.stop()

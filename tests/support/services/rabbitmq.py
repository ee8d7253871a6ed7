"""RabbitMQ, with a name, folders and an epmd of its own. It takes many seconds to start."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.support.services.process import STOPPED, Service, free_port, listens, program

USER = "rabbitmq"
PROGRAMS = "/usr/lib/rabbitmq/bin"


class RabbitMq(Service):
    """Its epmd, which tells nodes of each other, is a child of ours, and ends with `end`."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        config = folder / "rabbitmq.conf"
        config.write_text(
            f"listeners.tcp.1 = 127.0.0.1:{port}\n"
            "log.console = true\n"
            "log.console.level = warning\n"
            "log.file = false\n"
        )
        self._epmd_port = free_port()
        self._epmd: subprocess.Popen[bytes] | None = None
        self._epmd_command = [program("epmd"), "-port", str(self._epmd_port)]
        environment = {
            "HOME": str(folder),  # for the cookie
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"tests-{port}@localhost",
            "RABBITMQ_PID_FILE": str(folder / "node.pid"),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_CONFIG_FILE": str(config),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",
        }
        super().__init__(
            "rabbitmq",
            [program("rabbitmq-server", PROGRAMS)],
            folder,
            port=port,
            user=USER,
            environment=environment,
        )

    @property
    def url(self) -> str:
        return f"amqp://127.0.0.1:{self.port}/"

    def start(self) -> None:
        if self._epmd is None:
            environment = {**os.environ, "ERL_EPMD_ADDRESS": "127.0.0.1"}
            self._epmd = subprocess.Popen(self._epmd_command, env=environment)
        super().start()

    def stop(self, kind: signal.Signals = signal.SIGTERM) -> None:
        # The node is a grandchild. The scripts around it end at once when they are asked to, and
        # a node killed in the middle of its own ending may leave queues without a leader.
        node = self._node()
        if node is not None and kind is signal.SIGTERM:
            self.resume()
            with suppress(ProcessLookupError):
                os.kill(node, kind)
            self._await(lambda: not Path(f"/proc/{node}").exists())
        super().stop(kind)
        # Until it is gone, it has the port.
        self._await(lambda: not listens(self.port))

    def _node(self) -> int | None:
        try:
            return int((self.folder / "node.pid").read_text())
        except (OSError, ValueError):
            return None

    @staticmethod
    def _await(done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + STOPPED
        while not done() and time.monotonic() < deadline:
            time.sleep(0.02)

    def end(self) -> None:
        """Stop it for good."""
        self.stop()
        epmd, self._epmd = self._epmd, None
        if epmd is not None:
            epmd.terminate()
            with suppress(subprocess.TimeoutExpired):
                epmd.wait(STOPPED)


@contextmanager
def running_rabbitmq() -> Iterator[RabbitMq]:
    """A fresh one, running."""
    folder = Path(tempfile.mkdtemp(prefix="tertulia-rabbitmq-"))
    server = RabbitMq(folder)
    if os.geteuid() == 0:
        shutil.chown(folder, USER)
    try:
        server.start()
        yield server
    finally:
        server.end()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def rabbitmq_server() -> Iterator[RabbitMq]:
    """Shared by all tests; who pauses or stops it sees to it that it serves again."""
    with running_rabbitmq() as server:
        yield server

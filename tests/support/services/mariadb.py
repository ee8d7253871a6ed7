"""MariaDB for the tests, from Debian's package `mariadb-server`."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final

import pymysql
import pytest
from tests.support.services.apart import apart, as_user, service_folder, unprivileged
from tests.support.services.process import Service, free_port, program

from tertulia.adapters.store.schema import metadata

#: Whom the server runs as when the tests run as root.
_SYSTEM_USER: Final = unprivileged("mysql")
SUPERUSER: Final = "root"
#: Has to show a password.
GUARDED, PASSWORD = "guarded", "a secret: p@ss/w%rd"

#: For tests alone: what was committed need not outlive the machine, and memory is short.
_SETTINGS: Final = (
    "--innodb-flush-method=nosync",
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-buffer-pool-size=48M",
    "--innodb-log-file-size=16M",
    "--innodb-doublewrite=0",
    "--innodb-fast-shutdown=2",
    "--innodb-stats-persistent=0",
    "--performance-schema=0",
    "--skip-log-bin",
    "--skip-name-resolve",
    "--max-connections=200",
    "--aria-pagecache-buffer-size=8M",
    "--key-buffer-size=1M",
)


class MariaDB(Service):
    """A server that tests share; each makes databases of its own."""

    def __init__(self, folder: Path) -> None:
        self._data = folder / "data"
        port = free_port()
        command = [
            program("mariadbd", "/usr/sbin"),
            "--no-defaults",
            f"--datadir={self._data}",
            f"--port={port}",
            "--bind-address=127.0.0.1",
            f"--socket={folder / 's'}",
            f"--pid-file={folder / 'pid'}",
            *_SETTINGS,
        ]
        if os.geteuid() == 0:
            command.append(f"--user={_SYSTEM_USER}")
        super().__init__("mariadb", command, folder, port=port, ready=self._accepts)
        self._numbers = count(1)
        self._kept: str | None = None

    def make(self) -> None:
        command = [
            *as_user(_SYSTEM_USER),
            program("mariadb-install-db"),
            "--no-defaults",
            f"--datadir={self._data}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--innodb-flush-method=nosync",
            "--innodb-log-file-size=16M",
        ]
        subprocess.run(command, check=True, capture_output=True, cwd=self.folder)

    def _accepts(self) -> bool:
        try:
            self.execute("SELECT 1")
        except pymysql.err.OperationalError:
            return False
        return True

    def url(self, database: str = "", user: str = SUPERUSER) -> str:
        return f"mariadb://{user}@127.0.0.1:{self.port}/{database}"

    def execute(self, *statements: str, database: str | None = None) -> Sequence[Any]:
        """As the superuser, each committed; the rows of the last one."""
        connection = pymysql.connect(
            host="127.0.0.1", port=self.port, user=SUPERUSER, database=database, autocommit=True
        )
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def database(self) -> str:
        """Make an empty database; its name."""
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return name

    def emptied_database(self) -> str:
        """One with the schema and nothing else, the same each time: to make the tables anew takes
        longer than most tests do."""
        if self._kept is None:
            from tertulia.adapters.store.servers import prepare_server

            name = self.database()
            apart(prepare_server(self.url(name)))
            self._kept = name
        tables = [f"DELETE FROM {table}" for table in metadata.tables if table != "meta"]
        self.execute(*tables, "DELETE FROM meta WHERE name != 'slots'", database=self._kept)
        return self._kept

    def disconnect_all(self, name: str) -> None:
        """End every connection to a database."""
        rows = self.execute(f"SELECT id FROM information_schema.processlist WHERE db = '{name}'")
        self.execute(*(f"KILL {number}" for (number,) in rows), "SELECT 1")

    def drop(self, name: str) -> None:
        self.execute(f"DROP DATABASE IF EXISTS {name}")


@contextmanager
def mariadb_server() -> Iterator[MariaDB]:
    """A fresh one, running."""
    with service_folder(_SYSTEM_USER) as folder:
        server = MariaDB(folder)
        server.make()
        server.start()
        try:
            server.execute(
                f"CREATE USER {GUARDED} IDENTIFIED BY '{PASSWORD}'",
                f"GRANT ALL ON *.* TO {GUARDED}",
            )
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    """A server for the whole run: make databases in it."""
    with mariadb_server() as server:
        yield server


@pytest.fixture
def mariadb_url(mariadb: MariaDB) -> str:
    """Of a database with the schema and nothing else."""
    return mariadb.url(mariadb.emptied_database())

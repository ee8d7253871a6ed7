"""Alembic, driven by the program. Imported only when a database has to be changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOBase
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import URL, Connection, create_engine, event
from sqlalchemy.pool import NullPool


def upgrade(url: URL, revision: str) -> None:
    """Take the database at ``url`` forward to ``revision``, in one transaction."""
    with _configured(url) as config:
        command.upgrade(config, revision)


def downgrade(url: URL, revision: str) -> None:
    """Take it back to ``revision`` (``base``: no tables), in one transaction."""
    with _configured(url) as config:
        command.downgrade(config, revision)


def statements(dialect: str, start: str | None, to: str) -> list[str]:
    """The SQL that takes a database of this kind from one revision (None: no tables) to another,
    forward or back (``base``: no tables), for whoever has a connection to run it on.

    Written out rather than run by SQLAlchemy, whose connections to asyncio drivers need greenlets.
    """
    config, said = _config(), _Statements()
    config.attributes.update(dialect=dialect, output=said)
    if start is None:
        command.upgrade(config, to, sql=True)
    elif to == "base" or to < start:
        command.downgrade(config, f"{start}:{to}", sql=True)
    else:
        command.upgrade(config, f"{start}:{to}", sql=True)
    return said.statements


class _Statements(TextIOBase):
    """Alembic writes one statement at a time."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def write(self, text: str, /) -> int:
        lines = [line for line in text.splitlines() if not line.startswith("--")]
        if statement := "\n".join(lines).strip().removesuffix(";"):
            self.statements.append(statement)
        return len(text)


def _config() -> Config:
    config = Config()
    # Alembic keeps options as text in which `%` is special.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config


@contextmanager
def _configured(url: URL) -> Iterator[Config]:
    config = _config()
    engine = create_engine(url, poolclass=NullPool)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "begin", _begin_sqlite)
    try:
        with engine.connect() as connection:
            config.attributes["connection"] = connection
            yield config
    finally:
        engine.dispose()


def _begin_sqlite(connection: Connection) -> None:
    # Left to itself the driver begins no transaction before DDL, and a migration that dies
    # half-way would leave half a schema.
    raw = connection.connection.driver_connection
    if raw is not None:
        raw.isolation_level = None
    connection.exec_driver_sql("BEGIN IMMEDIATE")

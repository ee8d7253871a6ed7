"""Alembic, driven by the program. Imported only when a database has to be changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def _configured(url: URL) -> Iterator[Config]:
    config = Config()
    # Alembic keeps options as text in which `%` is special.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
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

"""The schema's history, and the way along it, forward and back, without a file of settings.

While a release is rolled out, nodes of the one before run on the schema of the new one, and may
start on it. So a revision either only adds (tables, columns that may be empty, indexes): then it is
called by the number of the last one that did more, and a dot (``0005.1`` after ``0005``); code that
knows the number works on. Or it takes away or changes, and gets the next number: at least one
release after the last code that needed what it takes away.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from sqlalchemy import URL
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable, ExecutableDDLElement

from tertulia.errors import DataFolderError

#: The newest revision: what this code reads and writes.
HEAD: Final = "0005.1"

#: Every revision of the history, oldest first.
KNOWN: Final = ("0001", "0002", "0003", "0004", "0005", "0005.1")

#: Alembic's own table, in its own words.
_VERSION: Final = (
    "CREATE TABLE alembic_version ("
    "version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
)


def serves(version: str | None) -> bool:
    """Whether this code works on a schema of that version: `HEAD`, or what later releases have
    only added to it."""
    if version is None or version in KNOWN:
        return version == HEAD
    return version.partition(".")[0] == HEAD.partition(".")[0]


def is_prepared(path: Path) -> bool:
    """Whether the database at ``path`` has the schema that this code works on.

    Raises:
        DataFolderError: it cannot be read.
    """
    return serves(_sqlite_version(path))


def prepare_sqlite(path: Path) -> None:
    """Bring the database at ``path`` to `HEAD`, making it if need be. Hold the folder's lock.

    A database that is there already costs one small query, and a new one is made as `schema.py`
    says it is; Alembic, which is slow to import, only ever changes one.

    Raises:
        DataFolderError: a newer version wrote it, or it is no database of ours.
    """
    version = _sqlite_version(path)
    if serves(version):
        return
    if version is not None and version not in KNOWN:
        raise DataFolderError(
            f"The database {path} has schema {version}, which a newer version of Tertulia wrote; "
            f"this version knows schemas up to {HEAD}. Start the newer version, or give this one "
            "another data folder with --data.",
            code="schema_too_new",
        )
    from sqlalchemy.exc import DBAPIError

    try:
        # Made here, so that nobody but its owner can ever read it.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        if not _make(path):
            from tertulia.adapters.store.migrations.run import upgrade

            upgrade(URL.create("sqlite", database=str(path)), HEAD)
    except (OSError, sqlite3.Error, DBAPIError) as error:
        raise _unreadable(path, error) from error


def _make(path: Path) -> bool:
    """Make the whole schema in an empty database; False: it is not empty."""
    from tertulia.adapters.store.schema import metadata

    dialect = sqlite.dialect()
    elements: list[ExecutableDDLElement] = []
    for table in metadata.sorted_tables:
        elements += [CreateTable(table), *map(CreateIndex, table.indexes)]
    made = [str(element.compile(dialect=dialect)) for element in elements]
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        if connection.execute("SELECT 1 FROM sqlite_master").fetchone() is not None:
            return False
        for statement in (*made, _VERSION):
            connection.execute(statement)
        connection.execute("INSERT INTO alembic_version VALUES (?)", (HEAD,))
        connection.execute("COMMIT")
    return True


def _sqlite_version(path: Path) -> str | None:
    if not path.exists():
        return None
    try:
        connection = sqlite3.connect(path)
        try:
            found = connection.execute(
                "SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'"
            ).fetchone()
            if found is None:
                return None
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            return None if row is None else str(row[0])
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> DataFolderError:
    reason = getattr(error, "orig", None) or error
    return DataFolderError(
        f"The database {path} cannot be used ({reason}). See that its disk has room and that it "
        "may be written to, restore it from a backup, or give another data folder with --data."
    )

"""The SQLite file: its connections, and what its errors mean."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from pathlib import Path
from typing import Final

from sqlalchemy.dialects import sqlite as sqlite_dialect

from tertulia.adapters.store.statement import Params, Rows, Script, Statement, T
from tertulia.errors import DataFolderError, TertuliaError, Unavailable

#: Seconds to wait for another process (the command line beside a running server).
_BUSY_SECONDS: Final = 5.0
#: Seconds between looks where SQLite does not wait by itself.
_LOOK_AGAIN: Final = 0.01
BUSY_TIMEOUT: Final = f"PRAGMA busy_timeout={_BUSY_SECONDS * 1000:.0f}"
NO_TIMEOUT: Final = "PRAGMA busy_timeout=0"
#: Below this many free bytes the folder counts as full: room for one write-ahead log.
_MIN_FREE_BYTES: Final = 8 << 20
_RETRY_AFTER: Final = 5.0

_DIALECT: Final = sqlite_dialect.dialect(paramstyle="qmark")

# secure_delete: what is deleted is overwritten with zeros in the file, because "delete" is a
#   promise to the user; old page images leave the write-ahead log at the next idle checkpoint.
# synchronous: the engine syncs the write-ahead log itself, beside the commits (see `sync`).
# wal_autocheckpoint: nor is that done within a commit.
# temp_store: sorts and temporary indexes stay in memory, never in a file of their own.
# journal_size_limit: after a burst the write-ahead log is cut back when it starts over.
_WRITER_PRAGMAS: Final = (
    "PRAGMA synchronous=NORMAL",
    "PRAGMA wal_autocheckpoint=0",
    "PRAGMA secure_delete=ON",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA foreign_keys=ON",
    "PRAGMA cache_size=-16384",
    "PRAGMA journal_size_limit=16777216",
)
_READER_PRAGMAS: Final = (
    "PRAGMA query_only=ON",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-8192",
)


def open_writer(path: Path) -> sqlite3.Connection:
    """The one connection that writes; makes the file, readable by its owner only."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = _connect(path, "rw")
    try:
        _use_wal(connection)
        for pragma in _WRITER_PRAGMAS:
            connection.execute(pragma).fetchall()
        # Takes the write lock, so that a file which can only be read is refused at the start.
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
    except BaseException:
        connection.close()
        raise
    return connection


def _use_wal(connection: sqlite3.Connection) -> None:
    """SQLite waits for no lock here: of processes that open a new file at once all but one would
    be refused."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").fetchall()
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() >= deadline:
                raise
            time.sleep(_LOOK_AGAIN)
        else:
            return


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write. The writer must be open: it keeps the shared memory."""
    connection = _connect(path, "ro")
    for pragma in _READER_PRAGMAS:
        connection.execute(pragma).fetchall()
    return connection


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    # Opened in one thread and used in another, never in two at once.
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        timeout=_BUSY_SECONDS,
        cached_statements=512,
        check_same_thread=False,
    )


def open_log(path: Path) -> int:
    """A descriptor of the write-ahead log, which lies there from the writer's opening to its
    closing; the names of both files are on the disk from now on.

    POSIX locks of a file end with any descriptor of it, but SQLite holds none on this one.
    """
    log = os.open(f"{path}-wal", os.O_RDWR | os.O_CLOEXEC)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return log


def sync(log: int) -> None:
    """Everything committed before is on the disk when this returns (as far as the system tells:
    like SQLite by default, it does not ask macOS to empty the drive's own cache)."""
    getattr(os, "fdatasync", os.fsync)(log)


def run(connection: sqlite3.Connection, script: Script[T]) -> T:
    """Drive a script to its end, within the transaction that is open."""
    rows: Rows | None = None
    while True:
        try:
            # The first send must be of None; a generator's type cannot say so.
            statement, params = script.send(rows)  # type: ignore[arg-type]
        except StopIteration as stop:
            value: T = stop.value
            return value
        rows = execute(connection, statement, params)


def execute(connection: sqlite3.Connection, statement: Statement, params: Params) -> Rows:
    sql, values = statement.render_positional(_DIALECT, params)
    return connection.execute(sql, values).fetchall()


def check_space(path: Path) -> None:
    """Raises `Unavailable` when the disk has no room for a write."""
    try:
        free = shutil.disk_usage(path.parent).free
    except OSError as error:
        raise _unavailable(path, "cannot be reached; see that it is mounted") from error
    if free < _MIN_FREE_BYTES:
        raise _unavailable(path, "is full; free some space")


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another connection holds what this one needs, for now."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def lost_writes(path: Path) -> Unavailable:
    """The disk has not taken what was committed; what is on it only a new start can tell."""
    return _unavailable(path, "failed to write; check the disk, then start Tertulia again")


def meaning(error: sqlite3.Error, path: Path) -> TertuliaError | None:
    """What a driver's error says about the data folder; None: the statement itself was wrong."""
    # The low byte is the class of the error, the rest a detail of it.
    match getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF:
        case sqlite3.SQLITE_FULL:
            return _unavailable(path, "is full; free some space")
        case sqlite3.SQLITE_IOERR | sqlite3.SQLITE_NOLFS:
            return _unavailable(path, "failed to read or write; check the disk")
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED | sqlite3.SQLITE_PROTOCOL:
            return _unavailable(path, "is being written to by another process")
        case sqlite3.SQLITE_READONLY:
            return _unavailable(path, "is read-only; make it writable")
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
            return _unavailable(path, "cannot be opened; check its owner and permissions")
        case sqlite3.SQLITE_NOMEM:
            return Unavailable("the machine is out of memory", retry_after=_RETRY_AFTER)
        case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
            return DataFolderError(
                f"{path} is damaged or not a Tertulia database: restore it from a backup, "
                "or choose another data folder with --data"
            )
        case _:
            return None


def at_start(error: sqlite3.Error | OSError, path: Path) -> TertuliaError:
    """The same for an error met on opening: there is no sense in trying again by itself."""
    known = meaning(error, path) if isinstance(error, sqlite3.Error) else None
    if isinstance(known, DataFolderError):
        return known
    detail = str(known or error)
    return DataFolderError(f"cannot open {path}: {detail}")


def _unavailable(path: Path, what: str) -> Unavailable:
    return Unavailable(f"the data folder {path.parent} {what}", retry_after=_RETRY_AFTER)

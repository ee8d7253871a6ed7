"""The one connection of the SQLite engine that writes. Used by one thread at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from tertulia.adapters.store import sqlite_file
from tertulia.adapters.store.sqlite_jobs import Job


class Writer:
    """Opened when made; raises as `sqlite_file.open_writer`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = sqlite_file.open_writer(path)
        self._patient = True
        #: A second one, for `fold_beside`, made when first needed.
        self._beside: sqlite3.Connection | None = None

    def close(self) -> None:
        if self._beside is not None:
            self._beside.close()
        self._connection.close()

    def commit(self, group: Sequence[Job], *, patient: bool) -> bool:
        """Run jobs and commit them together; what became of each is in it. False: another process
        is writing, nothing was done, and we are not ``patient`` enough to wait for it."""
        try:
            self._be(patient=patient)
            self._connection.execute("BEGIN IMMEDIATE")
            if not all(map(self._run, group)):
                self._roll_back()
                self._connection.execute("BEGIN IMMEDIATE")
                for job in group:
                    self._run_apart(job)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            if not patient and sqlite_file.is_busy(error):
                return False
            # The whole group is undone, and each of its callers is told.
            for job in group:
                job.error = job.error or sqlite_file.meaning(error, self._path) or error
        return True

    def fold(self, mode: Literal["RESTART", "TRUNCATE"]) -> bool:
        """Copy the whole write-ahead log into the file, so that it begins anew, or is cut to
        nothing. False: a reader was in the way."""
        try:
            self._be(patient=False)
            ((busy, _, _),) = self._connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchall()
        except sqlite3.Error:
            # The next write meets the same trouble, and has a caller to tell.
            return False
        return not busy

    def fold_beside(self) -> int:
        """Copy what of the write-ahead log can be, while others write. Pages that it holds."""
        try:
            if self._beside is None:
                self._beside = sqlite_file.open_writer(self._path)
                self._beside.execute(sqlite_file.NO_TIMEOUT)
            ((_, pages, _),) = self._beside.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error:
            return 0
        return int(pages)

    def _be(self, *, patient: bool) -> None:
        if patient is not self._patient:
            timeout = sqlite_file.BUSY_TIMEOUT if patient else sqlite_file.NO_TIMEOUT
            self._connection.execute(timeout)
            self._patient = patient

    def _run(self, job: Job) -> bool:
        """One job; False when it has failed and left something to be undone. Raises
        `sqlite3.Error` when no other job could succeed either."""
        before = self._connection.total_changes
        job.error = None
        try:
            job.value = sqlite_file.run(self._connection, job.make())
        except Exception as error:
            if isinstance(error, sqlite3.Error) and sqlite_file.meaning(error, self._path):
                raise
            job.error = error
            return self._connection.total_changes == before
        return True

    def _run_apart(self, job: Job) -> None:
        """The same, undone by itself if it fails."""
        self._connection.execute("SAVEPOINT job")
        if not self._run(job):
            self._connection.execute("ROLLBACK TO job")
        self._connection.execute("RELEASE job")

    def _roll_back(self) -> None:
        # Some errors have ended the transaction already.
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

"""The SQLite engine: one writer thread that groups commits, a few threads that read.

The writer takes every job that waits, runs them in one transaction, commits once, and tells the
event loop once. Should a job fail after it has written, all is undone and run again, each job then
within a savepoint. That is seldom, and statements are what to save: each gives the interpreter up,
and wins it back late from a busy event loop.

A group that holds a durable job is committed with ``synchronous=FULL`` (one fsync of the
write-ahead log); a group of log appends alone with NORMAL (none): they outlive the death of the
process, which is what takeover needs, and the next durable commit makes them durable too, since
it syncs the log that they share. A power cut may so lose the last words of an answer in progress,
never an accepted message or a finished answer.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final

from tertulia.adapters.store import sqlite_file
from tertulia.adapters.store.statement import Script, T
from tertulia.errors import Unavailable

#: Seconds for which one thread may keep the interpreter while another wants it. Each statement
#: gives it up; with Python's 5 ms a busy event loop stretched 1,000 appends from 0.3 s to 18 s.
_SWITCH_SECONDS: Final = 0.0005
#: Bounds the time a job waits for the others of its group, and the work lost with one.
_GROUP_MAX: Final = 256


@dataclass(slots=True, eq=False)
class _Job:
    make: Callable[[], Script[Any]]
    future: asyncio.Future[Any]
    durable: bool = True
    on_commit: Callable[[Any], None] | None = None
    value: Any = None
    error: Exception | None = None


class SqliteEngine:
    """An `Engine` over one file, in WAL mode.

    ``idle_seconds``: after so long without a write the write-ahead log is copied into the file
    and cut to nothing, so that neither it nor what was erased lingers.
    """

    def __init__(self, path: Path, *, readers: int = 2, idle_seconds: float = 5.0) -> None:
        self._path = path
        self._reader_count = readers
        self._idle_seconds = idle_seconds
        self._writes: SimpleQueue[_Job | None] = SimpleQueue()
        self._reads: SimpleQueue[_Job | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._open = False
        self._synchronous_full = True

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        try:
            await asyncio.to_thread(self._connect)
        except (sqlite3.Error, OSError) as error:
            raise sqlite_file.at_start(error, self._path) from error
        sys.setswitchinterval(min(sys.getswitchinterval(), _SWITCH_SECONDS))
        self._threads = [
            threading.Thread(target=self._write_loop, name="store-writer", daemon=True)
        ] + [
            threading.Thread(target=self._read_loop, args=(c,), name="store-reader", daemon=True)
            for c in self._readers
        ]
        for thread in self._threads:
            thread.start()
        self._open = True

    def _connect(self) -> None:
        with ExitStack() as opened:
            self._writer = opened.enter_context(closing(sqlite_file.open_writer(self._path)))
            self._readers = [
                opened.enter_context(closing(sqlite_file.open_reader(self._path)))
                for _ in range(self._reader_count)
            ]
            opened.pop_all()

    def write(
        self,
        make: Callable[[], Script[T]],
        *,
        durable: bool = True,
        on_commit: Callable[[T], None] | None = None,
    ) -> asyncio.Future[T]:
        return self._put(self._writes, make, durable, on_commit)

    def read(self, make: Callable[[], Script[T]]) -> asyncio.Future[T]:
        return self._put(self._reads, make, False, None)

    def _put(
        self,
        queue: SimpleQueue[_Job | None],
        make: Callable[[], Script[T]],
        durable: bool,
        on_commit: Callable[[T], None] | None,
    ) -> asyncio.Future[T]:
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if self._open:
            queue.put(_Job(make, future, durable, on_commit))
        else:
            future.set_exception(Unavailable("the store is closed"))
        return future

    async def ping(self) -> None:
        sqlite_file.check_space(self._path)
        # An empty group still takes and gives back the write lock.
        await self.write(_nothing, durable=False)

    async def close(self) -> None:
        if not self._open:
            return
        self._open = False
        self._writes.put(None)
        for _ in self._readers:
            self._reads.put(None)
        await asyncio.to_thread(self._join)

    def _join(self) -> None:
        for thread in self._threads:
            thread.join()
        for reader in self._readers:
            reader.close()
        # The last connection to close copies the write-ahead log into the file and removes it.
        self._writer.close()

    # --- the writer's thread -------------------------------------------------------------------

    def _write_loop(self) -> None:
        dirty = True
        while True:
            try:
                job = self._writes.get(timeout=self._idle_seconds if dirty else None)
            except Empty:
                dirty = not self._checkpoint()
                continue
            group, more = self._group(job)
            if group:
                self._commit(group)
                dirty = True
                self._loop.call_soon_threadsafe(self._settle, group)
            if not more:
                return

    def _group(self, job: _Job | None) -> tuple[list[_Job], bool]:
        """``job`` and all that wait behind it; False: the writer is to end after them."""
        group: list[_Job] = []
        while job is not None:
            group.append(job)
            if len(group) == _GROUP_MAX:
                return group, True
            try:
                job = self._writes.get_nowait()
            except Empty:
                return group, True
        return group, False

    def _commit(self, group: list[_Job]) -> None:
        try:
            durable = any(job.durable for job in group)
            self._begin(durable=durable)
            if not all(map(self._run, group)):
                self._roll_back()
                self._begin(durable=durable)
                for job in group:
                    self._run_apart(job)
            self._writer.execute("COMMIT")
        except sqlite3.Error as error:
            # The whole group is undone, and each of its callers is told.
            for job in group:
                job.error = job.error or sqlite_file.meaning(error, self._path) or error
            self._roll_back()

    def _begin(self, *, durable: bool) -> None:
        if durable != self._synchronous_full:
            self._writer.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self._synchronous_full = durable
        self._writer.execute("BEGIN IMMEDIATE")

    def _run(self, job: _Job) -> bool:
        """One job; False when it has failed and left something to be undone. Raises
        `sqlite3.Error` when no other job could succeed either."""
        before = self._writer.total_changes
        job.error = None
        try:
            job.value = sqlite_file.run(self._writer, job.make())
        except Exception as error:
            if isinstance(error, sqlite3.Error) and sqlite_file.meaning(error, self._path):
                raise
            job.error = error
            return self._writer.total_changes == before
        return True

    def _run_apart(self, job: _Job) -> None:
        """The same, undone by itself if it fails."""
        self._writer.execute("SAVEPOINT job")
        if not self._run(job):
            self._writer.execute("ROLLBACK TO job")
        self._writer.execute("RELEASE job")

    def _roll_back(self) -> None:
        # Some errors have ended the transaction already.
        if self._writer.in_transaction:
            self._writer.execute("ROLLBACK")

    def _checkpoint(self) -> bool:
        """Empty the write-ahead log. False: a reader was in the way; try again later."""
        self._writer.execute("PRAGMA busy_timeout=0")
        try:
            ((busy, _, _),) = self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error:
            # The next write meets the same trouble, and has a caller to tell.
            return False
        finally:
            self._writer.execute(sqlite_file.BUSY_TIMEOUT)
        return not busy

    # --- the readers' threads ------------------------------------------------------------------

    def _read_loop(self, connection: sqlite3.Connection) -> None:
        while (job := self._reads.get()) is not None:
            try:
                connection.execute("BEGIN")
                try:
                    job.value = sqlite_file.run(connection, job.make())
                finally:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
            except sqlite3.Error as error:
                job.error = sqlite_file.meaning(error, self._path) or error
            except Exception as error:  # noqa: BLE001 - it belongs to the job's caller
                job.error = error
            self._loop.call_soon_threadsafe(self._settle, (job,))

    # --- back on the event loop ----------------------------------------------------------------

    def _settle(self, jobs: list[_Job] | tuple[_Job]) -> None:
        for job in jobs:
            if job.error is None and job.on_commit is not None:
                try:
                    job.on_commit(job.value)
                except Exception as error:  # noqa: BLE001
                    # It has been committed all the same, and the others must be told.
                    self._loop.call_exception_handler(
                        {"message": "on_commit raised", "exception": error}
                    )
            if job.future.done():
                continue
            if job.error is None:
                job.future.set_result(job.value)
            else:
                job.future.set_exception(job.error)


def _nothing() -> Script[None]:
    yield from ()

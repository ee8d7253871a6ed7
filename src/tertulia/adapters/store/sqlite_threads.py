"""The threads of the SQLite engine, for what would hold the event loop up.

They begin with their first task: many a process has none for them.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue

from tertulia.adapters.store import sqlite_file
from tertulia.adapters.store.sqlite_jobs import Job, settle
from tertulia.adapters.store.statement import T


class Hand:
    """A thread that does one thing after another, and tells the loop of each."""

    def __init__(self, name: str, loop: asyncio.AbstractEventLoop) -> None:
        self._name = name
        self._loop = loop
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def put(self, work: Callable[[], T], then: Callable[[T], None]) -> None:
        """``then`` is called on the loop with what ``work`` gave; ``work`` may not raise."""

        def task() -> None:
            self._loop.call_soon_threadsafe(then, work())

        self._tasks.put(task)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Returns when everything put before is done."""
        if self._thread is not None:
            self._tasks.put(None)
            self._thread.join()

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()


class Readers:
    """Threads with a connection each; whichever is free takes the next job."""

    def __init__(self, path: Path, count: int, loop: asyncio.AbstractEventLoop) -> None:
        self._path = path
        self._count = count
        self._loop = loop
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def put(self, job: Job) -> None:
        self._jobs.put(job)
        if not self._threads:
            self._threads = [
                threading.Thread(target=self._work, name="store-reader", daemon=True)
                for _ in range(self._count)
            ]
            for thread in self._threads:
                thread.start()

    def close(self) -> None:
        """Returns when everything put before is done."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        with ExitStack() as opened:
            connection: sqlite3.Connection | None = None
            while (job := self._jobs.get()) is not None:
                try:
                    if connection is None:
                        connection = sqlite_file.open_reader(self._path)
                        opened.callback(connection.close)
                    read(connection, job, self._path, patient=True)
                except sqlite3.Error as error:
                    job.error = sqlite_file.meaning(error, self._path) or error
                self._loop.call_soon_threadsafe(settle, (job,), self._loop)


def read(connection: sqlite3.Connection, job: Job, path: Path, *, patient: bool) -> bool:
    """Run a job that only reads. False: it would have to wait, and is not ``patient``."""
    try:
        connection.execute("BEGIN")
        try:
            job.value = sqlite_file.run(connection, job.make())
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        if not patient and sqlite_file.is_busy(error):
            return False
        job.error = sqlite_file.meaning(error, path) or error
    except Exception as error:  # noqa: BLE001 - it belongs to the job's caller
        job.error = error
    return True

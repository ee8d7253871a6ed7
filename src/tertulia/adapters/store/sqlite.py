"""The SQLite engine: groups of jobs, committed on the event loop and synced beside it.

A usual job takes some tenths of a millisecond, and handing it to a thread costs more than that: a
wake, the interpreter changed hands at every statement, and every object moved from one core's
cache to the other's and back. So the loop itself runs what waits, as one transaction, and what
takes long is kept from it:

- *syncing the disk*: a thread syncs the write-ahead log, once for all that was committed
  meanwhile, and durable jobs are told of when it has. What follows them waits behind them, that
  things are told in the order of the commits, but for jobs that may overtake: the words of an
  answer, which are not durable themselves.
- *heavy jobs* (large values, long lists, erasing), the folding of the write-ahead log into the
  file, and waiting for another process that writes: another thread does these with the same
  connection, while the loop's jobs queue.

Should a job fail after it has written, all of its group is undone and run again, each job then
within a savepoint. That is seldom, and statements are what to save.

What is not durable outlives the death of the process, which is what takeover needs, and becomes
durable with the next durable commit, since it lies before it in the same log. A power cut may so
lose the last words of an answer in progress, never an accepted message or a finished answer.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any, Final

from tertulia.adapters.store import sqlite_file
from tertulia.adapters.store.sqlite_jobs import Job, settle
from tertulia.adapters.store.sqlite_threads import Hand, Readers, read
from tertulia.adapters.store.sqlite_writer import Writer
from tertulia.adapters.store.statement import Script, T
from tertulia.errors import Unavailable

#: Seconds for which a thread with a heavy job may keep the interpreter while the loop wants it.
_SWITCH_SECONDS: Final = 0.0005
#: Bounds the time for which the loop is held up, and the work lost with one job.
_GROUP_MAX: Final = 32
#: Commits after which the write-ahead log is folded into the file, and pages (of 4 KiB) beyond
#: which commits wait until that is complete, for only then it begins anew.
_FOLD_COMMITS: Final = 200
_FOLD_PAGES: Final = 4096


class SqliteEngine:
    """An `Engine` over one file, in WAL mode.

    ``idle_seconds``: after so long without a write the write-ahead log is copied into the file
    and cut to nothing, so that neither it nor what was erased lingers. ``sync``: puts what was
    written to a descriptor on the disk.
    """

    def __init__(
        self,
        path: Path,
        *,
        readers: int = 2,
        idle_seconds: float = 5.0,
        sync: Callable[[int], None] = sqlite_file.sync,
    ) -> None:
        self._path = path
        self._reader_count = readers
        self._idle_seconds = idle_seconds
        self._sync_file = sync
        self._open = False
        #: Set once the disk has failed to keep what it took.
        self._lost = False
        #: What is to be run. While the writer is away with a heavy job, everything waits here.
        self._jobs: deque[Job] = deque()
        self._away = False
        #: What was committed and is told of when the disk has it: now being synced, and after it.
        self._syncing: list[Job] = []
        self._unsynced: deque[Job] = deque()
        self._commits = 0
        self._folding = False
        self._wrote_at = 0.0
        self._idle_timer: asyncio.TimerHandle | None = None
        self._quiet: asyncio.Future[None] | None = None

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        try:
            await asyncio.to_thread(self._connect)
        except (sqlite3.Error, OSError) as error:
            raise sqlite_file.at_start(error, self._path) from error
        sys.setswitchinterval(min(sys.getswitchinterval(), _SWITCH_SECONDS))
        self._hand = Hand("store-writer", self._loop)
        self._syncer = Hand("store-sync", self._loop)
        self._readers = Readers(self._path, self._reader_count, self._loop)
        self._open = True

    def _connect(self) -> None:
        with ExitStack() as opened:
            self._writer = opened.enter_context(closing(Writer(self._path)))
            self._near = opened.enter_context(closing(sqlite_file.open_reader(self._path)))
            self._near.execute(sqlite_file.NO_TIMEOUT)
            self._log = sqlite_file.open_log(self._path)
            opened.pop_all()

    def write(
        self,
        make: Callable[[], Script[T]],
        *,
        durable: bool = True,
        on_commit: Callable[[T], None] | None = None,
        overtakes: bool = False,
        heavy: bool = False,
    ) -> asyncio.Future[T]:
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if self._lost or not self._open:
            future.set_exception(self._refusal())
            return future
        if not (overtakes or self._jobs or self._away):
            self._loop.call_soon(self._turn)
        self._jobs.append(Job(make, future, durable, on_commit, overtakes, heavy))
        if overtakes:
            # Many appends at once, or what a first word waits for: no need to gather more.
            self._turn()
        return future

    def read(self, make: Callable[[], Script[T]], *, heavy: bool = False) -> asyncio.Future[T]:
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if not self._open:
            future.set_exception(self._refusal())
            return future
        job = Job(make, future)
        if heavy or not read(self._near, job, self._path, patient=False):
            self._readers.put(job)
        else:
            settle((job,), self._loop)
        return future

    async def ping(self) -> None:
        sqlite_file.check_space(self._path)
        # An empty group still takes and gives back the write lock.
        await self.write(_nothing, durable=False)

    def _refusal(self) -> Unavailable:
        if self._lost:
            return sqlite_file.lost_writes(self._path)
        return Unavailable("the store is closed")

    async def close(self) -> None:
        if not self._open:
            return
        self._open = False
        self._quiet = self._loop.create_future()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        self._look_quiet()
        await self._quiet
        await asyncio.to_thread(self._disconnect)

    def _look_quiet(self) -> None:
        """Tell `close` when nothing is left to do."""
        under_way = self._jobs or self._away or self._syncing or self._unsynced or self._folding
        if self._quiet is not None and not under_way and not self._quiet.done():
            self._quiet.set_result(None)

    def _disconnect(self) -> None:
        for threads in (self._hand, self._syncer, self._readers):
            threads.close()
        os.close(self._log)
        self._near.close()
        # The last connection to close copies the write-ahead log into the file and removes it.
        self._writer.close()

    # --- commits -------------------------------------------------------------------------------

    def _turn(self) -> None:
        """Run and commit what waits, or hand it over."""
        if self._away or not self._jobs:
            return
        if self._lost:
            group = list(self._jobs)
            self._jobs.clear()
            self._committed(group)
            return
        group = [self._jobs.popleft()]
        heavy = group[0].heavy
        while self._jobs and len(group) < _GROUP_MAX and self._jobs[0].heavy is heavy:
            group.append(self._jobs.popleft())
        if heavy or not self._writer.commit(group, patient=False):
            commit = partial(self._writer.commit, group, patient=True)
            self._hand_over(commit, lambda _: self._committed(group))
            return
        self._committed(group)
        if self._jobs:
            self._loop.call_soon(self._turn)
        self._look_quiet()

    def _hand_over(self, work: Callable[[], T], then: Callable[[T], None]) -> None:
        """Let the thread have the writer for this; ``then`` is called on the loop."""
        self._away = True
        self._hand.put(work, partial(self._back, then))

    def _back(self, then: Callable[[T], None], result: T) -> None:
        self._away = False
        then(result)
        self._turn()
        self._look_quiet()

    def _committed(self, group: list[Job]) -> None:
        """Tell of what has been committed, now or when the disk has it."""
        if self._lost:
            for job in group:
                job.error = job.error or self._refusal()
            settle(group, self._loop)
            self._look_quiet()
            return
        self._wrote_at = self._loop.time()
        self._watch_idleness()
        behind = bool(self._syncing or self._unsynced)
        told: list[Job] = []
        for job in group:
            if job.error is None and (job.durable or (behind and not job.overtakes)):
                self._unsynced.append(job)
                behind = True
            else:
                told.append(job)
        self._sync()
        self._commits += 1
        if self._commits >= _FOLD_COMMITS and not self._folding:
            self._fold()
        settle(told, self._loop)

    # --- the disk ------------------------------------------------------------------------------

    def _sync(self) -> None:
        if self._unsynced and not self._syncing:
            self._syncing.extend(self._unsynced)
            self._unsynced.clear()
            self._syncer.put(self._synced_file, self._synced)

    def _synced_file(self) -> OSError | None:
        try:
            self._sync_file(self._log)
        except OSError as error:
            return error
        return None

    def _synced(self, error: OSError | None) -> None:
        done, self._syncing = self._syncing, []
        if error is not None:
            # What the kernel could not write it may have dropped, and nothing that follows it in
            # the log counts without it. Opening the file anew finds out what is there.
            self._lost = True
            done += self._unsynced
            self._unsynced.clear()
            for job in done:
                job.error = sqlite_file.lost_writes(self._path)
        while self._unsynced and not self._unsynced[0].durable:
            done.append(self._unsynced.popleft())
        self._sync()
        settle(done, self._loop)
        self._look_quiet()

    def _fold(self) -> None:
        """Copy the write-ahead log into the file, beside the commits that go on."""
        self._folding, self._commits = True, 0
        self._hand.put(self._writer.fold_beside, self._folded)

    def _folded(self, pages: int) -> None:
        self._folding = False
        if pages > _FOLD_PAGES and not self._away:
            self._hand_over(partial(self._writer.fold, "RESTART"), _ignore)
        self._look_quiet()

    def _watch_idleness(self) -> None:
        if self._idle_timer is None and self._quiet is None:
            self._idle_timer = self._loop.call_later(self._idle_seconds, self._look_idle)

    def _look_idle(self) -> None:
        """One lazy timer: it looks back at the last commit instead of being moved by each."""
        self._idle_timer = None
        quiet = self._loop.time() - self._wrote_at
        if self._away or self._jobs:
            self._watch_idleness()
        elif quiet < self._idle_seconds:
            self._idle_timer = self._loop.call_later(self._idle_seconds - quiet, self._look_idle)
        else:
            self._hand_over(partial(self._writer.fold, "TRUNCATE"), self._emptied)

    def _emptied(self, done: bool) -> None:
        if not done:  # a reader was in the way
            self._watch_idleness()


def _ignore(_: Any) -> None:
    pass


def _nothing() -> Script[None]:
    yield from ()

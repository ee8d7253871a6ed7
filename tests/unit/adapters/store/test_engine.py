"""The SQLite engine: groups, isolation of jobs, order of telling, and what a bad disk does."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from queue import SimpleQueue

import pytest
from tests.support.jobs import CREATE, INSERT, held_up, ids, put, say

from tertulia.adapters.store.sqlite import SqliteEngine
from tertulia.adapters.store.statement import Script
from tertulia.errors import Conflict, Unavailable


async def test_what_is_written_is_read(engine: SqliteEngine) -> None:
    assert await engine.write(put(1)) == 1
    assert await engine.read(ids) == [1]


async def test_jobs_run_in_the_order_of_the_calls(engine: SqliteEngine) -> None:
    told: list[int] = []
    futures = [engine.write(put(n), on_commit=told.append) for n in range(1000)]
    assert await asyncio.gather(*futures) == list(range(1000))
    assert told == list(range(1000))


async def test_jobs_that_wait_are_one_transaction(engine: SqliteEngine, path: Path) -> None:
    seen: list[int] = []
    watcher = sqlite3.connect(path)

    def watch(_: int) -> None:
        seen.append(watcher.execute("SELECT count(*) FROM t").fetchone()[0])

    async with held_up(engine):
        futures = [engine.write(put(n), on_commit=watch) for n in range(10)]
    await asyncio.gather(*futures)
    watcher.close()
    assert seen == [10] * 10, "all of the group were committed before the first was told"


async def test_a_job_that_fails_is_undone_alone(engine: SqliteEngine) -> None:
    def regrets() -> Script[None]:
        yield INSERT, {"id": 100, "body": b""}
        raise Conflict("changed my mind")

    async with held_up(engine):
        before, failed, after = engine.write(put(1)), engine.write(regrets), engine.write(put(2))
    with pytest.raises(Conflict, match="changed my mind"):
        await failed
    assert (await before, await after) == (1, 2)
    assert await engine.read(ids) == [1, 2]


async def test_a_wrong_statement_fails_alone_and_as_itself(engine: SqliteEngine) -> None:
    async with held_up(engine):
        first, again, other = (engine.write(put(n)) for n in (1, 1, 2))
    with pytest.raises(sqlite3.IntegrityError):
        await again
    await asyncio.gather(first, other)
    assert await engine.read(ids) == [1, 2]


async def test_commits_are_told_before_their_futures_resolve(engine: SqliteEngine) -> None:
    futures: list[asyncio.Future[int]] = []
    done_at_telling: list[list[bool]] = []

    def tell(_: int) -> None:
        done_at_telling.append([f.done() for f in futures])

    async with held_up(engine):
        futures += [engine.write(put(n), on_commit=tell) for n in range(3)]
    await asyncio.gather(*futures)
    assert done_at_telling == [[False] * 3, [True, False, False], [True, True, False]]


async def test_a_job_nobody_waits_for_is_done_and_told(engine: SqliteEngine) -> None:
    told: list[int] = []
    async with held_up(engine):
        engine.write(put(1), on_commit=told.append).cancel()
        last = engine.write(put(2))
    await last
    assert told == [1]
    assert await engine.read(ids) == [1, 2]


async def test_telling_that_fails_harms_nobody_else(engine: SqliteEngine) -> None:
    reported: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: reported.append(context["message"]))

    def fail(_: int) -> None:
        raise RuntimeError

    async with held_up(engine):
        futures = [engine.write(put(1), on_commit=fail), engine.write(put(2))]
    assert await asyncio.gather(*futures) == [1, 2]
    assert reported == ["on_commit raised"]


async def test_a_reader_sees_one_state_and_cannot_write(engine: SqliteEngine) -> None:
    looked, go_on = threading.Event(), threading.Event()

    def twice() -> Script[tuple[list[int], list[int]]]:
        first = yield from ids()
        looked.set()
        go_on.wait()
        return first, (yield from ids())

    reading = engine.read(twice, heavy=True)
    await asyncio.to_thread(looked.wait)
    await engine.write(put(1))
    go_on.set()
    assert await reading == ([], [])
    with pytest.raises(Unavailable, match="read-only"):
        await engine.read(put(2))


async def test_closing_finishes_what_was_begun(path: Path) -> None:
    engine = SqliteEngine(path)
    await engine.start()
    created = engine.write(lambda: say(CREATE))
    futures = [engine.write(put(n)) for n in range(300)]
    await engine.close()
    await engine.close()
    await created
    assert await asyncio.gather(*futures) == list(range(300))
    with pytest.raises(Unavailable, match="closed"):
        await engine.write(put(1))
    assert [p.name for p in path.parent.iterdir()] == [path.name], "the log was folded in"


class Disk:
    """Takes the place of the system's syncing: it is done, or fails, when the test says so."""

    def __init__(self) -> None:
        self.asked = threading.Semaphore(0)
        self._answers: SimpleQueue[OSError | None] = SimpleQueue()

    def __call__(self, _: int) -> None:
        self.asked.release()
        error = self._answers.get()
        if error is not None:
            raise error

    async def wait(self) -> None:
        await asyncio.to_thread(self.asked.acquire)

    def answer(self, error: OSError | None = None) -> None:
        self._answers.put(error)


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
async def synced(path: Path, disk: Disk) -> AsyncIterator[SqliteEngine]:
    engine = SqliteEngine(path, sync=disk)
    await engine.start()
    await engine.write(lambda: say(CREATE), durable=False)
    yield engine
    for _ in range(9):  # whatever a test that failed has left waiting
        disk.answer()
    await engine.close()


async def test_what_is_durable_is_told_of_when_the_disk_has_it(
    synced: SqliteEngine, disk: Disk
) -> None:
    told: list[int] = []
    durable = synced.write(put(1), on_commit=told.append)
    after = synced.write(put(2), durable=False, on_commit=told.append)
    passing = synced.write(put(3), durable=False, overtakes=True, on_commit=told.append)
    await passing
    await disk.wait()
    assert told == [3]
    assert not durable.done()
    assert not after.done()
    assert await synced.read(ids) == [1, 2, 3]
    disk.answer()
    assert (await durable, await after) == (1, 2)
    assert told == [3, 1, 2]


async def test_one_sync_serves_all_that_were_committed_before_it(
    synced: SqliteEngine, disk: Disk
) -> None:
    first = synced.write(put(1))
    await disk.wait()
    others = [synced.write(put(n)) for n in range(2, 10)]
    last = synced.write(put(10), durable=False, overtakes=True)
    await last
    assert not any(other.done() for other in others)
    disk.answer()
    await first
    await disk.wait()
    disk.answer()
    assert await asyncio.gather(*others) == list(range(2, 10))
    assert not disk.asked.acquire(blocking=False)


async def test_a_disk_that_loses_writes_is_believed_no_more(
    synced: SqliteEngine, disk: Disk
) -> None:
    told: list[int] = []
    first = synced.write(put(1), on_commit=told.append)
    await disk.wait()
    second = synced.write(put(2), on_commit=told.append)
    await synced.write(put(3), durable=False, overtakes=True)
    disk.answer(OSError(errno.EIO, "Input/output error"))
    for write in (first, second, synced.write(put(4), on_commit=told.append)):
        with pytest.raises(Unavailable, match="check the disk, then start Tertulia again"):
            await write
    assert told == []
    with pytest.raises(Unavailable, match="check the disk"):
        await synced.ping()


async def test_what_was_queued_when_the_disk_lost_writes_is_refused(
    synced: SqliteEngine, disk: Disk
) -> None:
    first = synced.write(put(1))
    await disk.wait()
    async with held_up(synced):
        queued = synced.write(put(2))
        disk.answer(OSError(errno.EIO, "Input/output error"))
        with pytest.raises(Unavailable, match="check the disk"):
            await first
    with pytest.raises(Unavailable, match="check the disk"):
        await queued
    assert await synced.read(ids) == [1]


async def test_closing_waits_for_the_disk(path: Path, disk: Disk) -> None:
    engine = SqliteEngine(path, sync=disk)
    await engine.start()
    created = engine.write(lambda: say(CREATE))
    closing = asyncio.create_task(engine.close())
    await disk.wait()
    assert not closing.done()
    disk.answer()
    await closing
    await created


async def test_heavy_jobs_leave_the_loop_free(engine: SqliteEngine) -> None:
    async with held_up(engine):
        waiting = engine.write(put(1))
        assert await engine.read(ids) == []
    assert await waiting == 1


async def test_commits_go_on_while_the_log_is_folded(path: Path) -> None:
    """So many commits, and so large, that the log is folded beside them, then with all waiting."""
    engine = SqliteEngine(path)
    await engine.start()
    await engine.write(lambda: say(CREATE))
    for first in range(0, 2000, 10):
        body = b"x" * 20_000
        await asyncio.gather(
            *(engine.write(put(n, body), durable=False) for n in range(first, first + 10))
        )
    assert len(await engine.read(ids)) == 2000
    await engine.close()
    assert [p.name for p in path.parent.iterdir()] == [path.name]


async def test_an_idle_writer_empties_the_write_ahead_log(path: Path) -> None:
    engine = SqliteEngine(path, idle_seconds=0.01)
    await engine.start()
    await engine.write(lambda: say(CREATE))
    await engine.write(put(1, b"x" * 100_000))
    log = path.with_name(path.name + "-wal")
    while log.stat().st_size:
        await asyncio.to_thread(os.sched_yield)
    await engine.write(put(2))
    assert await engine.read(ids) == [1, 2]
    await engine.close()

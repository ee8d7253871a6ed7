"""What a bad disk, a wrong file and another process do to the SQLite engine."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import text
from tests.support.jobs import held_up, ids, put, say

from tertulia.adapters.store.sqlite import SqliteEngine
from tertulia.adapters.store.sqlite_file import open_writer
from tertulia.adapters.store.statement import Statement
from tertulia.errors import DataFolderError, Unavailable

FEW_PAGES = Statement(text("PRAGMA max_page_count = 16"))


async def test_a_full_disk_fails_the_group_and_loses_nothing_silently(
    engine: SqliteEngine,
) -> None:
    await engine.write(lambda: say(FEW_PAGES))
    told: list[int] = []
    async with held_up(engine):
        futures = [
            engine.write(put(1), on_commit=told.append),
            engine.write(put(2, b"x" * 1_000_000), on_commit=told.append),
            engine.write(put(3), on_commit=told.append),
        ]
    errors = await asyncio.gather(*futures, return_exceptions=True)
    assert [type(e) for e in errors] == [Unavailable] * 3
    assert "is full; free some space" in str(errors[0])
    assert told == []
    assert await engine.read(ids) == []
    await engine.write(put(4))
    assert await engine.read(ids) == [4]


async def test_a_disk_that_fails_in_mid_write_harms_nothing_before_or_after(
    engine: SqliteEngine,
) -> None:
    """The kernel refuses to let any file of this process grow: real errors of real writes."""
    await engine.write(put(1))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        async with held_up(engine):
            futures = [engine.write(put(2)), engine.write(put(3, b"x" * 1_000_000))]
        errors = await asyncio.gather(*futures, return_exceptions=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [type(e) for e in errors] == [Unavailable] * 2
    assert "check the disk" in str(errors[0])
    await engine.write(put(4))
    assert await engine.read(ids) == [1, 4]


@pytest.mark.parametrize("content", [b"not a database, but long enough to be one" * 100])
async def test_a_file_that_is_no_database_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(DataFolderError, match="damaged or not a Tertulia database"):
        await SqliteEngine(path).start()
    assert path.read_bytes() == content


async def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataFolderError, match="cannot open"):
        await SqliteEngine(tmp_path / "none" / "engine.sqlite3").start()


async def test_another_process_that_writes_is_waited_for(engine: SqliteEngine, path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("INSERT INTO t VALUES (1, NULL)")
    waiting = engine.write(put(2))
    await asyncio.sleep(0)
    assert not waiting.done()
    other.execute("COMMIT")
    other.close()
    await waiting
    assert await engine.read(ids) == [1, 2]


async def test_the_files_are_their_owners_alone(engine: SqliteEngine, path: Path) -> None:
    await engine.write(put(1))
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name


async def test_ping_takes_the_write_lock(engine: SqliteEngine) -> None:
    await engine.ping()
    await engine.close()
    with pytest.raises(Unavailable):
        await engine.ping()


def test_a_new_file_that_many_open_at_once_opens_for_all(tmp_path: Path) -> None:
    """As nodes do that start together over one folder of keys."""
    nodes = 4
    together = Barrier(nodes)

    def opened(path: Path) -> sqlite3.Connection:
        together.wait()
        return open_writer(path)

    with ThreadPoolExecutor(nodes) as threads:
        for attempt in range(50):
            for connection in threads.map(opened, [tmp_path / f"{attempt}.sqlite3"] * nodes):
                connection.close()

"""The event log in SQLite: durable before visible, sealed, and linear in what it writes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.support.frames import last, run

from tertulia.adapters.eventlog.sqlite import SqliteEventLog
from tertulia.adapters.keys.file import FileKeys
from tertulia.adapters.sealing import AesGcmCipher
from tertulia.adapters.store.migrations import prepare_sqlite
from tertulia.adapters.store.sqlite import SqliteEngine
from tertulia.adapters.store.statement import Script, Statement
from tertulia.domain.frame import Frame
from tertulia.errors import Conflict, DataFolderError, Fenced, Unavailable
from tertulia.ports.eventlog import Subscription

USER, RESPONSE = "user_1", "resp_1"
FEW_PAGES = Statement(text("PRAGMA max_page_count = 1"))
FREE = Statement(text("PRAGMA max_page_count = 4294967294"))
MOVE = Statement(text("UPDATE frames SET response_id = 'resp_2'"))
MOVE_LOG = Statement(text("UPDATE logs SET response_id = 'resp_2'"))


@dataclass
class Parts:
    path: Path
    keys: FileKeys
    engine: SqliteEngine
    log: SqliteEventLog

    async def say(self, *statements: Statement) -> None:
        def script() -> Script[None]:
            for statement in statements:
                yield statement, {}

        await self.engine.write(script)

    async def reader(self, response_id: str = RESPONSE) -> Subscription:
        return await self.log.subscribe(USER, response_id, None, lambda: None)


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    path = tmp_path / "tertulia.sqlite3"
    prepare_sqlite(path)
    async with AsyncExitStack() as stack:
        keys = FileKeys(tmp_path / "keys")
        await keys.start()
        stack.push_async_callback(keys.close)
        engine = SqliteEngine(path)
        await engine.start()
        stack.push_async_callback(engine.close)
        yield Parts(path, keys, engine, SqliteEventLog(engine, keys, AesGcmCipher()))


async def test_no_reader_sees_a_frame_before_its_commit(parts: Parts) -> None:
    await parts.log.open(USER, RESPONSE, 1)
    await parts.log.append(USER, RESPONSE, 1, run(1))
    reader = await parts.reader()
    reader.take()
    busy, gate = threading.Event(), threading.Event()

    def stall() -> Script[None]:
        yield from ()
        busy.set()
        gate.wait()

    stalled = parts.engine.write(stall, heavy=True)
    await asyncio.to_thread(busy.wait)
    appended = asyncio.ensure_future(parts.log.append(USER, RESPONSE, 1, run(3, start=1)))
    late = await parts.reader()
    await reader.fill()
    assert list(reader.take()) == []
    assert list(late.take()) == run(1)
    assert not appended.done()
    gate.set()
    await stalled
    await appended
    assert list(reader.take()) == list(late.take()) == run(3, start=1)


async def test_an_append_the_disk_refused_is_seen_by_nobody(parts: Parts) -> None:
    await parts.log.open(USER, RESPONSE, 1)
    await parts.log.append(USER, RESPONSE, 1, run(1))
    reader = await parts.reader()
    await parts.say(FEW_PAGES)
    big = run(20, start=1, text="x" * 10_000)
    with pytest.raises(Unavailable, match="full"):
        await parts.log.append(USER, RESPONSE, 1, big)
    with pytest.raises(Unavailable):  # a gap: what came before has to come again
        await parts.log.append(USER, RESPONSE, 1, run(1, start=21))
    assert list(reader.take()) == run(1)
    await parts.say(FREE)
    again = [*big, *run(1, start=21)]
    await parts.log.append(USER, RESPONSE, 1, again)
    assert list(reader.take()) == again


async def test_the_first_appends_of_a_process_keep_their_order(parts: Parts) -> None:
    """The user's keys have to be fetched for the first; the next must not go past it."""
    await parts.log.open(USER, RESPONSE, 1)
    fresh = SqliteEventLog(parts.engine, parts.keys, AesGcmCipher())
    under_way = []
    for number in range(20):
        under_way.append(
            asyncio.ensure_future(fresh.append(USER, RESPONSE, 1, run(1, start=number)))
        )
        if number == 10:
            await under_way[0]
    await asyncio.gather(*under_way)
    assert list((await parts.reader()).take()) == run(20)


async def test_a_frame_opens_in_its_own_log_only(parts: Parts) -> None:
    await parts.log.open(USER, RESPONSE, 1)
    await parts.log.append(USER, RESPONSE, 1, run(1))
    await parts.say(MOVE, MOVE_LOG)
    with pytest.raises(DataFolderError, match="does not open"):
        await parts.reader("resp_2")


async def test_an_erased_user_has_no_log(parts: Parts) -> None:
    await parts.keys.destroy(USER)
    with pytest.raises(Fenced):
        await parts.log.open(USER, RESPONSE, 1)
    with pytest.raises(Fenced):
        await parts.log.append(USER, RESPONSE, 1, run(1))
    reader = await parts.reader()
    assert not reader.exists


# --- the store's journal -------------------------------------------------------------------------


async def journal(parts: Parts, attempt: int, frames: list[Frame], *, fail: bool = False) -> None:
    """A transaction of the store's that writes frames too."""
    keys = await parts.keys.user_keys(USER)

    def script() -> Script[None]:
        yield from parts.log.append_script(keys, USER, RESPONSE, attempt, frames)
        if fail:
            raise Conflict("the row was refused")

    await parts.engine.write(script, on_commit=lambda _: parts.log.published(RESPONSE, frames))


async def test_the_journal_begins_and_ends_a_log_with_its_row(parts: Parts) -> None:
    reader = await parts.reader()
    with pytest.raises(Conflict):
        await journal(parts, 1, run(2), fail=True)
    await reader.fill()
    assert not reader.exists
    await journal(parts, 1, run(2))
    await reader.fill()
    assert list(reader.take()) == run(2)
    await parts.log.append(USER, RESPONSE, 1, run(3, start=2))
    await journal(parts, 1, [last(5)])
    assert list(reader.take()) == [*run(3, start=2), last(5)]
    with pytest.raises(Fenced):
        await parts.log.append(USER, RESPONSE, 1, run(1, start=6))


async def test_the_journal_leaves_a_log_that_is_gone_gone(parts: Parts) -> None:
    await journal(parts, 1, [last(5)])
    reader = await parts.reader()
    assert not reader.exists


async def test_the_journal_is_fenced(parts: Parts) -> None:
    await parts.log.open(USER, RESPONSE, 2)
    with pytest.raises(Fenced):
        await journal(parts, 1, [last(5)])


# --- what it costs -------------------------------------------------------------------------------


async def test_bytes_written_are_linear_in_the_length_of_an_answer(parts: Parts) -> None:
    counter = Path("/proc/self/io")
    if not counter.exists():
        pytest.skip("this system does not count the bytes a process writes")

    def written() -> int:
        fields = dict(line.split(": ") for line in counter.read_text().splitlines())
        return int(fields["wchar"])

    async def cost(response_id: str, count: int) -> int:
        before = written()
        await parts.log.open(USER, response_id, 1)
        for number in range(count):
            await parts.log.append(USER, response_id, 1, run(1, start=number, text="x" * 200))
        return written() - before

    await cost("resp_warm", 50)
    short, long = await cost("resp_short", 250), await cost("resp_long", 1000)
    assert long < 4.5 * short

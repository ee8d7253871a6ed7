"""What a copy is made of: pages that miss nothing, and hashes that no order changes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.stores import template

from tertulia.adapters.store import copy_rows
from tertulia.adapters.store.copy import StoreCopy
from tertulia.adapters.store.copy_check import Sum, summed, written
from tertulia.adapters.store.copy_rows import Pages, copied
from tertulia.adapters.store.schema import feed, files, metadata
from tertulia.adapters.store.scripts.many import Inserts
from tertulia.adapters.store.sqlite import SqliteEngine
from tertulia.adapters.store.statement import Rows
from tertulia.errors import Misconfigured

VALUES = st.one_of(
    st.none(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary(max_size=40)
)
ROWS = st.lists(st.tuples(VALUES, VALUES), max_size=8)


def _kinds(row: tuple[Any, ...]) -> list[tuple[type, str]]:
    return [(type(value), repr(value)) for value in row]


@given(one=st.tuples(VALUES, VALUES), other=st.tuples(VALUES, VALUES))
def test_two_rows_are_written_alike_only_if_they_are(
    one: tuple[Any, ...], other: tuple[Any, ...]
) -> None:
    assert (written(one) == written(other)) is (_kinds(one) == _kinds(other))
    assert written(one) == written(tuple(one))


def _sum(rows: list[tuple[Any, ...]]) -> Sum:
    found = Sum()
    for row in rows:
        found.add(written(row))
    return found


@given(rows=ROWS, data=st.data())
def test_the_order_of_rows_counts_for_nothing_and_their_number_does(
    rows: list[tuple[Any, ...]], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(rows))
    assert _sum(rows) == _sum(list(shuffled))
    for n in range(len(rows)):
        assert _sum([*rows, rows[n]]).hash != _sum(rows).hash
        assert _sum(rows[:n] + rows[n + 1 :]).hash != _sum(rows).hash


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[SqliteEngine]:
    opened = SqliteEngine(template(tmp_path))
    await opened.start()
    yield opened
    await opened.close()


async def _paged(engine: SqliteEngine, pages: Pages) -> list[Rows]:
    found: list[Rows] = []
    after: copy_rows.Key | None = None
    while rows := await engine.read(lambda at=after: pages.page(at)):  # type: ignore[misc]
        found.append(rows)
        after = pages.key(rows[-1])
    return found


async def test_pages_hold_every_row_once_in_order(
    engine: SqliteEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy_rows, "PAGE_ROWS", 4)
    rows = [(f"user_{u}", n, None, b"x" * n) for u in range(4) for n in range(1, 9)]
    inserts = Inserts(feed)
    await engine.write(lambda: inserts.put(rows[::-1]))
    found = await _paged(engine, Pages(feed))
    assert [row for page in found for row in page] == rows
    assert {len(page) for page in found} == {4}
    assert (await summed(engine, Pages(feed))).rows == len(rows)


async def test_pages_hold_as_many_bytes_as_they_may_or_one_row(
    engine: SqliteEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy_rows, "PAGE_BYTES", 1000)
    sizes = [10, 2000, 10, 10, 900, 90, 990, 10]
    rows = [
        (f"file-{n}", "user_1", "vision", size, 0.0, None, b"", b"x" * size)
        for n, size in enumerate(sizes)
    ]
    inserts = Inserts(files)
    await engine.write(lambda: inserts.put(rows))
    found = await _paged(engine, Pages(files))
    assert [[row[3] for row in page] for page in found] == [
        [10],
        [2000],
        [10, 10, 900],
        [90],
        [990, 10],
    ]


def test_every_table_is_copied_or_left_out_on_purpose() -> None:
    left_out = {"meta", "logs", "frames", "workers"}
    assert {pages.table.name for pages in copied()} == set(metadata.tables) - left_out


async def test_a_copy_between_files(engine: SqliteEngine, tmp_path: Path) -> None:
    """What knows of no server works without one."""
    (tmp_path / "other").mkdir()
    target = SqliteEngine(template(tmp_path / "other"))
    await target.start()
    inserts = Inserts(feed)
    await engine.write(lambda: inserts.put([("user_1", n, None, b"x") for n in range(20)]))
    copy = StoreCopy(engine, target, "the target")
    assert await copy.begin("name")
    await copy.run(lambda *_: None)
    assert all(one.same for one in await copy.check())
    await copy.finish()
    assert not await copy.begin("another name")
    back = StoreCopy(target, engine, "the source")
    with pytest.raises(Misconfigured, match="the source holds the data of another deployment"):
        await back.begin("name")
    await target.close()

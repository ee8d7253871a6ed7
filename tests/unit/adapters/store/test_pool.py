"""Connections given out and taken back, and work that waits in lanes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass

import pytest

from tertulia.adapters.store import servers
from tertulia.adapters.store.lanes import Lanes
from tertulia.adapters.store.mysql_values import literal
from tertulia.adapters.store.pool import Pool
from tertulia.adapters.store.server_clock import ServerClock
from tertulia.errors import Misconfigured, Unavailable


@dataclass(eq=False)
class Line:
    lost: bool = False
    closed: bool = False

    def abort(self) -> None:
        self.closed = True

    async def close(self) -> None:
        self.closed = True


class Office:
    """Makes lines, and counts those that are open."""

    def __init__(self) -> None:
        self.made: list[Line] = []
        self.broken = False

    async def connect(self) -> Line:
        await asyncio.sleep(0)
        if self.broken:
            raise Unavailable("nobody answers")
        self.made.append(Line())
        return self.made[-1]

    @property
    def open(self) -> int:
        return sum(not line.closed for line in self.made)


@pytest.fixture
def office() -> Office:
    return Office()


async def test_no_more_than_the_size_are_open_and_the_first_to_wait_is_first(
    office: Office,
) -> None:
    pool, order = Pool(office.connect, 2), list[int]()

    async def use(number: int) -> None:
        line = await pool.take()
        order.append(number)
        assert office.open <= 2
        await asyncio.sleep(0)
        pool.give(line)

    await asyncio.gather(*(use(n) for n in range(10)))
    assert order == list(range(10))
    assert len(office.made) == 2


async def test_a_lost_one_makes_room_for_another(office: Office) -> None:
    pool = Pool(office.connect, 1)
    first = await pool.take()
    waiting = asyncio.create_task(pool.take())
    await asyncio.sleep(0)
    pool.drop(first)
    second = await waiting
    assert second is not first
    pool.give(second)
    second.lost = True
    assert await pool.take() is not second
    assert office.open == 1


async def test_an_attempt_that_fails_gives_its_room_to_the_next(office: Office) -> None:
    pool = Pool(office.connect, 1)
    office.broken = True
    failed = await asyncio.gather(*(pool.take() for _ in range(3)), return_exceptions=True)
    assert [type(f) for f in failed] == [Unavailable] * 3
    office.broken = False
    assert await pool.take() is office.made[0]


async def test_one_that_gives_up_waiting_takes_nothing_along(office: Office) -> None:
    pool = Pool(office.connect, 1)
    line = await pool.take()
    early, late = (asyncio.create_task(pool.take()) for _ in range(2))
    await asyncio.sleep(0)
    early.cancel()
    with suppress(asyncio.CancelledError):
        await early
    pool.give(line)
    late.cancel()  # in the very moment in which it has been handed the line
    with suppress(asyncio.CancelledError):
        await late
    assert await pool.take() is line


async def test_one_that_lay_for_too_long_is_not_trusted(office: Office) -> None:
    pool = Pool(office.connect, 1, idle_seconds=0.0)
    pool.give(await pool.take())
    await pool.take()
    assert [line.closed for line in office.made] == [True, False]


async def test_a_closed_pool_gives_nothing_and_keeps_nothing(office: Office) -> None:
    pool = Pool(office.connect, 2)
    used = await pool.take()
    pool.give(await pool.take())
    await pool.close()
    pool.give(used)
    assert office.open == 0
    with pytest.raises(Unavailable):
        await pool.take()


async def test_lanes_are_entered_one_by_one_and_pass_each_other() -> None:
    lanes, order = Lanes(), list[str]()

    async def work(lane: str, name: str) -> None:
        await lanes.enter(lane)
        order.append(name)
        await asyncio.sleep(0)
        order.append(name)
        lanes.leave(lane)

    await asyncio.gather(work("a", "1"), work("a", "2"), work("b", "3"), work("a", "4"))
    assert [n for n in order if n != "3"] == ["1", "1", "2", "2", "4", "4"]
    assert order.index("3") < order.index("2")


async def test_who_leaves_a_queue_lets_the_next_one_in() -> None:
    lanes = Lanes()
    await lanes.enter("a")
    early, late = (asyncio.create_task(lanes.enter("a")) for _ in range(2))
    await asyncio.sleep(0)
    lanes.leave("a")
    early.cancel()  # in the very moment in which its turn has come
    with suppress(asyncio.CancelledError):
        await early
    await late
    lanes.leave("a")
    await lanes.enter("a")


def test_the_servers_time_goes_on_by_itself() -> None:
    clock = ServerClock()
    with pytest.raises(RuntimeError):
        clock()
    clock.told(1000.0, clock.begin())
    assert 1000.0 <= clock() <= clock() < 1100.0


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "NULL"),
        (True, "1"),
        (-3, "-3"),
        (1.5, "1.5e0"),
        (1e300, "1e+300"),
        (b"\x00'", "x'0027'"),
        (b"x" * (1 << 20), "FROM_BASE64('" + "eHh4" * 349525 + "eA==')"),
        ("it's \\ \"\n\r\0\x1a", "'it\\'s \\\\ \\\"\\n\\r\\0\\Z'"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_values_are_written_as_literals(value: object, written: str) -> None:
    assert literal(value) == written


def test_a_value_of_another_kind_is_no_literal() -> None:
    with pytest.raises(TypeError, match="list"):
        literal([1])


def test_a_missing_driver_is_named_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "find_spec", lambda _: None)
    with pytest.raises(Misconfigured, match=r"pip install 'tertulia\[mysql\]'"):
        servers.open_server("mariadb://me:hush@localhost/chats")
    with pytest.raises(Misconfigured, match=r"'tertulia\[postgresql\]'") as caught:
        servers.open_server("postgresql://me:hush@localhost/chats")
    assert "hush" not in caught.value.message


async def test_a_url_of_another_kind_is_refused() -> None:
    assert servers.is_server("postgres://h/d")
    assert not servers.is_server("sqlite")
    with pytest.raises(Misconfigured, match="oracle") as caught:
        await servers.prepare_server("oracle://me:hush@localhost/chats")
    assert "hush" not in caught.value.message


def test_no_driver_is_loaded_before_a_url_names_it() -> None:
    code = (
        "import sys, tertulia.adapters.store.servers\n"
        "import tertulia.bootstrap.assembly\n"
        "assert not {'asyncpg', 'aiomysql', 'pymysql'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

"""The clock of all feed connections: who is due together is called together, and only once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from tests.support.served import Served

from tertulia.domain.principal import Principal
from tertulia.settings.sections import Feed
from tertulia.transports.feed_clock import MAX_GRAIN, FeedClock

SOON = Feed(ping_seconds=0.2)


class Device:
    def __init__(self, on_tick: Callable[[], None] = lambda: None) -> None:
        self.round: int | None = None
        self.ticks = 0
        self.on_tick = on_tick

    def tick(self) -> None:
        self.ticks += 1
        self.on_tick()


async def test_those_of_one_moment_are_called_together() -> None:
    clock, done = FeedClock(SOON), asyncio.Event()
    loop = asyncio.get_running_loop()
    seen: list[list[int]] = []
    devices = [Device() for _ in range(3)]

    def look() -> None:
        seen.append([device.ticks for device in devices])
        done.set()

    last = Device(look)
    now = loop.time()
    for device in devices:
        clock.call(device, now)
    clock.call(last, now + 0.05)
    await done.wait()
    assert seen == [[1, 1, 1]]
    assert loop.time() >= now + 0.05
    assert [device.round for device in (*devices, last)] == [None] * 4


async def test_an_appointment_replaces_the_one_before_and_can_be_forgotten() -> None:
    clock, done = FeedClock(SOON), asyncio.Event()
    now = asyncio.get_running_loop().time()
    moved, gone, last = Device(), Device(), Device(done.set)
    clock.call(moved, now)
    clock.call(moved, now + 3600)
    clock.call(gone, now)
    clock.forget(gone)
    clock.forget(gone)
    clock.call(last, now + 0.05)
    await done.wait()
    assert (moved.ticks, gone.ticks, last.ticks) == (0, 0, 1)


async def test_who_is_called_may_make_the_next_appointment() -> None:
    clock, done = FeedClock(SOON), asyncio.Event()
    loop = asyncio.get_running_loop()

    def again() -> None:
        if device.ticks < 3:
            clock.call(device, loop.time())
        else:
            done.set()

    device = Device(again)
    clock.call(device, loop.time())
    await done.wait()
    assert device.ticks == 3


@pytest.mark.parametrize("settings", [Feed(), SOON, Feed(recheck_seconds=0.1)])
def test_lateness_is_small_beside_what_is_watched(settings: Feed) -> None:
    shortest = min(settings.ping_seconds, settings.slow_seconds, settings.recheck_seconds)
    assert FeedClock(settings).grain <= min(MAX_GRAIN, shortest / 10)


async def test_doubts_of_one_moment_are_one_question(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions: list[int] = []
    ask = type(served.store).standing

    async def counted(self: object, principals: list[Principal]) -> object:
        questions.append(len(principals))
        return await ask(served.store, principals)

    monkeypatch.setattr(type(served.store), "standing", counted)
    doubted = [Principal(f"user_{n}", login_id="login_none") for n in range(4)]
    accounts = served.services.accounts
    told = await asyncio.gather(*map(accounts.recheck, doubted), return_exceptions=True)
    assert [getattr(each, "code", None) for each in told] == ["session_ended"] * 4
    assert questions == [4]

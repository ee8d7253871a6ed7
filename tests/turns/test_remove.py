"""Removing a user from a node at work, and after one that died in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from tests.turns.house import House

from tertulia.adapters.cache.memory_bus import MemoryBus
from tertulia.domain.principal import Principal
from tertulia.errors import NotFound, Unavailable
from tertulia.ports.bus import CANCEL, SIGN_INS
from tertulia.turns.read import follow
from tertulia.turns.recover import Sweeper
from tertulia.turns.remove import Remover


class Failing:
    """A part whose method ``name`` fails once, and is the real one otherwise."""

    def __init__(self, part: Any, name: str) -> None:
        self._part = part
        self._name = name
        self.failed = False

    def __getattr__(self, name: str) -> Any:
        if name == self._name and not self.failed:
            return self._fail
        return getattr(self._part, name)

    async def _fail(self, *_: object) -> None:
        self.failed = True
        raise Unavailable("it is away")


def remover(house: House) -> Remover:
    return Remover(house.parts.store, house.parts.log, house.parts.bus)


async def held(house: House, response_id: str) -> bool:
    """Whether there is a log."""
    subscription = await house.parts.log.subscribe(
        house.user.user_id, response_id, None, lambda: None
    )
    subscription.close()
    return subscription.exists


async def another(house: House) -> House:
    """Somebody else at the same house."""
    user_id = f"user_{'2' * 32}"
    await house.parts.store.create_user(user_id, "b@example.org", None, "user")
    other = house.with_()
    other.user = Principal(user_id)
    return other


async def test_an_answer_under_way_ends_for_worker_and_reader(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    worker = house.work()
    other = await another(house)
    kept = await other.say("chunks=20 rate=200")
    running = await house.say("chunks=20 hang at 5")
    waiting = await house.say("Hello", conversation_id=await house.conversation())

    async def read() -> None:
        async for batch in follow(house.parts, house.user.user_id, running.id):
            if any(frame.kind.endswith("delta") for frame in batch):
                await remover(house).begin(house.user.user_id)

    with pytest.raises(NotFound):
        await read()
    assert await house.parts.store.removals()
    await remover(house).finish(house.user.user_id)
    assert len((await other.end(kept.id)).output) == 1
    await worker.stop()
    for response in (running, waiting):
        with pytest.raises(NotFound):
            await house.node(response.id)
        assert not await held(house, response.id)
    said = capsys.readouterr().out
    assert "turn_crashed" not in said


async def test_those_who_must_know_are_told(house: House) -> None:
    bus = MemoryBus()
    heard: list[tuple[str, str]] = []
    bus.listen(lambda kind, identifier: heard.append((kind, identifier)), lambda: None)
    told = house.with_(bus=bus)
    response = await told.say("Hello")
    assert await told.parts.store.claim(response.id, "worker_1", 30.0) is not None
    user_id = told.user.user_id
    assert await remover(told).begin(user_id)
    assert heard == [(CANCEL, response.id), (SIGN_INS, user_id)]
    await remover(told).finish(user_id)
    assert heard[2:] == [(SIGN_INS, user_id)]
    assert not await remover(told).begin(user_id)
    assert len(heard) == 3


@pytest.mark.parametrize(
    ("part", "step"),
    [
        ("store", "destroy_keys"),
        ("store", "left_of"),
        ("log", "drop"),
        ("store", "erase_left"),
        ("store", "end_removal"),
    ],
)
async def test_what_broke_off_is_finished_by_a_purge(house: House, part: str, step: str) -> None:
    house.work()
    response = await house.say("chunks=3")
    await house.end(response.id)
    failing = Failing(getattr(house.parts, part), step)
    user_id = house.user.user_id
    broken = house.with_(**{part: failing})
    assert await remover(broken).begin(user_id)
    await remover(broken).try_to_finish(user_id)
    assert failing.failed
    assert list(await house.parts.store.removals()) == [user_id]
    await Sweeper(house.parts).purge()
    assert not await house.parts.store.removals()
    assert not await held(house, response.id)


async def test_one_that_cannot_be_finished_holds_up_no_other(house: House) -> None:
    other = await another(house)
    store = house.parts.store
    for user in (house.user, other.user):
        assert await remover(house).begin(user.user_id)
    failing = Failing(store, "destroy_keys")
    await Sweeper(house.with_(store=failing).parts).purge()
    left: Sequence[str] = await store.removals()
    assert len(left) == 1
    await Sweeper(house.parts).purge()
    assert not await store.removals()

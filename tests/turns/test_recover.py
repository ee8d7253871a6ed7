"""Losses that are made up for: rings, logs, the database, and readers of what has expired."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from tests.turns.house import House, folded

from tertulia.domain.event import opening_frames
from tertulia.domain.frame import Frame
from tertulia.errors import NotFound, PositionLost, Unavailable
from tertulia.ports.eventlog import Appended
from tertulia.turns.cancel import cancel
from tertulia.turns.read import Follower, follow
from tertulia.turns.recover import Sweeper
from tertulia.worker import Worker


@dataclass
class Faltering:
    """A part of the house that does not answer while ``down`` is set, call by call if listed."""

    part: Any
    down: bool = False
    only: Sequence[str] = ()
    _refused: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    async def refusals(self, count: int) -> None:
        """Return when so many calls were refused."""
        for _ in range(count):
            await self._refused.acquire()

    def __getattr__(self, name: str) -> Any:
        real = getattr(self.part, name)
        if not callable(real):
            return real

        def call(*args: Any, **kwargs: Any) -> Any:
            if self.down and (not self.only or name in self.only):
                self._refused.release()

                async def refuse() -> Any:
                    raise Unavailable("away")

                return refuse()
            return real(*args, **kwargs)

        return call


async def some_words(house: House, response_id: str) -> list[Frame]:
    seen: list[Frame] = []
    async for frames in follow(house.parts, house.user.user_id, response_id):
        seen += frames
        if sum(f.kind == "response.output_text.delta" for f in seen) >= 3:
            break
    return seen


async def test_a_lost_ring_is_rung_again(house: House) -> None:
    deaf = house.with_(queue=Faltering(house.parts.queue, down=True, only=["ring"]))
    response = await deaf.say("echo: hello")
    house.work()
    await house.end(response.id)
    assert await house.text(response.id) == "hello"


async def test_a_doubled_ring_does_no_harm(house: House) -> None:
    response = await house.say("echo: once")
    await house.parts.queue.ring([response.id, response.id, "resp_unknown"])
    house.work()
    await house.end(response.id)
    await house.parts.queue.ring([response.id])
    assert len(house.models.calls()) == 1


async def test_a_log_lost_under_a_living_worker_is_written_again(house: House) -> None:
    house.work()
    response = await house.say("go", model="scripted-60x200")
    before = await some_words(house, response.id)
    await house.parts.log.drop([response.id])
    frames = await house.read(response.id)
    node = await house.node(response.id)
    assert node.response.attempt == 1
    assert frames[: len(before)] == before
    assert folded(frames).text == await house.text(response.id)
    assert len((await house.text(response.id)).split()) == 60


async def test_a_reader_goes_on_over_a_lost_log(house: House) -> None:
    house.work()
    response = await house.say("go", model="scripted-60x200")
    reader = asyncio.create_task(house.read(response.id))
    await some_words(house, response.id)
    await house.parts.log.drop([response.id])
    try:
        frames = await reader
    except PositionLost:
        frames = await house.read(response.id)
    assert folded(frames).text == await house.text(response.id)


async def test_log_and_worker_lost_begin_anew_by_the_next_attempt(house: House) -> None:
    from tests.turns.test_takeover import kill

    worker = house.work()
    response = await house.say("go", model="scripted-60x200")
    last = (await some_words(house, response.id))[-1].sequence_number
    await kill(worker)
    await house.parts.log.drop([response.id])
    await house.parts.store.void_leases()
    house.work()
    frames = await house.read(response.id)
    assert {f.attempt for f in frames} == {2}
    assert folded(frames).text == await house.text(response.id)
    assert len((await house.text(response.id)).split()) == 60
    with pytest.raises(PositionLost):
        await house.read(response.id, last)


async def test_frames_wait_for_a_log_that_is_away(house: House) -> None:
    log = Faltering(house.parts.log)
    other = house.with_(log=log)
    worker = other.work()
    response = await other.say("go", model="scripted-60x200")
    await some_words(house, response.id)
    log.down, log.only = True, ["append"]
    await log.refusals(2)
    log.down = False
    frames = await house.read(response.id)
    await worker.stop()
    assert folded(frames).text == await house.text(response.id)
    assert len((await house.text(response.id)).split()) == 60


async def test_an_end_waits_for_a_store_that_is_away(house: House) -> None:
    store = Faltering(house.parts.store)
    other = house.with_(store=store)
    worker = other.work()
    response = await other.say("go", model="scripted-10x0")
    store.down, store.only = True, ["finish"]
    await store.refusals(2)
    store.down = False
    await house.read(response.id)
    await worker.stop()
    assert (await house.node(response.id)).response.status == "completed"


async def test_a_store_that_is_away_at_the_start_costs_nothing(house: House) -> None:
    store = Faltering(house.parts.store, down=True, only=["claim", "renew", "cancels", "sweep"])
    other = house.with_(store=store)
    response = await other.say("echo: hello")
    worker = other.work()
    await store.refusals(2)
    store.down = False
    await house.end(response.id)
    await worker.stop()
    assert await house.text(response.id) == "hello"


async def test_a_branch_that_cannot_be_read_hands_the_response_over(house: House) -> None:
    store = Faltering(house.parts.store, down=True, only=["branch"])
    other = house.with_(store=store)
    first = await house.say("echo: hello")
    # Its branch is read beside the claim, unlike that of a first message.
    response = await other.say("echo: hello", parent=first.id)
    worker = other.work()
    await store.refusals(1)
    store.down = False
    await house.end(response.id)
    await worker.stop()
    node = await house.node(response.id)
    assert (node.response.status, node.response.crashes) == ("completed", 0)


async def test_an_outage_expires_nobody(house: House) -> None:
    now = 0.0
    store = Faltering(house.parts.store)
    parts = replace(house.parts, store=store)
    sweeper = Sweeper(parts, clock=lambda: now)
    response = await house.say("go")
    assert await house.parts.store.claim(response.id, "worker_x", 1.0) is not None
    assert await sweeper.sweep() is not None
    house.clock.ahead += 1000
    now = 1.9
    swept = await sweeper.sweep()
    assert swept is not None
    assert swept.taken_over == 0
    store.down = True
    now = 2.5
    assert await sweeper.sweep() is None
    assert await sweeper.purge() == 0
    store.down = False
    now = 3.0
    assert (await sweeper.sweep()).taken_over == 0  # type: ignore[union-attr]
    now = 4.9
    assert (await sweeper.sweep()).taken_over == 0  # type: ignore[union-attr]
    now = 5.0
    assert (await sweeper.sweep()).taken_over == 1  # type: ignore[union-attr]


async def test_what_waited_too_long_fails(house: House) -> None:
    sweeper = Sweeper(house.parts)
    response = await house.say("go")
    house.clock.ahead += 121
    swept = await sweeper.sweep()
    assert swept is not None
    frames = await house.read(response.id)
    assert frames[-1].kind == "response.failed"
    node = await house.node(response.id)
    assert node.response.error is not None
    assert node.response.error.code == "expired"


async def test_nobody_expires_while_there_was_no_server(house: House) -> None:
    response = await house.say("echo: hello")
    house.clock.ahead += 3600
    await Worker(house.parts).resume()
    assert (await house.node(response.id)).response.status != "failed"


async def test_an_expired_log_is_rebuilt_from_the_items(house: House) -> None:
    house.work()
    response = await house.say("markdown")
    text = folded(await house.read(response.id)).text
    last = (await house.node(response.id)).response.last_sequence_number
    house.clock.ahead += 4000
    await Sweeper(house.parts).purge()
    frames = await house.read(response.id)
    assert folded(frames).text == text
    assert [f.sequence_number for f in frames] == list(range(len(frames)))
    assert frames[-1].terminal
    assert await house.read(response.id, last) == []
    with pytest.raises(PositionLost):
        await house.read(response.id, 1)


@pytest.mark.parametrize("said", ["think", "call"])
async def test_reasoning_and_calls_are_rebuilt_too(house: House, said: str) -> None:
    from tertulia.domain.response import Request

    house.work()
    tool = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}
    tools = (tool,) if said == "call" else ()
    request = Request(model="scripted", tools=tools, truncation="auto")
    response = await house.say(said, request=request)
    node = await house.end(response.id)
    await house.parts.log.drop([response.id])
    assert folded(await house.read(response.id)).output() == node.output


async def test_what_nobody_began_is_rebuilt_as_it_was(house: House) -> None:
    """Cut off within it, a reader must not seem to hold the end."""
    response = await house.say("echo: hello")
    await cancel(house.parts, house.user.user_id, response.id)
    last = (await house.node(response.id)).response.last_sequence_number
    were = await house.read(response.id)
    await house.parts.log.drop([response.id])
    rebuilt = await house.read(response.id)
    assert [f.kind for f in rebuilt] == [f.kind for f in were]
    assert [f.sequence_number for f in rebuilt] == [0, 1, last]
    with pytest.raises(PositionLost):
        await house.read(response.id, rebuilt[1].sequence_number)


async def test_the_terminal_frame_is_derived_when_it_was_lost(house: House) -> None:
    """Store and log as two systems; the process died between transaction and frame."""
    log = Faltering(house.parts.log)
    other = house.with_(log=log)

    async def append(*args: Any) -> Appended:
        if args[3][-1].terminal:
            raise Unavailable("away")
        return await house.parts.log.append(*args)

    log.append = append  # type: ignore[attr-defined]
    worker = other.work()
    response = await other.say("echo: hello")
    frames = await house.read(response.id)
    await worker.stop()
    assert frames[-1].terminal
    assert folded(frames).text == "hello"


async def test_opening_frames_are_the_submitters_or_the_workers(house: House) -> None:
    log = Faltering(house.parts.log, down=True)
    other = house.with_(log=log)
    response = await other.say("echo: hello")
    log.down = False
    worker = other.work()
    frames = await house.read(response.id)
    await worker.stop()
    assert [f.sequence_number for f in frames][:3] == [0, 1, 2]


@pytest.mark.parametrize("after", [None, 0])
async def test_the_end_of_a_log_whose_middle_was_lost(house: House, after: int | None) -> None:
    """What its submitter could not append nobody makes up for when no worker has come."""
    log = Faltering(house.parts.log, down=True)
    response = await house.with_(log=log).say("echo: hello")
    user_id = house.user.user_id
    await house.parts.log.open(user_id, response.id, 1)
    if after is not None:
        await house.parts.log.append(user_id, response.id, 1, opening_frames(response)[:1])
    await cancel(house.parts, user_id, response.id)
    try:
        frames = await house.read(response.id, after)
    except PositionLost:
        assert after is not None, "who holds nothing has lost nothing"
    else:
        assert frames[-1].terminal


async def test_a_foreign_response_is_unknown(house: House) -> None:
    response = await house.say("hi")
    with pytest.raises(NotFound):
        async for _ in follow(house.parts, "user_other", response.id):
            pass
    with pytest.raises(NotFound):
        await cancel(house.parts, "user_other", response.id)


async def test_a_silent_reader_does_not_mind_a_store_that_is_away(house: House) -> None:
    store = Faltering(house.parts.store, down=True, only=["get"])
    other = house.with_(store=store)
    response = await house.say("echo: hello")
    reader = asyncio.create_task(other.read(response.id))
    await store.refusals(1)
    house.work()
    assert folded(await reader).text == "hello"


async def test_a_waiting_reader_knows_its_place(house: House) -> None:
    ids = [(await house.say(f"echo: {n}")).id for n in range(3)]
    stirred = asyncio.Event()
    follower = Follower(house.parts, house.user.user_id, ids[2], stirred.set)
    await follower.open(1)
    assert await follower.next() == ()
    assert follower.prospect is not None
    assert follower.prospect.place == 3
    house.work()
    while not follower.ended:
        stirred.clear()
        if not await follower.next():
            await stirred.wait()
    assert await house.parts.store.place(house.user.user_id, ids[2], house.parts.bounds) is None
    follower.close()


async def test_a_bug_in_upkeep_does_not_end_it(house: House) -> None:
    calls = 0
    again = asyncio.Event()

    async def cancels(_: str) -> list[str]:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise ZeroDivisionError
        again.set()
        return []

    store = Faltering(house.parts.store)
    store.cancels = cancels  # type: ignore[attr-defined]
    other = house.with_(store=store)
    worker = other.work()
    response = await other.say("hang")
    await again.wait()
    await cancel(house.parts, house.user.user_id, response.id)
    await house.end(response.id)
    await worker.stop()

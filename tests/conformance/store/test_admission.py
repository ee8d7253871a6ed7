"""Who may run, and when."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import replace

import pytest
from tests.support.stores import ANN, BEN, Rig

from tertulia.domain.admission import Limits
from tertulia.domain.prospect import Prospect
from tertulia.domain.response import Request
from tertulia.errors import Overloaded, RateLimited
from tertulia.ports.turns import HEAD, Backlog, Idempotency, Submitted

ONE = Limits(running=1, waiting=10, capacity=1)


def _ids(submitted: list[Submitted]) -> list[str]:
    return [s.response.id for s in submitted]


async def test_no_more_than_the_limit_of_a_user_run(rig: Rig) -> None:
    submitted = [await rig.submit(str(n)) for n in range(4)]
    ids = _ids(submitted)
    assert [bool(s.admitted) for s in submitted] == [True, True, False, False]
    assert await rig.store.claim(ids[2], "worker_1", 30.0) is None
    assert (await rig.submit(user=BEN)).admitted  # others are not held up


async def test_an_end_admits_the_users_oldest(rig: Rig) -> None:
    ids = _ids([await rig.submit(str(n)) for n in range(4)])
    finished = await rig.end(await rig.claim(ids[1]))
    assert finished.admitted == (ids[2],)
    assert (await rig.claim(ids[2])).admitted_at == rig.clock.now


async def test_a_child_waits_for_its_parent_and_runs_at_its_end(rig: Rig) -> None:
    talk = await rig.talk()
    first = await rig.submit(conversation=talk.id, parent=HEAD)
    second = await rig.submit(conversation=talk.id, parent=HEAD)
    other = await rig.submit("elsewhere")
    assert (bool(second.admitted), bool(other.admitted)) == (False, True)
    ended = await rig.end(await rig.claim(first.response.id), status="failed")
    assert ended.admitted == (second.response.id,)


async def test_a_sibling_of_a_child_waits_too(rig: Rig) -> None:
    talk = await rig.talk()
    await rig.submit(conversation=talk.id, parent=HEAD)
    child = await rig.submit(conversation=talk.id, parent=HEAD)
    again = await rig.submit(regenerate_of=child.response.id)
    assert not again.admitted


async def test_cancelling_one_that_waits_lets_its_child_run(rig: Rig) -> None:
    talk = await rig.talk()
    first = await rig.submit(conversation=talk.id, parent=HEAD)
    second = await rig.submit(conversation=talk.id, parent=HEAD)
    third = await rig.submit(conversation=talk.id, parent=HEAD)
    cancelled = await rig.store.request_cancel(ANN, second.response.id, rig.limits)
    assert cancelled.finished is not None
    assert cancelled.finished.admitted == (third.response.id,)
    assert (await rig.claim(first.response.id)).attempt == 1


async def test_capacity_is_shared_by_all(rig: Rig) -> None:
    first = await rig.submit(limits=ONE)
    second = await rig.submit(user=BEN, limits=ONE)
    assert (bool(first.admitted), bool(second.admitted)) == (True, False)
    ended = await rig.end(await rig.claim(first.response.id), limits=ONE)
    assert ended.admitted == (second.response.id,)


async def test_many_messages_of_one_delay_another_by_one_slot(rig: Rig) -> None:
    two = Limits(running=2, waiting=10, capacity=2)
    many = [await rig.submit(str(n), limits=two) for n in range(8)]
    late = await rig.submit(user=BEN, limits=two)
    ended = await rig.end(await rig.claim(many[0].response.id), limits=two)
    assert ended.admitted == (late.response.id,)


async def test_nobody_need_wait_where_nobody_may(rig: Rig) -> None:
    at_once = Limits(running=1, waiting=0)
    assert (await rig.submit(limits=at_once)).admitted
    with pytest.raises(RateLimited):
        await rig.submit(limits=at_once)


async def test_too_many_waiting_are_refused_with_a_time(rig: Rig) -> None:
    few = Limits(running=1, waiting=2)
    for n in range(3):
        await rig.submit(str(n), limits=few)
    with pytest.raises(RateLimited) as caught:
        await rig.submit(limits=few)
    assert caught.value.retry_after
    await rig.submit(user=BEN, limits=few)


async def test_limits_hold_among_many_at_once(rig: Rig) -> None:
    limits = Limits(running=2, waiting=3, capacity=3)
    results = await asyncio.gather(
        *(rig.submit(str(n), user=u, limits=limits) for n in range(8) for u in (ANN, BEN)),
        return_exceptions=True,
    )
    accepted = [r for r in results if isinstance(r, Submitted)]
    refused = [r for r in results if isinstance(r, RateLimited)]
    assert len(accepted) + len(refused) == 16
    running = dict.fromkeys((ANN, BEN), 0)
    for submitted in accepted:
        running[submitted.response.user_id] += len(submitted.admitted)
    assert sum(running.values()) == 3
    assert max(running.values()) == 2
    assert len(accepted) == 3 + 2 * 3


async def test_the_sweeper_admits_when_limits_were_raised(rig: Rig) -> None:
    submitted = [await rig.submit(str(n), limits=ONE) for n in range(3)]
    swept = await rig.store.sweep(
        Limits(running=2), waiting_seconds=120, take_over=True, ring_after_seconds=5
    )
    assert swept.ring == (submitted[1].response.id,)


async def test_while_slots_are_plenty_the_place_is_among_ones_own(rig: Rig) -> None:
    mine = _ids([await rig.submit(str(n)) for n in range(4)])
    other = (await rig.submit(user=BEN)).response.id
    assert [await _place(rig, r) for r in mine] == [1, 2, 3, 4]
    assert await _place(rig, other, user=BEN) == 1
    await rig.end(await rig.claim(mine[0]))
    assert [await _place(rig, r) for r in mine] == [None, 1, 2, 3]
    assert await _place(rig, mine[1], user=BEN) is None
    assert await _place(rig, "resp_unknown") is None


async def test_where_slots_are_few_the_place_is_that_of_ones_turn(rig: Rig) -> None:
    one = replace(ONE, turn_seconds=8.0)
    mine = [await rig.submit(str(n), limits=ONE) for n in range(4)]
    others = [await rig.submit(user=BEN, limits=ONE) for _ in range(2)]
    running = await rig.claim(mine[0].response.id)
    assert [await _place(rig, r, limits=one) for r in _ids(mine[1:])] == [2, 4, 5]
    assert [await _place(rig, r, user=BEN, limits=one) for r in _ids(others)] == [2, 4]
    begun = []
    for _ in range(5):
        [at_work] = (await rig.end(running, limits=ONE)).admitted
        running = await rig.claim(at_work)
        begun.append(at_work)
    a, b = _ids(mine), _ids(others)
    assert begun == [b[0], a[1], b[1], a[2], a[3]]


async def test_the_wait_goes_by_how_long_turns_take(rig: Rig) -> None:
    one = replace(ONE, turn_seconds=8.0)
    first = await rig.submit(limits=one)
    ids = _ids([first, await rig.submit(user=BEN, limits=one)])
    waits = [await rig.store.place(u, r, one) for u, r in zip((ANN, BEN), ids, strict=True)]
    assert waits == [Prospect(1, 0.0), Prospect(1, 8.0)]
    assert await rig.store.place(BEN, ids[1], ONE) == Prospect(1, None)


async def _place(
    rig: Rig, response_id: str, *, user: str = ANN, limits: Limits | None = None
) -> int | None:
    found = await rig.store.place(user, response_id, limits or rig.limits)
    return found.place if found else None


async def test_work_that_would_wait_too_long_is_refused_and_nothing_of_it_kept(rig: Rig) -> None:
    busy = replace(ONE, turn_seconds=8.0, shed_wait=20.0)
    key = Idempotency(b"k" * 32, b"b" * 32)
    accepted = await rig.submit(limits=busy, key=key)
    waiting = [await rig.submit(str(n), user=BEN, limits=busy) for n in range(2)]
    before = (await rig.feed(BEN), await rig.store.conversations(BEN, after=None, limit=9))
    # The third end of 8 seconds each would come too late.
    again = Idempotency(b"l" * 32, b"b" * 32)
    with pytest.raises(Overloaded) as caught:
        await rig.submit("late", user=BEN, limits=busy, key=again)
    assert (caught.value.code, caught.value.status) == ("overloaded", 503)
    assert caught.value.retry_after == 4.0
    assert (await rig.feed(BEN), await rig.store.conversations(BEN, after=None, limit=9)) == before
    # Whose turn comes first is still welcome, and what was accepted stays so.
    assert not (await rig.submit("mine", limits=busy)).admitted
    assert (await rig.submit(limits=busy, key=key)).response.id == accepted.response.id
    swept = await rig.store.sweep(busy, waiting_seconds=120, take_over=True, ring_after_seconds=600)
    assert swept.finished == ()
    ended = await rig.end(await rig.claim(accepted.response.id), limits=busy)
    assert ended.admitted == (waiting[0].response.id,)
    patient = replace(busy, shed_wait=60.0)
    assert not (await rig.submit("late", user=BEN, limits=patient, key=again)).replayed


async def test_nothing_is_refused_for_ones_own_limits_or_before_a_turn_has_ended(rig: Rig) -> None:
    slow = Limits(running=1, turn_seconds=1000.0)
    for n in range(4):
        await rig.submit(str(n), limits=slow)
    for n in range(4):
        await rig.submit(str(n), user=BEN, limits=ONE)


async def test_when_to_come_again_is_told_by_ones_own_pace(rig: Rig) -> None:
    limits = Limits(running=2, waiting=0, turn_seconds=2.0)
    for seconds in (10, 30):
        response = await rig.start()
        rig.clock.pass_by(seconds)
        await rig.end(response)
    for user in (ANN, BEN):
        for n in range(2):
            await rig.submit(str(n), user=user, limits=limits)
    told = []
    for user in (ANN, BEN):
        with pytest.raises(RateLimited) as caught:
            await rig.submit(user=user, limits=limits)
        told.append(caught.value.retry_after)
    assert told == [10.0, 1.0]


async def test_one_who_has_nothing_running_finds_a_slot(rig: Rig) -> None:
    four = Limits(running=4, waiting=10, capacity=4)
    many = [await rig.submit(str(n), limits=four) for n in range(6)]
    assert [bool(s.admitted) for s in many] == [True, True, True, False, False, False]
    assert (await rig.submit(user=BEN, limits=four)).admitted
    # The reserve is whole again before Ann has more.
    ended = await rig.end(await rig.claim(many[0].response.id), limits=four)
    assert ended.admitted == ()
    ended = await rig.end(await rig.claim(many[1].response.id), limits=four)
    assert ended.admitted == (many[3].response.id,)


async def test_a_hundred_messages_of_one_delay_another_by_one_end(rig: Rig) -> None:
    """In conversations side by side, as fast as Ann's limits let her."""
    limits = Limits(running=2, waiting=10, capacity=2)
    left, at_work, bens = 100, deque[str](), None
    ends_since = 0
    while left or at_work:
        while left:
            try:
                made = await rig.submit(str(left), limits=limits)
            except RateLimited:
                break
            left -= 1
            at_work += made.admitted
        if bens is None and left < 50:
            bens = await rig.submit(user=BEN, limits=limits)
            assert not bens.admitted
        ended = await rig.end(await rig.claim(at_work.popleft()), limits=limits)
        at_work += ended.admitted
        ends_since += bens is not None
        if bens is not None and ends_since == 1:
            assert ended.admitted == (bens.response.id,)


async def test_by_and_by_a_higher_tier_gets_twice_the_turns(rig: Rig) -> None:
    """Also where each has one slot at a time, so that what runs says nothing of it."""
    urgent = Request(model="m", service_tier="priority")
    at_work = (await rig.submit(limits=ONE)).response.id
    plain = _ids([await rig.submit(str(n), user=BEN, limits=ONE) for n in range(9)])
    for n in range(9):
        await rig.submit(str(n), request=urgent, limits=ONE)
    begun = []
    for _ in range(9):
        [at_work] = (await rig.end(await rig.claim(at_work), limits=ONE)).admitted
        begun.append(at_work)
    assert len(set(begun) & set(plain)) == 3


async def test_the_backlog_is_everybodys(rig: Rig) -> None:
    assert await rig.store.backlog() == Backlog(0, 0, 0, 0.0)
    ids = _ids([await rig.submit(str(n)) for n in range(3)])
    rig.clock.now += 5
    await rig.submit(user=BEN)
    claimed = await rig.claim(ids[0])
    assert await rig.store.backlog() == Backlog(1, 2, 1, 5.0)
    await rig.end(claimed)
    assert await rig.store.backlog() == Backlog(0, 3, 0, 5.0)

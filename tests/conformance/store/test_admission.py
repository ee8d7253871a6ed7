"""Who may run, and when."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.stores import ANN, BEN, Rig

from tertulia.domain.admission import Limits
from tertulia.domain.response import Request
from tertulia.errors import RateLimited
from tertulia.ports.turns import HEAD, Backlog, Submitted

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


async def test_a_higher_tier_gets_more_turns(rig: Rig) -> None:
    three = Limits(running=3, waiting=10, capacity=3)
    bens = [await rig.submit(user=BEN, limits=three) for _ in range(3)]
    await rig.submit("plain", user=BEN, limits=three)
    urgent = Request(model="m", service_tier="priority")
    anns = [await rig.submit(str(n), request=urgent, limits=three) for n in range(3)]
    admitted: list[str] = []
    for submitted in bens[:2]:
        ended = await rig.end(await rig.claim(submitted.response.id), limits=three)
        admitted += ended.admitted
    assert admitted == _ids(anns[:2])


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


async def test_the_place_counts_what_was_accepted_before_and_has_not_begun(rig: Rig) -> None:
    mine = _ids([await rig.submit(str(n)) for n in range(4)])
    rig.clock.pass_by(1)
    other = (await rig.submit(user=BEN)).response.id
    assert [await rig.store.place(ANN, r) for r in mine] == [1, 2, 3, 4]
    assert await rig.store.place(BEN, other) == 5
    await rig.end(await rig.claim(mine[0]))
    assert [await rig.store.place(ANN, r) for r in mine] == [None, 1, 2, 3]
    assert await rig.store.place(BEN, mine[1]) is None
    assert await rig.store.place(ANN, "resp_unknown") is None


async def test_the_backlog_is_everybodys(rig: Rig) -> None:
    assert await rig.store.backlog() == Backlog(0, 0, 0, 0.0)
    ids = _ids([await rig.submit(str(n)) for n in range(3)])
    rig.clock.now += 5
    await rig.submit(user=BEN)
    claimed = await rig.claim(ids[0])
    assert await rig.store.backlog() == Backlog(1, 2, 1, 5.0)
    await rig.end(claimed)
    assert await rig.store.backlog() == Backlog(0, 3, 0, 5.0)

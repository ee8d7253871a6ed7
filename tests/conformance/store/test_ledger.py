"""What each attempt took, and how it ended."""

from __future__ import annotations

from functools import reduce

from tests.support.stores import ANN, BEN, Rig

from tertulia.domain.response import Response, Usage
from tertulia.ports.turns import NOTHING


async def _crash(rig: Rig, response: Response) -> None:
    rig.clock.pass_by(31)
    await rig.store.sweep(rig.limits, waiting_seconds=120, take_over=True, ring_after_seconds=5)


async def _sums_up(rig: Rig, response: Response) -> None:
    entries = await rig.ledger_of(response.id)
    [usage] = await rig.usage_of(response.id)
    assert reduce(Usage.plus, (e[3] for e in entries)) == usage == response.usage
    assert [e[1] for e in entries].count("crashed") == response.crashes
    assert [e[0] for e in entries] == list(range(1, response.attempt + 1))


async def test_one_attempt_needs_no_entry(rig: Rig) -> None:
    answer = await rig.answer()
    assert await rig.ledger_of(answer.id) == []
    assert await rig.usage_of(answer.id) == [answer.usage]


async def test_every_attempt_has_its_entry_and_they_add_up(rig: Rig) -> None:
    first = await rig.start()
    await rig.store.release(first.id, 1, Usage(7, 8, 1, 2, 30))
    second = await rig.claim(first.id, "worker_2")
    await _crash(rig, second)
    third = await rig.claim(first.id, "worker_3")
    # It has found 5 words more than were counted.
    lost = Usage(output_tokens=5, cost_micros=10)
    total = Usage(14, 23, 1, 2, 80)
    ended = (await rig.end(third, usage=total, lost=lost)).response
    assert await rig.ledger_of(first.id) == [
        (1, "handed_over", "worker_1", Usage(7, 8, 1, 2, 30)),
        (2, "crashed", "worker_2", lost),
        (3, "finished", "worker_3", Usage(7, 10, 0, 0, 40)),
    ]
    await _sums_up(rig, ended)


async def test_what_was_lost_is_told_by_one_that_is_handed_over_too(rig: Rig) -> None:
    first = await rig.start()
    await _crash(rig, first)
    second = await rig.claim(first.id, "worker_2")
    lost = Usage(output_tokens=4, cost_micros=8)
    await rig.store.release(second.id, 2, Usage(3, 6, 0, 0, 20), lost)
    third = await rig.claim(first.id, "worker_1")
    assert third.spent == Usage(3, 6, 0, 0, 20)
    ended = (await rig.end(third, usage=Usage(6, 9, 0, 0, 40))).response
    assert [e[3].output_tokens for e in await rig.ledger_of(first.id)] == [4, 2, 3]
    await _sums_up(rig, ended)


async def test_all_that_were_at_work_when_the_process_died_have_crashed(rig: Rig) -> None:
    both = [await rig.start(user=user) for user in (ANN, BEN)]
    waiting = await rig.submit()
    assert await rig.store.void_leases() == 2
    for response in both:
        assert await rig.ledger_of(response.id) == [(1, "crashed", "worker_1", NOTHING)]
        await _sums_up(rig, (await rig.end(await rig.claim(response.id))).response)
    assert await rig.ledger_of(waiting.response.id) == []


async def test_one_that_was_thought_dead_and_ends_after_all_is_entered_once(rig: Rig) -> None:
    first = await rig.start()
    await rig.store.release(first.id, 1, Usage(1, 2))
    second = await rig.claim(first.id, "worker_2")
    await _crash(rig, second)
    ended = (await rig.end(second, usage=Usage(4, 7))).response
    assert [(e[1], e[3]) for e in await rig.ledger_of(first.id)] == [
        ("handed_over", Usage(1, 2)),
        ("crashed", Usage(3, 5)),
    ]
    assert await rig.usage_of(first.id) == [ended.usage]


async def test_stale_attempts_enter_nothing(rig: Rig) -> None:
    first = await rig.start()
    await _crash(rig, first)
    await rig.store.release(first.id, 1, Usage(7, 8))
    assert [e[1] for e in await rig.ledger_of(first.id)] == ["crashed"]


async def test_the_ledger_stays_when_the_response_is_erased(rig: Rig) -> None:
    first = await rig.start()
    await _crash(rig, first)
    ended = (await rig.end(await rig.claim(first.id))).response
    await rig.store.delete(ANN, first.id)
    await _sums_up(rig, ended)

"""Claims, leases and the fence."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.stores import ANN, BEN, Rig

from tertulia.domain.response import Response, Usage
from tertulia.errors import Fenced
from tertulia.ports.turns import Renewal


async def _sweep(rig: Rig, **how: bool) -> tuple[str, ...]:
    how = {"take_over": True, **how}
    swept = await rig.store.sweep(
        rig.limits,
        waiting_seconds=120,
        ring_after_seconds=5,
        **how,
    )
    return swept.ring


async def _crash(rig: Rig, response: Response) -> None:
    rig.clock.pass_by(31)
    assert response.id in await _sweep(rig)


async def test_a_claim_is_an_attempt_with_a_lease(rig: Rig) -> None:
    response = await rig.start()
    assert (response.status, response.attempt, response.crashes) == ("in_progress", 1, 0)
    assert response.lease_until == rig.clock.now + 30
    assert (await rig.store.get(ANN, response.id)).response == response


async def test_a_claim_may_bring_the_branch(rig: Rig) -> None:
    first = (await rig.submit("Hello")).response
    claimed = await rig.store.claim(first.id, "worker_1", 30.0)
    assert claimed is not None
    assert claimed.branch in (None, await rig.store.branch(ANN, first.id))
    await rig.end(claimed.response)
    second = (await rig.submit("And now?", parent=first.id)).response
    claimed = await rig.store.claim(second.id, "worker_1", 30.0)
    assert claimed is not None
    assert claimed.branch in (None, await rig.store.branch(ANN, second.id))


async def test_one_of_many_claims_wins(rig: Rig) -> None:
    submitted = await rig.submit()
    claims = await asyncio.gather(
        *(rig.store.claim(submitted.response.id, f"worker_{n}", 30.0) for n in range(10))
    )
    assert len([c for c in claims if c is not None]) == 1


async def test_there_is_nothing_to_claim(rig: Rig) -> None:
    assert await rig.store.claim("resp_unknown", "worker_1", 30.0) is None
    leased = await rig.start()
    assert await rig.store.claim(leased.id, "worker_1", 30.0) is None
    await rig.end(leased)
    assert await rig.store.claim(leased.id, "worker_1", 30.0) is None


async def test_an_expired_lease_is_anothers_until_the_sweeper_ends_it(rig: Rig) -> None:
    response = await rig.start()
    rig.clock.pass_by(31)
    assert await rig.store.claim(response.id, "worker_2", 30.0) is None
    assert await _sweep(rig, take_over=False) == ()
    assert await rig.store.claim(response.id, "worker_2", 30.0) is None
    swept = await rig.store.sweep(
        rig.limits, waiting_seconds=120, take_over=True, ring_after_seconds=5
    )
    assert (swept.ring, swept.taken_over) == ((response.id,), 1)
    again = await rig.claim(response.id, "worker_2")
    assert (again.attempt, again.crashes, again.status) == (2, 1, "in_progress")


async def test_renewing_keeps_the_lease(rig: Rig) -> None:
    response = await rig.start()
    for _ in range(5):
        rig.clock.pass_by(20)
        held = await rig.store.renew("worker_1", [(response.id, 1)], 30.0)
        assert held == {response.id: Renewal(held=True, cancel_requested=False)}
        assert await _sweep(rig) == ()


async def test_a_lost_lease_is_told(rig: Rig) -> None:
    lost, ended, stale = [await rig.start(user=u) for u in (ANN, ANN, BEN)]
    await rig.end(ended)
    await _crash(rig, lost)
    await rig.claim(stale.id, "worker_1")
    asked = [(lost.id, 1), (ended.id, 1), (stale.id, 1), ("resp_unknown", 1)]
    renewals = await rig.store.renew("worker_1", asked, 30.0)
    assert list(renewals) == [response_id for response_id, _ in asked]
    assert not any(r.held for r in renewals.values())
    assert (await rig.store.renew("worker_1", [(stale.id, 2)], 30.0))[stale.id].held
    assert not (await rig.store.renew("worker_2", [(stale.id, 2)], 30.0))[stale.id].held


async def test_a_cancellation_is_told_with_the_renewal_and_on_its_own(rig: Rig) -> None:
    response, other = await rig.start(), await rig.start()
    await rig.store.request_cancel(ANN, response.id, rig.limits)
    held = [(response.id, 1), (other.id, 1)]
    renewals = await rig.store.renew("worker_1", held, 30.0)
    assert renewals[response.id] == Renewal(held=True, cancel_requested=True)
    assert renewals[other.id] == Renewal(held=True, cancel_requested=False)
    assert list(await rig.store.cancels("worker_1")) == [response.id]
    assert list(await rig.store.cancels("worker_2")) == []


async def test_handing_over_counts_no_crash_and_keeps_what_was_spent(rig: Rig) -> None:
    response = await rig.start()
    await rig.store.release(response.id, 1, Usage(7, 8, 1, 2, 3))
    again = await rig.claim(response.id, "worker_2")
    assert (again.attempt, again.crashes, again.spent) == (2, 0, Usage(7, 8, 1, 2, 3))


async def test_a_stale_hand_over_does_nothing(rig: Rig) -> None:
    response = await rig.start()
    await _crash(rig, response)
    await rig.store.release(response.id, 1, Usage(7, 8))
    again = await rig.claim(response.id, "worker_2")
    await rig.store.release(response.id, 1, Usage(7, 8))
    assert (await rig.store.get(ANN, response.id)).response == again
    assert again.spent == Usage()


async def test_a_stale_attempt_cannot_finish(rig: Rig) -> None:
    response = await rig.start()
    await _crash(rig, response)
    again = await rig.claim(response.id, "worker_2")
    with pytest.raises(Fenced):
        await rig.end(response)
    assert await rig.usage_of(response.id) == []
    assert (await rig.end(again)).response.status == "completed"
    assert len(await rig.usage_of(response.id)) == 1


async def test_three_crashes_are_counted(rig: Rig) -> None:
    response = await rig.start()
    for crashes in (1, 2, 3):
        await _crash(rig, response)
        response = await rig.claim(response.id)
        assert (response.crashes, response.attempt) == (crashes, crashes + 1)


async def test_the_owner_of_the_store_voids_all_leases_at_once(rig: Rig) -> None:
    first, second = await rig.start(), await rig.start(user=BEN)
    assert await rig.store.void_leases() == 2
    assert await rig.store.void_leases() == 0
    assert set(await _sweep(rig)) == {first.id, second.id}
    assert (await rig.claim(first.id)).crashes == 1


async def test_one_that_is_to_be_cancelled_can_still_be_claimed(rig: Rig) -> None:
    response = await rig.start()
    await rig.store.request_cancel(ANN, response.id, rig.limits)
    await _crash(rig, response)
    again = await rig.claim(response.id, "worker_2")
    assert again.cancel_requested_at is not None
    done = await rig.end(again, "as far as it got", "cancelled")
    assert done.response.status == "cancelled"


async def test_what_nobody_took_is_rung_again_and_not_all_the_time(rig: Rig) -> None:
    response = (await rig.submit()).response
    assert await _sweep(rig) == ()
    rig.clock.pass_by(6)
    assert await _sweep(rig) == (response.id,)
    assert await _sweep(rig) == ()
    rig.clock.pass_by(6)
    assert await _sweep(rig) == (response.id,)
    await rig.claim(response.id)
    rig.clock.pass_by(6)
    assert await _sweep(rig) == ()
    await rig.store.release(response.id, 1, Usage())
    rig.clock.pass_by(6)
    assert await _sweep(rig) == (response.id,)

"""Work that nobody wants any more, cancelled or expired, never reaches a model."""

from __future__ import annotations

import pytest
from tests.turns.house import House
from tests.turns.test_takeover import first_words, kill

from tertulia.domain.admission import Limits
from tertulia.errors import Overloaded
from tertulia.ports.turns import Claimed
from tertulia.turns.cancel import cancel
from tertulia.turns.generate import Attempt, Stop
from tertulia.turns.recover import Sweeper


async def claimed(house: House, response_id: str) -> Claimed:
    taken = await house.parts.store.claim(response_id, "worker_x", 2.0)
    assert taken is not None
    return taken


async def last_word(house: House) -> None:
    """One that is wanted, rung for after all the others: when it has ended they have had their
    chance."""
    house.work()
    wanted = await house.say("echo: wanted")
    await house.end(wanted.id)
    assert await house.text(wanted.id) == "wanted"


def called(house: House) -> int:
    return len(house.models.calls())


async def test_what_is_cancelled_before_a_worker_hears_the_ring(house: House) -> None:
    response = await house.say("hi")
    assert (await cancel(house.parts, house.user.user_id, response.id)).status == "cancelled"
    await last_word(house)
    assert called(house) == 1


async def test_what_is_cancelled_while_it_has_no_slot(house: House) -> None:
    narrow = house.with_(limits=Limits(running=1, capacity=4))
    first, second = [await narrow.say("echo: hello") for _ in range(2)]
    await cancel(narrow.parts, house.user.user_id, second.id)
    await house.parts.queue.ring([second.id])
    house.work()
    await house.end(first.id)
    await last_word(house)
    assert called(house) == 2
    assert (await house.node(second.id)).response.status == "cancelled"


async def test_what_is_cancelled_between_the_claim_and_the_call(house: House) -> None:
    response = await house.say("hi")
    attempt = Attempt(house.parts, await claimed(house, response.id))
    await cancel(house.parts, house.user.user_id, response.id)
    attempt.stop(Stop.CANCELLED)
    finished = await attempt.run()
    assert finished is not None
    assert finished.response.status == "cancelled"
    assert called(house) == 0


@pytest.mark.parametrize("crashed", [True, False])
async def test_what_is_cancelled_between_two_attempts(house: House, crashed: bool) -> None:
    response = await house.say("hi")
    await claimed(house, response.id)
    if crashed:
        await house.parts.store.void_leases()
    else:
        await house.parts.store.release(response.id, 1, response.spent)
    await cancel(house.parts, house.user.user_id, response.id)
    await house.parts.queue.ring([response.id])
    house.work()
    node = await house.end(response.id)
    assert (node.response.status, node.response.attempt) == ("cancelled", 2)
    assert called(house) == 0


async def test_what_is_cancelled_under_a_worker_that_dies(house: House) -> None:
    worker = house.work()
    response = await house.say("go", model="scripted-1000x100")
    await first_words(house, response.id)
    await kill(worker)
    await cancel(house.parts, house.user.user_id, response.id)
    await house.parts.store.void_leases()
    house.work()
    assert (await house.end(response.id)).response.status == "cancelled"
    assert called(house) == 1


async def test_what_has_expired_is_refused_however_often_it_is_rung_for(house: House) -> None:
    response = await house.say("hi")
    house.clock.ahead += 121
    await Sweeper(house.parts).sweep()
    await house.parts.queue.ring([response.id, response.id])
    await last_word(house)
    assert called(house) == 1
    assert (await house.node(response.id)).response.status == "failed"


async def test_a_child_of_what_expired_is_answered_and_its_parent_is_not(house: House) -> None:
    talk = await house.conversation()
    parent = await house.say("hi", conversation_id=talk)
    house.clock.ahead += 60
    child = await house.say("echo: still here", conversation_id=talk)
    house.clock.ahead += 61
    await Sweeper(house.parts).sweep()
    house.work()
    await house.end(child.id)
    assert (await house.node(parent.id)).response.status == "failed"
    assert await house.text(child.id) == "still here"
    assert called(house) == 1


async def test_what_was_refused_for_too_much_work_is_nowhere(house: House) -> None:
    busy = house.with_(limits=Limits(capacity=1, shed_wait=1.0))
    busy.parts.capacity.took(100.0)
    await busy.say("echo: hello")
    with pytest.raises(Overloaded):
        await busy.say("hi")
    await last_word(house)
    assert called(house) == 2

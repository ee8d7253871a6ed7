"""What a queue does when its broker, or a process of ours, goes away."""

from __future__ import annotations

import asyncio

import pytest
import structlog
from tests.conformance.backends_queue import LASTING, House

from tertulia.errors import Unavailable
from tertulia.ports.queue import Queue


async def _heard(queue: Queue) -> str:
    doorbell = await queue.take()
    await doorbell.acknowledge()
    return doorbell.response_id


async def test_a_ring_outlives_the_process_that_took_it(house: House) -> None:
    """Killed between taking and claiming."""
    queue = await house.open(hold=0.5)
    await queue.ring(["resp_1"])
    with house.taker(hold=0.5) as taker:
        assert taker.stdout is not None
        said = await asyncio.to_thread(taker.stdout.readline)
        assert said.strip() == "resp_1"
        taker.kill()
    assert await _heard(queue) == "resp_1"


async def test_a_ring_outlives_a_process_that_ends(house: House) -> None:
    leaving, staying = await house.open(hold=0.5), await house.open(hold=0.5)
    await leaving.ring(["resp_1"])
    assert (await leaving.take()).response_id == "resp_1"
    await leaving.close()
    assert await _heard(staying) == "resp_1"


async def test_what_nobody_acknowledges_is_heard_again(single_house: House) -> None:
    """The database was away when the ring was heard."""
    queue = await single_house.open(hold=0.5)
    await queue.ring(["resp_1", "resp_2"])
    unclaimed = await queue.take()
    assert await _heard(queue) == "resp_2"  # one that waits holds up no other
    again = await queue.take()
    assert again.response_id == unclaimed.response_id == "resp_1"
    await again.acknowledge()


async def test_an_unacknowledged_ring_of_kafka_holds_up_no_other(
    kafka_house: House,
) -> None:
    queue = await kafka_house.open()
    await queue.ring(["resp_1", "resp_2"])
    taken = {(await queue.take()).response_id, await _heard(queue)}
    assert taken == {"resp_1", "resp_2"}
    await queue.ring(["resp_1"])  # as the sweeper does
    assert await _heard(queue) == "resp_1"


async def test_a_ring_that_always_goes_wrong_is_given_up(single_house: House) -> None:
    given_up: list[str] = []
    gone = asyncio.Event()

    def note(response_id: str) -> None:
        given_up.append(response_id)
        gone.set()

    queue = await single_house.open(hold=0.3, most_deliveries=2, given_up=note)

    async def take_without_end() -> None:
        while True:
            await queue.take()

    taking = asyncio.create_task(take_without_end())
    await queue.ring(["resp_1"])
    with structlog.testing.capture_logs() as logs:
        await gone.wait()
    assert given_up == ["resp_1"]
    assert [one["response_id"] for one in logs if one["event"] == "ring_given_up"] == ["resp_1"]
    taking.cancel()
    await asyncio.gather(taking, return_exceptions=True)
    # The sweeper may ring for it as for any other.
    await queue.ring(["resp_1"])
    assert await _heard(queue) == "resp_1"


async def test_a_broker_that_hangs_holds_up_nobody(house: House) -> None:
    queue = await house.open(timeout=0.5)
    waiting = asyncio.create_task(_heard(queue))
    await queue.ring(["resp_1"])
    assert await waiting == "resp_1"
    again = asyncio.create_task(_heard_of(queue, "resp_2"))
    house.service.pause()
    try:
        with structlog.testing.capture_logs() as logs:
            with pytest.raises(Unavailable, match=f"at 127.0.0.1:{house.service.port}"):
                await queue.ring(["resp_2"])
            while queue.up.is_set():
                with pytest.raises(Unavailable):
                    await queue.ping()
    finally:
        house.service.resume()
    await queue.up.wait()
    assert [one["event"] for one in logs if one["log_level"] == "warning"] == ["queue_away"]
    while not again.done():  # late, or lost and rung again: either will do
        await _rung(queue, "resp_2")
        await asyncio.wait([again], timeout=0.2)
    await again


async def test_a_broker_that_restarts(house: House) -> None:
    """Takers wait, rings wait, and a process starts while there is no broker."""
    taking, ringing = await house.open(), await house.open(f"{house.deployment}-other")
    waiting = asyncio.create_task(_heard(taking))
    await ringing.ring(["resp_1"])
    with structlog.testing.capture_logs() as logs:
        house.service.stop()
        late = await house.open()
        for queue in (late, taking):
            while queue.up.is_set():
                await asyncio.wait([waiting], timeout=0.05)
            with pytest.raises(Unavailable, match="is away"):
                await queue.ring(["resp_2"])
            with pytest.raises(Unavailable, match="is away"):
                await queue.ping()
        await asyncio.to_thread(house.service.start)
        for queue in (late, taking, ringing):
            await queue.up.wait()
        events = [one["event"] for one in logs]
    # Who neither took nor rang may have missed it.
    assert events.count("queue_away") == events.count("queue_back")
    assert len(events) in {4, 6}
    await late.ring(["resp_2"])
    assert await waiting == "resp_2"
    if house.kind not in LASTING:
        await ringing.ring(["resp_1"])  # as the sweeper does
    assert await _heard(ringing) == "resp_1"


async def test_a_deployment_hears_nothing_of_another(house: House) -> None:
    ours, theirs = await house.open(), await house.open(f"{house.deployment}-other")
    await theirs.ring(["resp_1"])
    await ours.ring(["resp_2"])
    assert await _heard(ours) == "resp_2"
    assert await _heard(theirs) == "resp_1"


async def test_a_ring_of_another_deployment_is_refused(house: House) -> None:
    """Two that came to share one queue all the same; and what is no ring at all."""
    queue = await house.open()
    broker = queue._broker
    waiting = asyncio.create_task(_heard(queue))
    with structlog.testing.capture_logs() as logs:
        await broker.publish([b"their-house/resp_1", b"their-house/resp_2", b"\xff\x00"])
        while len([one for one in logs if one["event"] == "queue_shared"]) < 2:
            await asyncio.wait([waiting], timeout=0.02)
        await queue.ring(["resp_3"])
        assert await waiting == "resp_3"
    told = [one for one in logs if one["event"] == "queue_shared"]
    assert sorted((one["ours"], one["theirs"]) for one in told) == [
        (house.deployment, "?"),
        (house.deployment, "their-house"),
    ]


async def _heard_of(queue: Queue, response_id: str) -> None:
    """Others are those whose acknowledgement did not arrive."""
    while await _heard(queue) != response_id:
        pass


async def _rung(queue: Queue, response_id: str) -> None:
    """As the sweeper rings: again and again."""
    try:
        await queue.ring([response_id])
    except Unavailable:
        return

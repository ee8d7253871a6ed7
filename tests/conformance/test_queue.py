"""What every queue does: see `tertulia.ports.queue`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from tests.conformance.backends_queue import SINGLE

from tertulia.errors import Unavailable
from tertulia.ports.queue import Queue

OpenQueue = Callable[[], Awaitable[Queue]]


async def _heard(queue: Queue) -> str:
    doorbell = await queue.take()
    await doorbell.acknowledge()
    return doorbell.response_id


async def test_every_ring_is_heard_by_one_worker(queue: Queue) -> None:
    ids = {f"resp_{n}" for n in range(20)}
    workers = [asyncio.create_task(_heard(queue)) for _ in ids]
    await queue.ring(sorted(ids))
    heard = await asyncio.gather(*workers)
    assert set(heard) == ids
    assert len(heard) == len(ids)


async def test_a_ring_waits_for_a_worker(opener: OpenQueue) -> None:
    ringing = await opener()
    await ringing.ring(["resp_1"])
    await ringing.ring([])
    taking = await opener()
    assert await _heard(taking) == "resp_1"


async def test_who_gives_up_waiting_takes_no_ring_along(queue: Queue) -> None:
    waiting = [asyncio.create_task(queue.take()) for _ in range(3)]
    await asyncio.sleep(0)
    await queue.ring(["resp_1"])
    for task in waiting:
        task.cancel()
    taken = []
    for task in waiting:
        with suppress(asyncio.CancelledError):
            taken.append((await task).response_id)
    if not taken:
        taken.append(await _heard(queue))
    assert taken == ["resp_1"]


@pytest.mark.parametrize("opener", ["memory", *SINGLE], indirect=True)
async def test_who_gave_up_long_ago_takes_no_ring_along(opener: OpenQueue) -> None:
    one, other = await opener(), await opener()
    await one.ring(["resp_1"])
    assert await _heard(one) == "resp_1"  # it is listening
    waiting = asyncio.create_task(one.take())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await other.ring(["resp_2"])
    assert await _heard(other) == "resp_2"


@pytest.mark.parametrize("opener", SINGLE, indirect=True)
async def test_a_worker_takes_no_more_than_it_asked_for(opener: OpenQueue) -> None:
    busy, free = await opener(), await opener()
    await busy.ring(["resp_1", "resp_2", "resp_3"])
    first = await busy.take()
    others = {await _heard(free), await _heard(free)}
    assert {first.response_id, *others} == {"resp_1", "resp_2", "resp_3"}
    await first.acknowledge()
    await free.ring(["resp_4"])
    assert await _heard(free) == "resp_4"


async def test_it_can_be_rung_again_once_heard(queue: Queue) -> None:
    for _ in range(2):
        await queue.ring(["resp_1"])
        assert await _heard(queue) == "resp_1"


async def _listens(queue: Queue) -> None:
    """Return when ``queue`` has heard a ring: on Kafka that takes until the partitions are dealt
    out anew, and a ring in one of its own."""
    hearing = asyncio.create_task(_heard(queue))
    while not hearing.done():
        await queue.ring(["warm"])
        await asyncio.wait([hearing], timeout=0.1)


async def test_of_many_processes_each_ring_is_heard_by_one(opener: OpenQueue) -> None:
    processes = [await opener() for _ in range(2)]
    for process in processes:
        await _listens(process)
    ids = {f"resp_{n}" for n in range(100)}
    heard: list[str] = []
    all_heard = asyncio.Event()

    async def work(process: Queue) -> None:
        while True:
            heard.append(await _heard(process))
            if ids <= set(heard):
                all_heard.set()

    workers = [asyncio.create_task(work(process)) for process in processes]
    await processes[1].ring(sorted(ids))
    await all_heard.wait()
    assert sorted(one for one in heard if one in ids) == sorted(ids)
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)


async def test_it_answers_until_it_is_closed(queue: Queue) -> None:
    await queue.ping()
    waiting = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    await queue.close()
    await queue.close()
    with pytest.raises(Unavailable, match="closed"):
        await waiting
    for call in (queue.take(), queue.ping(), queue.ring(["resp_1"])):
        with pytest.raises(Unavailable, match="closed"):
            await call

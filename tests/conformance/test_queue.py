"""What every queue does: see `tertulia.ports.queue`."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from tertulia.ports.queue import Queue


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


async def test_a_ring_waits_for_a_worker(queue: Queue) -> None:
    await queue.ring(["resp_1"])
    assert await _heard(queue) == "resp_1"


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


async def test_it_can_be_rung_again_once_heard(queue: Queue) -> None:
    for _ in range(2):
        await queue.ring(["resp_1"])
        assert await _heard(queue) == "resp_1"

"""What all workers can do together, as every node knows it."""

from __future__ import annotations

import asyncio

from tests.nodes.conftest import TURNS, Fleet
from tests.nodes.test_together import PERSON, ask
from tests.support.live import Live
from tests.support.readers import until

from tertulia.domain.fleet import Report

THREE = TURNS.model_copy(update={"slots": 3})


def capacity(node: Live) -> int:
    return node.node.services.parts.bounds.capacity


async def test_the_slots_are_those_of_all_workers_that_are_there(fleet: Fleet) -> None:
    api = await fleet.node("api")
    # Nobody is there: as if one were, of the same settings.
    assert capacity(api) == TURNS.slots
    workers = [await fleet.node("worker", turns=THREE) for _ in range(2)]
    async with asyncio.timeout(30):
        await until(lambda: [capacity(n) for n in (api, *workers)] == [6, 6, 6])
        store = api.node.services.parts.store
        await store.enlist(Report("worker_that_dies", 5), 2.0)
        await until(lambda: capacity(api) == 11)
        await until(lambda: capacity(api) == 6)
        first = workers[0].node.worker
        assert first is not None
        await first.stop()
        await until(lambda: capacity(api) == 3)


async def test_an_api_node_knows_how_long_turns_take_elsewhere(fleet: Fleet) -> None:
    api = await fleet.node("api")
    await fleet.node("worker")
    token = await api.register(PERSON)
    parts = api.node.services.parts
    assert parts.bounds.turn_seconds is None
    assert (await ask(api, token, "chunks=3")).status_code == 200
    async with asyncio.timeout(30):
        await until(lambda: parts.bounds.turn_seconds is not None)

"""A cluster whose slots move, and whose servers die, in mid-answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.conformance.backends_redis import prefix_of
from tests.support.frames import last, run
from tests.support.readers import RESPONSE, USER, OpenNode, Patient, everything, seen, writer
from tests.support.services.redis import RedisCluster, RedisServer

from tertulia.adapters.eventlog.redis import RedisEventLog
from tertulia.adapters.redis.slots import slot_of
from tertulia.domain.frame import Frame

FRAMES = [*run(90), last(90)]


@pytest.fixture
def own_cluster(tmp_path: Path) -> Iterator[RedisCluster]:
    """One whose servers the test may stop; each has a replica."""
    cluster = RedisCluster(tmp_path, replicas=True)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


class Slot:
    """The slot of the response, who serves it, and another who could."""

    def __init__(self, cluster: RedisCluster) -> None:
        self.number = slot_of(f"{{{RESPONSE}}}")
        self._cluster = cluster
        self.owner = cluster.primaries[self.number // (16384 // 3 + 1)]
        self.other = next(node for node in cluster.primaries if node is not self.owner)

    @property
    def replica(self) -> RedisServer:
        return self._cluster.replicas[self._cluster.primaries.index(self.owner)]

    def begin_move(self) -> None:
        """From now on a key is here or there."""
        here, there = self.owner.cli("CLUSTER", "MYID"), self.other.cli("CLUSTER", "MYID")
        self.other.cli("CLUSTER", "SETSLOT", str(self.number), "IMPORTING", here)
        self.owner.cli("CLUSTER", "SETSLOT", str(self.number), "MIGRATING", there)

    def move_keys(self) -> None:
        keys = self.owner.cli("CLUSTER", "GETKEYSINSLOT", str(self.number), "100").split()
        to = ["127.0.0.1", str(self.other.port), "", "0", "5000", "KEYS", *keys]
        assert self.owner.cli("MIGRATE", *to) == "OK"

    def end_move(self) -> None:
        there = self.other.cli("CLUSTER", "MYID")
        for node in (self.other, self.owner, *self._cluster.primaries):
            node.cli("CLUSTER", "SETSLOT", str(self.number), "NODE", there)


async def streamed(
    here: RedisEventLog, there: RedisEventLog, *faults: Callable[[], object]
) -> list[Frame]:
    """What a reader of the other node sees, while the faults happen one after the other."""
    reader = Patient(there)
    reading = asyncio.create_task(reader.until_end())
    await here.open(USER, RESPONSE, 1)
    worker = writer(here)
    share = len(FRAMES) // (len(faults) + 1)
    for index, fault in enumerate(faults):
        for frame in FRAMES[index * share : (index + 1) * share]:
            worker.put([frame])
            await asyncio.sleep(0)
        if not index:
            await seen(reader, share)
        await asyncio.to_thread(fault)
    for frame in FRAMES[len(faults) * share :]:
        worker.put([frame])
        await asyncio.sleep(0)
    await worker.drain()
    return await reading


async def test_a_slot_moves_to_another_server(
    open_node: OpenNode, own_cluster: RedisCluster
) -> None:
    """Nothing is refused meanwhile, so a writer need not send anything again."""
    here, there = await open_node(own_cluster.url), await open_node(own_cluster.url)
    slot = Slot(own_cluster)
    reader = Patient(there)
    reading = asyncio.create_task(reader.until_end())
    await here.open(USER, RESPONSE, 1)
    await here.append(USER, RESPONSE, 1, FRAMES[:20])
    await seen(reader, 20)
    at = 20
    for move in (slot.begin_move, slot.move_keys, slot.end_move):
        await asyncio.to_thread(move)
        for frame in FRAMES[at : at + 20]:
            await here.append(USER, RESPONSE, 1, [frame])
        at += 20
    await here.append(USER, RESPONSE, 1, FRAMES[at:])
    assert await reading == FRAMES
    assert await everything(here) == FRAMES


async def test_a_primary_hands_over_to_its_replica(
    open_node: OpenNode, own_cluster: RedisCluster
) -> None:
    here, there = await open_node(own_cluster.url), await open_node(own_cluster.url)
    slot = Slot(own_cluster)
    got = await streamed(here, there, lambda: slot.replica.cli("CLUSTER", "FAILOVER"))
    assert got == FRAMES


async def test_a_primary_dies_and_its_replica_takes_its_place(
    open_node: OpenNode, own_cluster: RedisCluster
) -> None:
    here, there = await open_node(own_cluster.url), await open_node(own_cluster.url)
    assert await streamed(here, there, Slot(own_cluster).owner.kill) == FRAMES
    assert await everything(there) == FRAMES


async def test_the_responses_of_a_node_lie_on_all_servers(
    open_node: OpenNode, redis_cluster: RedisCluster, tmp_path: Path
) -> None:
    log = await open_node(redis_cluster.url)
    names = [f"resp_{n}" for n in range(30)]
    await asyncio.gather(*[log.open(USER, name, 1) for name in names])
    await asyncio.gather(*[log.append(USER, name, 1, [*run(2), last(2)]) for name in names])
    pattern = f"{prefix_of(tmp_path)}:*"
    held = [node.cli("--scan", "--pattern", pattern).split() for node in redis_cluster.primaries]
    assert all(held)
    assert sum(map(len, held)) == 2 * len(names)
    assert await log.purge(-3600.0) == len(names)
    assert not redis_cluster.primaries[0].cli("--scan", "--pattern", pattern)

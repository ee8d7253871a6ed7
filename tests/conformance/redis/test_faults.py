"""Redis that is emptied, restarted, away, full, or taken over by its replica, in mid-answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from tests.support.frames import last, run
from tests.support.readers import (
    RESPONSE,
    USER,
    OpenNode,
    Patient,
    Reader,
    everything,
    patiently,
    seen,
    until,
    writer,
)
from tests.support.services.redis import RedisPair, RedisServer

from tertulia.adapters.eventlog.redis import RedisEventLog
from tertulia.errors import Fenced, PositionLost, Unavailable

END = [*run(60), last(60)]


async def written(log: RedisEventLog, reader: Reader, fault: Callable[[], object]) -> None:
    """Write all frames of `END` as a worker does; ``fault`` happens when half of them are shown."""
    await log.open(USER, RESPONSE, 1)
    worker = writer(log)
    for frame in END[:30]:
        worker.put([frame])
        await asyncio.sleep(0)
    await seen(reader, 30)
    await asyncio.to_thread(fault)
    for frame in END[30:]:
        worker.put([frame])
        await asyncio.sleep(0)
    await worker.drain()


@pytest.mark.parametrize("fault", ["emptied", "restarted", "scripts", "writes cut", "tails cut"])
async def test_every_reader_sees_each_frame_once(
    open_node: OpenNode, own_redis: RedisServer, fault: str
) -> None:
    here, there = await open_node(own_redis.url), await open_node(own_redis.url)
    near, far = Patient(here), Patient(there)
    reading = [asyncio.create_task(r.until_end()) for r in (near, far)]
    faults: dict[str, Callable[[], object]] = {
        "emptied": lambda: own_redis.cli("FLUSHALL"),
        "restarted": own_redis.restart,
        "scripts": lambda: own_redis.cli("SCRIPT", "FLUSH"),
        "writes cut": lambda: own_redis.cli("CLIENT", "KILL", "TYPE", "normal"),
        "tails cut": lambda: own_redis.cli("CLIENT", "KILL", "TYPE", "pubsub"),
    }
    await written(here, far, faults[fault])
    assert [await task for task in reading] == [END, END]
    assert await everything(here) == END


async def test_a_script_that_was_forgotten_is_sent_again_before_what_came_after(
    open_node: OpenNode, own_redis: RedisServer
) -> None:
    log = await open_node(own_redis.url)
    await log.open(USER, RESPONSE, 1)
    own_redis.cli("SCRIPT", "FLUSH")
    under_way = []
    for frame in run(5):
        under_way.append(log.append(USER, RESPONSE, 1, [frame]))
        await asyncio.sleep(0)  # the first is sent, the others wait for it
    await asyncio.gather(*under_way)
    assert await everything(log) == run(5)


async def test_a_replica_that_lacks_the_latest_frames_gets_them_again(
    open_node: OpenNode, redis_pair: RedisPair
) -> None:
    here, there = await open_node(redis_pair.url), await open_node(redis_pair.url)
    reader = Patient(there)
    reading = asyncio.create_task(reader.until_end())
    await here.open(USER, RESPONSE, 1)
    worker = writer(here)
    for frame in END[:20]:
        worker.put([frame])
    await seen(reader, 20)
    # The replica hears no more, and the primary goes on for a while.
    await asyncio.to_thread(lambda: redis_pair.replica.cli("REPLICAOF", "NO", "ONE"))
    for frame in END[20:40]:
        worker.put([frame])
    await seen(reader, 40)
    await asyncio.to_thread(redis_pair.primary.kill)
    for frame in END[40:]:
        worker.put([frame])
    await worker.drain()
    assert await reading == END
    assert await everything(there) == END


async def test_a_log_that_nobody_restores_has_lost_its_position(
    open_node: OpenNode, redis_pair: RedisPair
) -> None:
    log = await open_node(redis_pair.url, patience=0.05)
    reader = Reader(log)
    await log.open(USER, RESPONSE, 1)
    await log.append(USER, RESPONSE, 1, run(2))
    frames = log._place(RESPONSE).frames
    await until(lambda: redis_pair.replica.cli("XLEN", frames) == "1")
    await asyncio.to_thread(lambda: redis_pair.replica.cli("REPLICAOF", "NO", "ONE"))
    await log.append(USER, RESPONSE, 1, run(2, start=2))
    await reader.open()
    assert await reader.look() == run(4)
    await asyncio.to_thread(redis_pair.primary.kill)
    with pytest.raises(PositionLost):
        await patiently(lambda: stirred_look(reader))
    reader.place.close()
    # Its terminal frame does not fit on, and nobody is left who could fill the gap: it is erased.
    with pytest.raises(Fenced) as refused:
        await log.append(USER, RESPONSE, 1, [last(4)])
    assert refused.value.code == "log_lost"
    assert await everything(log) == []


async def stirred_look(reader: Reader) -> None:
    await reader.stirred()
    await reader.look()


async def test_redis_away_is_unavailable_and_then_goes_on(
    open_node: OpenNode, own_redis: RedisServer
) -> None:
    log = await open_node(own_redis.url)
    await log.open(USER, RESPONSE, 1)
    await log.append(USER, RESPONSE, 1, run(2))
    reader = Reader(log)
    await reader.open()
    await asyncio.to_thread(own_redis.stop)
    sent = [log.append(USER, RESPONSE, 1, run(1, start=n)) for n in (2, 3)]
    for each in sent:
        with pytest.raises(Unavailable):
            await each
    for asked in (
        log.open(USER, RESPONSE, 2),
        log.subscribe(USER, "resp_2", None, lambda: None),
        log.drop([RESPONSE]),
        log.purge(0.0),
        log.ping(),
    ):
        with pytest.raises(Unavailable):
            await asked
    await log.signal_cancel(RESPONSE)  # best effort: no error
    assert list(reader.place.take()) == run(2), "what is at hand is shown"
    reader.place.close()
    await asyncio.to_thread(own_redis.start)
    await log.ping()
    assert list(await log.open(USER, RESPONSE, 2)) == []


async def test_a_node_starts_without_redis_and_joins_when_it_comes(
    open_node: OpenNode, own_redis: RedisServer
) -> None:
    await asyncio.to_thread(own_redis.stop)
    log = await open_node(own_redis.url)
    with pytest.raises(Unavailable):
        await log.open(USER, RESPONSE, 1)
    await asyncio.to_thread(own_redis.start)
    await log.open(USER, RESPONSE, 1)
    await log.append(USER, RESPONSE, 1, run(2))
    assert await everything(log) == run(2)


async def test_a_redis_that_hangs_is_given_up_and_found_again(
    open_node: OpenNode, own_redis: RedisServer
) -> None:
    here = await open_node(own_redis.url, within=0.2, quiet=0.1)
    there = await open_node(own_redis.url, within=0.2, quiet=0.1)
    reader = Patient(there)
    reading = asyncio.create_task(reader.until_end())
    await here.open(USER, RESPONSE, 1)
    await here.append(USER, RESPONSE, 1, run(2))
    await seen(reader, 2)
    own_redis.pause()
    with pytest.raises(Unavailable):
        await here.append(USER, RESPONSE, 1, run(2, start=2))
    listener = next(iter(there._channels._listeners.values()))
    await until(lambda: not listener.live)
    own_redis.resume()
    await patiently(lambda: here.append(USER, RESPONSE, 1, [*run(2, start=2), last(4)]))
    assert await reading == [*run(4), last(4)]


async def test_a_log_without_its_frames_is_no_log(
    open_node: OpenNode, own_redis: RedisServer
) -> None:
    """As when a Redis that may evict has thrown one of its keys away."""
    log = await open_node(own_redis.url)
    await log.open(USER, RESPONSE, 1)
    await log.append(USER, RESPONSE, 1, run(3))
    frames = log._place(RESPONSE).frames
    assert own_redis.cli("DEL", frames) == "1"
    with pytest.raises(Fenced) as refused:
        await log.append(USER, RESPONSE, 1, run(1, start=3))
    assert refused.value.code == "log_lost"
    await log.open(USER, RESPONSE, 1)
    await log.append(USER, RESPONSE, 1, run(4))
    assert own_redis.cli("DEL", frames) == "1"
    assert list(await log.open(USER, RESPONSE, 1)) == []
    assert await everything(log) == []


async def test_a_full_redis_is_unavailable(open_node: OpenNode, own_redis: RedisServer) -> None:
    log = await open_node(own_redis.url)
    await log.open(USER, RESPONSE, 1)
    own_redis.cli("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(Unavailable, match="is full"):
        await log.append(USER, RESPONSE, 1, run(2))
    own_redis.cli("CONFIG", "SET", "maxmemory", "0")
    await log.append(USER, RESPONSE, 1, run(2))
    assert await everything(log) == run(2)


async def test_values_of_others_are_shown_to_nobody(
    open_node: OpenNode, own_redis: RedisServer
) -> None:
    """Someone who may write to Redis can break an answer, and not make one up."""
    log = await open_node(own_redis.url)
    await log.open(USER, RESPONSE, 1)
    await log.append(USER, RESPONSE, 1, run(2))
    reader = Reader(log)
    await reader.open()
    await reader.look()
    place = log._place(RESPONSE)
    own_redis.cli("SPUBLISH", place.channel, "0123456789abcdef2:made up")
    own_redis.cli("SPUBLISH", place.channel, "nonsense")
    await reader.stirred()
    assert await reader.look() == []
    reader.place.close()

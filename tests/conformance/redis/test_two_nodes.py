"""What one node writes, another reads: by the stream first, then by the channel."""

from __future__ import annotations

import asyncio
import random

import pytest
from tests.support.frames import last, run
from tests.support.readers import RESPONSE, USER, OpenNode, Reader, everything, seen, until
from tests.support.services.redis import RedisServer

from tertulia.domain.frame import Frame
from tertulia.errors import Fenced, PositionLost

BOTH = pytest.mark.parametrize("server", ["redis_server", "redis_cluster"])


@pytest.fixture
def url(request: pytest.FixtureRequest, server: str) -> str:
    told: str = request.getfixturevalue(server).url
    return told


@BOTH
async def test_the_tail_reaches_another_node(open_node: OpenNode, url: str) -> None:
    here, there = await open_node(url), await open_node(url)
    before, during = Reader(there), Reader(there)
    early = asyncio.create_task(before.until_end())
    await here.open(USER, RESPONSE, 1)
    await here.append(USER, RESPONSE, 1, run(2))
    await seen(before, 2)
    late = asyncio.create_task(during.until_end())
    await seen(during, 2)
    for number in range(2, 40):
        await here.append(USER, RESPONSE, 1, run(1, start=number))
    await here.append(USER, RESPONSE, 1, [last(40)])
    assert await early == await late == [*run(40), last(40)]


@BOTH
async def test_a_log_is_taken_over_by_another_node(open_node: OpenNode, url: str) -> None:
    here, there = await open_node(url), await open_node(url)
    await here.open(USER, RESPONSE, 1)
    reading = asyncio.create_task(Reader(here).until_end())
    sent = [here.append(USER, RESPONSE, 1, [frame]) for frame in run(20)]
    prefix = list(await there.open(USER, RESPONSE, 2))
    late = await asyncio.gather(*sent, return_exceptions=True)
    refused = [error for error in late if isinstance(error, BaseException)]
    assert all(isinstance(error, Fenced) for error in refused)
    assert prefix == run(20 - len(refused)), "all that was not refused, and no more"
    after = prefix[-1].sequence_number if prefix else None
    more = run(3, attempt=2, continues=after)
    end = last(more[-1].sequence_number + 1)
    await there.append(USER, RESPONSE, 2, [*more, end])
    assert await reading == [*prefix, *more, end]


async def test_a_cancellation_reaches_the_node_that_writes(
    open_node: OpenNode, redis_server: RedisServer
) -> None:
    here, there = await open_node(redis_server.url), await open_node(redis_server.url)
    await here.open(USER, RESPONSE, 1)
    await there.signal_cancel(RESPONSE)
    assert (await here.append(USER, RESPONSE, 1, run(1))).cancel_requested


@BOTH
async def test_readers_elsewhere_are_told_of_a_dropped_log(open_node: OpenNode, url: str) -> None:
    here, there = await open_node(url), await open_node(url)
    await here.open(USER, RESPONSE, 1)
    await here.append(USER, RESPONSE, 1, run(3))
    reader = Reader(there)
    await reader.open()
    await reader.look()
    await here.drop([RESPONSE])
    await reader.stirred()
    assert await reader.look() == []
    assert not reader.place.exists
    await here.open(USER, RESPONSE, 2)
    await here.append(USER, RESPONSE, 2, run(1, attempt=2))
    await reader.stirred()
    with pytest.raises(PositionLost):
        await reader.look()


@pytest.mark.parametrize("seed", range(5))
async def test_readers_of_another_node_see_exactly_the_log(
    open_node: OpenNode, redis_server: RedisServer, seed: int
) -> None:
    """Readers come at any time, some far behind a window of a frame or two; connections that
    listen are broken in between."""
    rng = random.Random(seed)
    here = await open_node(redis_server.url)
    there = await open_node(redis_server.url, window_bytes=500)
    await here.open(USER, RESPONSE, 1)
    reading: list[tuple[int | None, asyncio.Task[list[Frame]]]] = []
    written: list[Frame] = []
    for _ in range(80):
        frames = run(rng.randint(1, 4), start=len(written))
        appended = asyncio.ensure_future(here.append(USER, RESPONSE, 1, frames))
        written += frames
        if rng.random() < 0.2:
            await appended
            after = rng.choice([None, *[f.sequence_number for f in written]])
            reader = Reader(there, after, at_once=rng.choice([1, 3, 1024]))
            reading.append((after, asyncio.create_task(reader.until_end())))
        if rng.random() < 0.05:
            await asyncio.to_thread(redis_server.cli, "CLIENT", "KILL", "TYPE", "pubsub")
    written.append(last(len(written)))
    await here.append(USER, RESPONSE, 1, written[-1:])
    for after, task in reading:
        assert await task == written[0 if after is None else after + 1 :]


async def test_a_reader_listens_before_it_reads(
    open_node: OpenNode, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, other = await open_node(redis_server.url), await open_node(redis_server.url)
    assert await everything(log) == []  # all connections are made
    listens, follow = asyncio.Event(), log._channels.follow

    async def late(channel: str) -> None:
        await listens.wait()
        await follow(channel)

    monkeypatch.setattr(log._channels, "follow", late)
    reader = Reader(log)
    joining = asyncio.create_task(reader.open())
    await other.open(USER, RESPONSE, 1)
    for number in range(20):
        await other.append(USER, RESPONSE, 1, run(1, start=number))
    assert not joining.done()
    listens.set()
    await joining
    assert await reader.look() == run(20)
    reader.place.close()


async def test_nothing_is_listened_to_that_nobody_reads(
    open_node: OpenNode, redis_server: RedisServer
) -> None:
    log = await open_node(redis_server.url)
    await log.open(USER, RESPONSE, 1)
    await log.append(USER, RESPONSE, 1, run(3))

    def channels() -> str:
        return redis_server.cli("PUBSUB", "SHARDCHANNELS", f"*{RESPONSE}*")

    reader = Reader(log)
    await reader.open()
    assert channels()
    reader.place.close()
    await until(lambda: not channels())
    assert await everything(log) == run(3)

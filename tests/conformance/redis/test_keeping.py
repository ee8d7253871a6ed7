"""How long logs are kept, how large they become, and what they cost."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.conformance.backends_redis import prefix_of
from tests.support.frames import last, run
from tests.support.readers import RESPONSE, USER, OpenNode, Reader, everything
from tests.support.services.redis import RedisServer

from tertulia.adapters.eventlog.redis import RedisEventLog
from tertulia.domain.frame import Frame
from tertulia.errors import Fenced, TooLarge


def lives(server: RedisServer, log: RedisEventLog) -> list[int]:
    """Seconds until each key of the response is gone, rounded up to tens."""
    keys = log._place(RESPONSE).keys
    return [-(-int(server.cli("PTTL", key)) // 10_000) * 10 for key in keys]


async def test_a_log_expires_by_itself(open_node: OpenNode, redis_server: RedisServer) -> None:
    log = await open_node(redis_server.url, running=500.0, retention=100.0)
    await log.open(USER, RESPONSE, 1)
    assert lives(redis_server, log)[0] == 500
    await log.append(USER, RESPONSE, 1, run(2))
    assert lives(redis_server, log) == [500, 500]
    await log.append(USER, RESPONSE, 1, [last(2)])
    assert lives(redis_server, log) == [100, 100]
    await log.open(USER, RESPONSE, 2)
    assert lives(redis_server, log) == [100, 100], "an ended log is not kept longer"
    assert await log.purge(500.0) == 0
    assert await log.purge(90.0) == 0


async def test_an_expired_log_is_lost_to_its_writer(
    open_node: OpenNode, redis_server: RedisServer
) -> None:
    log = await open_node(redis_server.url)
    await log.open(USER, RESPONSE, 1)
    await log.append(USER, RESPONSE, 1, run(2))
    for key in log._place(RESPONSE).keys:
        redis_server.cli("PEXPIRE", key, "0")
    with pytest.raises(Fenced) as refused:
        await log.append(USER, RESPONSE, 1, run(2, start=2))
    assert refused.value.code == "log_lost"
    assert await everything(log) == []


async def test_an_answer_beyond_all_bounds_is_refused_but_may_end(
    open_node: OpenNode, redis_server: RedisServer
) -> None:
    log = await open_node(redis_server.url, max_bytes=1000)
    await log.open(USER, RESPONSE, 1)
    await log.append(USER, RESPONSE, 1, run(2, text="x" * 400))
    with pytest.raises(TooLarge):
        await log.append(USER, RESPONSE, 1, run(2, start=2, text="x" * 400))
    done = Frame(2, "response.output_text.done", b'{"text":"%b"}' % (b"x" * 800))
    await log.append(USER, RESPONSE, 1, [done])
    await log.append(USER, RESPONSE, 1, [last(3)])
    assert await everything(log) == [*run(2, text="x" * 400), done, last(3)]


async def test_bytes_are_linear_in_the_answer(open_node: OpenNode, own_redis: RedisServer) -> None:
    """In Redis and on the wire to it and from it, with a reader of another node."""
    here, there = await open_node(own_redis.url), await open_node(own_redis.url)
    spent: list[tuple[int, int, int]] = []

    def counted() -> tuple[int, int, int]:
        memory = own_redis.cli("MEMORY", "USAGE", log_frames, "SAMPLES", "0") or "0"
        into, out = (
            own_redis.info("total_net_input_bytes"),
            own_redis.info("total_net_output_bytes"),
        )
        return int(memory), int(into), int(out)

    for length in (250, 500, 1000):
        name = f"resp_{length}"
        log_frames = here._place(name).frames
        await here.open(USER, name, 1)
        reader = Reader(there, response_id=name)
        reading = asyncio.create_task(reader.until_end())
        before = counted()
        for frame in run(length):
            await here.append(USER, name, 1, [frame])
        await here.append(USER, name, 1, [last(length)])
        assert len(await reading) == length + 1
        after = counted()
        spent.append((after[0], after[1] - before[1], after[2] - before[2]))
    for kind in zip(*spent, strict=True):
        small, middle, large = kind
        assert middle < 2.3 * small
        assert large < 2.3 * middle
    memory, into, out = spent[-1]
    # A frame of these is some 40 bytes; sealing, numbers and the packing's header are the rest.
    assert memory < 250 * 1000
    assert into < 600 * 1000
    assert out < 400 * 1000


async def test_a_log_of_one_deployment_is_none_of_another(
    open_node: OpenNode, redis_server: RedisServer, tmp_path: Path
) -> None:
    log = await open_node(redis_server.url)
    await log.open(USER, RESPONSE, 1)
    await log.append(USER, RESPONSE, 1, run(2))
    keys = redis_server.cli("--scan", "--pattern", f"*{RESPONSE}*").split()
    ours = [key for key in keys if key.startswith(prefix_of(tmp_path) + ":")]
    assert len(ours) == 2
    for key in ours:
        assert "word" not in redis_server.cli("DUMP", key), "what was said lies there sealed"

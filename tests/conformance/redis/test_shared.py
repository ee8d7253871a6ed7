"""Limits and hints of several nodes, over a Redis that comes and goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from structlog.testing import capture_logs
from tests.e2e.browser.wire import Wire
from tests.support.readers import until
from tests.support.services.redis import RedisServer

from tertulia.adapters.cache.redis_bus import RedisBus, open_redis_bus
from tertulia.adapters.cache.redis_limiter import RedisLimiter, open_redis_limiter
from tertulia.ports.bus import FEED

DAY = 86_400.0

OpenBus = Callable[[], Awaitable[RedisBus]]


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


@pytest.fixture
def open_bus(stack: AsyncExitStack, own_redis: RedisServer) -> OpenBus:
    async def opened() -> RedisBus:
        bus = await open_redis_bus(own_redis.url)
        stack.push_async_callback(bus.close)
        return bus

    return opened


async def limiter_of(stack: AsyncExitStack, server: RedisServer) -> RedisLimiter:
    limiter = await open_redis_limiter(server.url, retry=0.0)
    stack.push_async_callback(limiter.close)
    return limiter


async def test_a_limit_holds_over_all_nodes(stack: AsyncExitStack, own_redis: RedisServer) -> None:
    one, two = await limiter_of(stack, own_redis), await limiter_of(stack, own_redis)
    assert await one.hit("a", limit=2, seconds=DAY) == 0
    assert await two.hit("a", limit=2, seconds=DAY) == 0
    waits = [await each.hit("a", limit=2, seconds=DAY) for each in (one, two)]
    assert all(DAY / 2 - 60 < wait <= DAY / 2 for wait in waits)
    await one.reset("a")
    assert await two.hit("a", limit=2, seconds=DAY) == 0


async def test_a_lowered_limit_locks_out_for_a_period_at_most(
    stack: AsyncExitStack, own_redis: RedisServer
) -> None:
    limiter = await limiter_of(stack, own_redis)
    for _ in range(10):
        await limiter.hit("a", limit=10, seconds=DAY)
    assert 0 < await limiter.hit("a", limit=1, seconds=60) <= 60


async def test_a_count_is_forgotten_when_it_is_at_rest(
    stack: AsyncExitStack, own_redis: RedisServer
) -> None:
    limiter = await limiter_of(stack, own_redis)
    await limiter.hit("someone@example.org", limit=10, seconds=100)
    (key,) = own_redis.cli("--scan", "--pattern", "tertulia:limit:*").split()
    assert 9_000 < int(own_redis.cli("PTTL", key)) <= 10_000
    assert "someone" not in key
    keys = own_redis.cli("--scan").split()
    assert keys == [key], "trying out whether it may count leaves nothing for long"


async def test_without_redis_each_node_counts_for_itself_and_says_so_once(
    stack: AsyncExitStack, own_redis: RedisServer
) -> None:
    limiter = await limiter_of(stack, own_redis)
    await limiter.hit("a", limit=1, seconds=DAY)
    await asyncio.to_thread(own_redis.stop)
    with capture_logs() as said:
        assert await limiter.hit("a", limit=1, seconds=DAY) == 0, "nobody is locked out"
        assert await limiter.hit("a", limit=1, seconds=DAY) > 0
        await limiter.reset("a")
        assert await limiter.hit("a", limit=1, seconds=DAY) == 0
    assert [line["event"] for line in said] == ["limits_count_per_node"]
    await asyncio.to_thread(own_redis.start)
    with capture_logs() as said:
        assert await limiter.hit("a", limit=1, seconds=DAY) == 0
        assert await limiter.hit("a", limit=1, seconds=DAY) > 0
    assert [line["event"] for line in said] == ["limits_count_over_all_nodes"]


async def test_a_limiter_that_failed_rests_before_it_asks_again(
    stack: AsyncExitStack, own_redis: RedisServer
) -> None:
    now = 0.0
    limiter = await open_redis_limiter(own_redis.url, retry=5.0)
    limiter._clock = lambda: now
    stack.push_async_callback(limiter.close)
    await asyncio.to_thread(own_redis.stop)
    await limiter.hit("a", limit=1, seconds=DAY)
    await asyncio.to_thread(own_redis.start)
    assert await limiter.hit("a", limit=1, seconds=DAY) > 0, "as this node has counted"
    now = 5.0
    assert await limiter.hit("a", limit=1, seconds=DAY) == 0, "as Redis has"


# --- hints -------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["cut", "restarted"])
async def test_listeners_are_told_that_they_may_have_missed_hints(
    open_bus: OpenBus, own_redis: RedisServer, fault: str
) -> None:
    here, there = await open_bus(), await open_bus()
    heard: list[str] = []
    missed: list[bool] = []
    there.listen(lambda _, identifier: heard.append(identifier), lambda: missed.append(True))
    here.publish(FEED, "before")
    await until(lambda: heard == ["before"])
    if fault == "cut":
        await asyncio.to_thread(own_redis.cli, "CLIENT", "KILL", "TYPE", "pubsub")
    else:
        await asyncio.to_thread(own_redis.restart)
    await until(lambda: bool(missed))
    here.publish(FEED, "after")
    await until(lambda: heard[-1] == "after")


async def test_hints_are_lost_without_an_error(open_bus: OpenBus, own_redis: RedisServer) -> None:
    bus = await open_bus()
    heard: list[str] = []
    bus.listen(lambda _, identifier: heard.append(identifier), lambda: None)
    await asyncio.to_thread(own_redis.stop)
    with capture_logs() as said:
        bus.publish(FEED, "user_1")
        await until(lambda: bool(said))
        bus.publish(FEED, "user_2")
    assert heard == ["user_1", "user_2"], "on the same node they are heard all the same"
    assert [line["event"] for line in said] == ["hints_are_lost"]


async def test_a_node_whose_hints_were_lost_says_so_when_it_can(
    stack: AsyncExitStack, open_bus: OpenBus, own_redis: RedisServer
) -> None:
    """The others heard Redis all the while."""
    wire = Wire(own_redis.port)
    stack.callback(wire.close)
    there = await open_bus()
    here = await open_redis_bus(f"redis://127.0.0.1:{wire.port}")
    stack.push_async_callback(here.close)
    heard: list[str] = []
    missed: list[bool] = []
    there.listen(lambda _, identifier: heard.append(identifier), lambda: missed.append(True))
    await asyncio.to_thread(wire.cut)
    with capture_logs() as said:
        here.publish(FEED, "lost")
        await until(lambda: bool(said))
    await asyncio.to_thread(wire.mend)
    while not missed:
        here.publish(FEED, "after")
        await asyncio.sleep(0.01)
    assert "lost" not in heard


async def test_a_bus_that_starts_without_redis_hears_when_it_comes(
    open_bus: OpenBus, own_redis: RedisServer
) -> None:
    await asyncio.to_thread(own_redis.stop)
    early = await open_bus()
    missed: list[bool] = []
    heard: list[str] = []
    early.listen(lambda _, identifier: heard.append(identifier), lambda: missed.append(True))
    await asyncio.to_thread(own_redis.start)
    late = await open_bus()
    await until(lambda: bool(missed))
    late.publish(FEED, "user_1")
    await until(lambda: heard == ["user_1"])


async def test_nonsense_on_the_channel_is_dropped(
    open_bus: OpenBus, own_redis: RedisServer
) -> None:
    bus, other = await open_bus(), await open_bus()
    heard: list[tuple[str, str]] = []
    bus.listen(lambda kind, identifier: heard.append((kind, identifier)), lambda: None)
    for message in ("", "short", "0123456789abcdefnonsense", "0123456789abcdef\n\n x"):
        own_redis.cli("SPUBLISH", "tertulia:{bus}", message)
    other.publish(FEED, "user_1")
    await until(lambda: (FEED, "user_1") in heard)
    assert heard == [(FEED, "user_1")]

"""The limiter of one process: how uses come back with time, and what is forgotten."""

from __future__ import annotations

from tertulia.adapters.cache.limiter import MemoryLimiter


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_uses_come_back_one_by_one() -> None:
    clock = Clock()
    limiter = MemoryLimiter(clock=clock)
    for _ in range(4):
        assert await limiter.hit("a", limit=4, seconds=60.0) == 0
    assert await limiter.hit("a", limit=4, seconds=60.0) == 15.0
    clock.now += 5
    assert await limiter.hit("a", limit=4, seconds=60.0) == 10.0
    clock.now += 10
    assert await limiter.hit("a", limit=4, seconds=60.0) == 0
    assert await limiter.hit("a", limit=4, seconds=60.0) == 15.0
    clock.now += 3600
    for _ in range(4):
        assert await limiter.hit("a", limit=4, seconds=60.0) == 0
    assert await limiter.hit("a", limit=4, seconds=60.0) == 15.0


async def test_a_lowered_limit_locks_nobody_out_for_longer_than_a_period() -> None:
    limiter = MemoryLimiter(clock=Clock())
    for _ in range(1000):
        await limiter.hit("a", limit=1000, seconds=86_400.0)
    assert await limiter.hit("a", limit=1, seconds=60.0) == 60.0


async def test_a_full_limiter_forgets_the_longest_unused() -> None:
    limiter = MemoryLimiter(clock=Clock(), max_keys=2)
    assert await limiter.hit("a", limit=1, seconds=60.0) == 0
    assert await limiter.hit("b", limit=1, seconds=60.0) == 0
    assert await limiter.hit("a", limit=1, seconds=60.0) > 0
    assert await limiter.hit("c", limit=1, seconds=60.0) == 0
    assert await limiter.hit("b", limit=1, seconds=60.0) == 0, "forgotten"

"""What every limiter does: see `tertulia.ports.limiter`."""

from __future__ import annotations

from tertulia.ports.limiter import Limiter

# A period so long that none of it is refilled while a test runs.
DAY = 86_400.0


async def test_the_limit_is_allowed_and_no_more(limiter: Limiter) -> None:
    for _ in range(3):
        assert await limiter.hit("a", limit=3, seconds=DAY) == 0
    wait = await limiter.hit("a", limit=3, seconds=DAY)
    assert 0 < wait <= DAY
    # What was refused was not counted: the wait does not grow.
    assert await limiter.hit("a", limit=3, seconds=DAY) <= wait


async def test_keys_are_apart(limiter: Limiter) -> None:
    assert await limiter.hit("a", limit=1, seconds=DAY) == 0
    assert await limiter.hit("b", limit=1, seconds=DAY) == 0
    assert await limiter.hit("a", limit=1, seconds=DAY) > 0


async def test_a_key_that_is_reset_is_fresh(limiter: Limiter) -> None:
    assert await limiter.hit("a", limit=1, seconds=DAY) == 0
    await limiter.reset("a")
    await limiter.reset("never used")
    assert await limiter.hit("a", limit=1, seconds=DAY) == 0

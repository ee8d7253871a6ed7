"""Rate limits that hold over all nodes, counted in Redis.

The algorithm of `limiter`, as one script, on Redis's own clock: nodes need not agree on the time.
While Redis is away each node counts for itself, so that nobody is locked out by it and a limit
holds at least for each node; one line of the log says so, and one says that it is over. Keys of
Redis are hashes of ours, which may hold addresses.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Any, Final

import structlog

from tertulia.adapters.cache.limiter import MemoryLimiter
from tertulia.adapters.redis.call import Script
from tertulia.adapters.redis.servers import Servers
from tertulia.errors import Unavailable

_log = structlog.get_logger(__name__)

#: KEYS the time at which the key is at rest, in microseconds. ARGV period and cost of one use, in
#: microseconds. Gives the microseconds to wait; 0: it was counted.
_HIT: Final = Script("""
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local period, cost = tonumber(ARGV[1]), tonumber(ARGV[2])
local rested = tonumber(redis.call('GET', KEYS[1]) or '') or now
rested = math.min(math.max(rested, now), now + period)
local wait = rested + cost - period - now
if wait >= 1 then return math.ceil(wait) end
local rest = rested + cost - now
redis.call('SET', KEYS[1], string.format('%.0f', rested + cost), 'PX', math.ceil(rest / 1000))
return 0
""")


class RedisLimiter:
    """A `Limiter`. ``retry``: seconds for which Redis is not asked after it has failed."""

    def __init__(
        self,
        servers: Servers,
        *,
        prefix: str = "tertulia",
        retry: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._servers = servers
        self._prefix = prefix
        self._retry = retry
        self._clock = clock
        self._here = MemoryLimiter(clock=clock)
        #: When Redis is asked again; None: it answers.
        self._again: float | None = None

    async def start(self) -> None:
        """Raises `Misconfigured` or `Unavailable`: see `Servers.start`."""
        await self._servers.start()
        key = self._key("probe")
        await self._servers.try_out(key, [1, key, 1, 1], script=_HIT)

    async def close(self) -> None:
        await self._servers.close()

    async def ping(self) -> None:
        """Raises `Unavailable` while each node counts for itself."""
        await self._servers.ask(self._key("probe"), ["EXISTS", self._key("probe")])

    async def hit(self, key: str, *, limit: int, seconds: float) -> float:
        name = self._key(key)
        period = round(seconds * 1_000_000)
        try:
            wait = await self._ask(name, [1, name, period, period / limit], _HIT)
        except Unavailable:
            return await self._here.hit(key, limit=limit, seconds=seconds)
        return float(wait) / 1_000_000

    async def reset(self, key: str) -> None:
        await self._here.reset(key)
        name = self._key(key)
        try:
            await self._ask(name, ["DEL", name], None)
        except Unavailable:
            return  # the count runs out by itself

    async def _ask(self, name: str, args: list[str | int | float], script: Script | None) -> Any:
        if self._again is not None and self._clock() < self._again:
            raise Unavailable("Redis has just failed")
        try:
            reply = await self._servers.ask(name, args, script=script)
        except Unavailable as error:
            if self._again is None:
                _log.warning("limits_count_per_node", message=error.message)
            self._again = self._clock() + self._retry
            raise
        if self._again is not None:
            self._again = None
            _log.info("limits_count_over_all_nodes")
        return reply

    def _key(self, key: str) -> str:
        digest = hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
        return f"{self._prefix}:limit:{digest}"


async def open_redis_limiter(
    url: str,
    *,
    setting: str = "cache",
    prefix: str = "tertulia",
    within: float = 0.5,
    retry: float = 1.0,
) -> RedisLimiter:
    """A started limiter; one that Redis does not answer now counts by itself until it does.
    ``within``: seconds in which Redis has to answer, since requests wait for it.

    Raises:
        Misconfigured: the URL cannot be used; the message names ``setting`` and no password.
    """
    servers = Servers(url, setting=setting, within=within, connect_within=within)
    limiter = RedisLimiter(servers, prefix=prefix, retry=retry)
    try:
        await limiter.start()
    except Unavailable as error:
        _log.warning("redis_unavailable", setting=setting, message=error.message)
    except BaseException:
        await limiter.close()
        raise
    return limiter

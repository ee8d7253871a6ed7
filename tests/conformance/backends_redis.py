"""What lives in Redis, opened for the suites of the ports.

An opener needs a running server: the fixture it names. Each folder has a key prefix of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import pytest

from tertulia.adapters.cache.redis_bus import open_redis_bus
from tertulia.adapters.cache.redis_limiter import open_redis_limiter
from tertulia.adapters.eventlog.redis import Options, open_redis_log
from tertulia.adapters.keys.file import FileKeys
from tertulia.adapters.sealing import AesGcmCipher
from tertulia.ports.bus import Bus
from tertulia.ports.eventlog import EventLog
from tertulia.ports.limiter import Limiter

T = TypeVar("T")


def prefix_of(folder: Path) -> str:
    return "test-" + hashlib.sha256(str(folder).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class OnRedis(Generic[T]):
    """An opener of the server that the fixture gives."""

    server: str
    open: Callable[..., AbstractAsyncContextManager[T]]
    options: dict[str, Any] = field(default_factory=dict)

    def on(self, request: pytest.FixtureRequest) -> Callable[[Path], Any]:
        url = request.getfixturevalue(self.server).url
        return partial(self.open, url, **self.options)


@asynccontextmanager
async def redis_log(url: str, folder: Path, **options: Any) -> AsyncIterator[EventLog]:
    keys = FileKeys(folder / "keys")
    await keys.start()
    opened = await open_redis_log(
        url, keys, AesGcmCipher(), Options(prefix=prefix_of(folder), **options)
    )
    try:
        yield opened
    finally:
        await opened.close()
        await keys.close()


@asynccontextmanager
async def redis_limiter(url: str, folder: Path) -> AsyncIterator[Limiter]:
    opened = await open_redis_limiter(url, prefix=prefix_of(folder))
    yield opened
    await opened.close()


@asynccontextmanager
async def redis_bus(url: str, folder: Path) -> AsyncIterator[Bus]:
    opened = await open_redis_bus(url, prefix=prefix_of(folder))
    yield opened
    await opened.close()


EVENT_LOGS: dict[str, OnRedis[EventLog]] = {
    "redis": OnRedis("redis_server", redis_log),
    "redis-narrow": OnRedis("redis_server", redis_log, {"window_bytes": 500}),
    "redis-plain-channels": OnRedis("redis_server", redis_log, {"sharded": False}),
    "redis-cluster": OnRedis("redis_cluster", redis_log),
}
LIMITERS: dict[str, OnRedis[Limiter]] = {
    "redis": OnRedis("redis_server", redis_limiter),
    "redis-cluster": OnRedis("redis_cluster", redis_limiter),
}
BUSES: dict[str, OnRedis[Bus]] = {
    "redis": OnRedis("redis_server", redis_bus),
    "redis-cluster": OnRedis("redis_cluster", redis_bus),
}

"""The backends of every port, by name. A new backend is added here and passes the same suite.

An opener takes a folder and gives the opened backend; two of the same folder, one after the
other, are the same data, where the backend outlives its process at all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeAlias, TypeVar

import pytest
from tests.conformance import backends_queue, backends_redis
from tests.support.keys import SERVERS, empty_database, server_keys

from tertulia.adapters.cache.limiter import MemoryLimiter
from tertulia.adapters.cache.memory_bus import MemoryBus
from tertulia.adapters.eventlog.memory import MemoryEventLog
from tertulia.adapters.eventlog.sqlite import SqliteEventLog
from tertulia.adapters.keys.file import FileKeys
from tertulia.adapters.sealing import AesGcmCipher
from tertulia.adapters.store.migrations import prepare_sqlite
from tertulia.adapters.store.sqlite import SqliteEngine
from tertulia.ports.bus import Bus
from tertulia.ports.eventlog import EventLog
from tertulia.ports.keys import Keys
from tertulia.ports.limiter import Limiter

T = TypeVar("T")
Opener: TypeAlias = Callable[[Path], AbstractAsyncContextManager[T]]
Open: TypeAlias = Callable[[], AbstractAsyncContextManager[T]]


@asynccontextmanager
async def file_keys(folder: Path) -> AsyncIterator[FileKeys]:
    keys = FileKeys(folder / "keys")
    await keys.start()
    try:
        yield keys
    finally:
        await keys.close()


@asynccontextmanager
async def sqlite_engine(folder: Path) -> AsyncIterator[SqliteEngine]:
    prepare_sqlite(folder / "tertulia.sqlite3")
    engine = SqliteEngine(folder / "tertulia.sqlite3")
    await engine.start()
    try:
        yield engine
    finally:
        await engine.close()


@asynccontextmanager
async def memory_log(_: Path, *, window_bytes: int) -> AsyncIterator[EventLog]:
    yield MemoryEventLog(window_bytes=window_bytes)


@asynccontextmanager
async def sqlite_log(folder: Path, *, window_bytes: int) -> AsyncIterator[EventLog]:
    async with file_keys(folder) as keys, sqlite_engine(folder) as engine:
        yield SqliteEventLog(engine, keys, AesGcmCipher(), window_bytes=window_bytes)


@asynccontextmanager
async def memory_limiter(_: Path) -> AsyncIterator[Limiter]:
    yield MemoryLimiter()


@asynccontextmanager
async def memory_bus(_: Path) -> AsyncIterator[Bus]:
    yield MemoryBus()


#: A narrow window holds a frame or two, so that readers fall behind it all the time.
WIDE, NARROW = 1 << 20, 500

EVENT_LOGS: dict[str, Opener[EventLog] | backends_redis.OnRedis[EventLog]] = {
    "memory": partial(memory_log, window_bytes=WIDE),
    "memory-narrow": partial(memory_log, window_bytes=NARROW),
    "sqlite": partial(sqlite_log, window_bytes=WIDE),
    "sqlite-narrow": partial(sqlite_log, window_bytes=NARROW),
    **backends_redis.EVENT_LOGS,
}
#: Those that outlive their process.
LASTING_EVENT_LOGS = ("sqlite", "sqlite-narrow", *backends_redis.EVENT_LOGS)
KEYS = ("file", *SERVERS)
LIMITERS: dict[str, Opener[Limiter] | backends_redis.OnRedis[Limiter]] = {
    "memory": memory_limiter,
    **backends_redis.LIMITERS,
}
BUSES: dict[str, Opener[Bus] | backends_redis.OnRedis[Bus]] = {
    "memory": memory_bus,
    **backends_redis.BUSES,
}


def running(
    backends: Mapping[str, Opener[T] | backends_redis.OnRedis[T]], request: pytest.FixtureRequest
) -> Opener[T]:
    """The opener that the test is to use, its service started."""
    opener = backends[request.param]
    return opener.on(request) if isinstance(opener, backends_redis.OnRedis) else opener


@pytest.fixture(params=EVENT_LOGS)
async def log(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[EventLog]:
    async with running(EVENT_LOGS, request)(tmp_path) as opened:
        yield opened


@pytest.fixture(params=LASTING_EVENT_LOGS)
def open_log(request: pytest.FixtureRequest, tmp_path: Path) -> Open[EventLog]:
    """Opens the same log each time, as a process that starts again would."""
    return partial(running(EVENT_LOGS, request), tmp_path)


@pytest.fixture(params=KEYS)
def open_keys(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open[Keys]]:
    """Opens another node of the same keys each time."""
    if request.param == "file":
        yield partial(file_keys, tmp_path)
    else:
        with empty_database(request, request.param) as url:
            yield partial(server_keys, url)


# Queues are opened by several processes at once, and their brokers come and go.
lasting_redis = backends_queue.lasting_redis
opener = backends_queue.opener
queue = backends_queue.queue
house = backends_queue.house
kafka_house = backends_queue.kafka_house
single_house = backends_queue.single_house


@pytest.fixture(params=LIMITERS)
async def limiter(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Limiter]:
    async with running(LIMITERS, request)(tmp_path) as opened:
        yield opened


@pytest.fixture(params=BUSES)
async def bus(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bus]:
    async with running(BUSES, request)(tmp_path) as opened:
        yield opened


@pytest.fixture(params=backends_redis.BUSES)
def open_shared_bus(request: pytest.FixtureRequest, tmp_path: Path) -> Open[Bus]:
    """Opens another node of the same bus each time."""
    return partial(running(BUSES, request), tmp_path)

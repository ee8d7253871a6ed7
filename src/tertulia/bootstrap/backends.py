"""The backends that the settings name. What a backend needs is imported when one is named."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from tertulia.adapters.cache.limiter import MemoryLimiter
from tertulia.adapters.cache.memory_bus import MemoryBus
from tertulia.adapters.eventlog.memory import MemoryEventLog
from tertulia.adapters.eventlog.sqlite import SqliteEventLog
from tertulia.adapters.folder import DataFolder
from tertulia.adapters.keys.opening import open_keys
from tertulia.adapters.keys.wrapped import WrappedKeys
from tertulia.adapters.queue.opening import open_queue
from tertulia.adapters.store.migrations import prepare_sqlite
from tertulia.adapters.store.sqlite import SqliteEngine
from tertulia.errors import Misconfigured
from tertulia.ports.bus import Bus
from tertulia.ports.eventlog import EventLog
from tertulia.ports.keys import Cipher, Keys
from tertulia.ports.limiter import Limiter
from tertulia.ports.queue import Queue
from tertulia.settings import Settings

if TYPE_CHECKING:
    from tertulia.adapters.store.server import ServerEngine

_REDIS: Final = ("redis", "rediss", "redis+cluster", "rediss+cluster")


def prefix(deployment: str) -> str:
    """What the names of everything in a shared service begin with: deployments that share one
    do not meet there."""
    return f"tertulia-{deployment}"


def on_redis(url: str) -> bool:
    return url.partition(":")[0] in _REDIS


def server_engine(settings: Settings) -> ServerEngine:
    """Raises `Misconfigured`: the URL cannot be understood, or its driver is not installed."""
    from tertulia.adapters.store.servers import open_server

    database = settings.database
    return open_server(settings.store, writers=database.writers, readers=database.readers)


def keys_of(settings: Settings, folder: DataFolder, *, store: str | None = None) -> WrappedKeys:
    """Not started; ``store``: the URL of the store instead of the setting's. Raises
    `Misconfigured`: see `open_keys`."""
    master_key = settings.master_key
    return open_keys(
        settings.keys,
        folder.keys,
        master_key=master_key.get_secret_value() if master_key else None,
        master_key_file=settings.master_key_file,
        store=store or settings.store,
    )


async def open_log(
    settings: Settings,
    deployment: str,
    folder: DataFolder,
    keys: Keys,
    cipher: Cipher,
    stack: AsyncExitStack,
) -> EventLog:
    """A log of its own, apart from the store; closed with ``stack``.

    Raises:
        Misconfigured, DataFolderError: see `open_redis_log` and `SqliteEngine.start`.
    """
    if settings.eventlog == "memory":
        return MemoryEventLog()
    if settings.eventlog == "sqlite":
        await asyncio.to_thread(prepare_sqlite, folder.database)
        engine = SqliteEngine(folder.database)
        await engine.start()
        stack.push_async_callback(engine.close)
        return SqliteEventLog(engine, keys, cipher)
    if not on_redis(settings.eventlog):
        raise _unknown("eventlog", settings.eventlog, ("sqlite", "memory", *_REDIS))
    _needs_redis("eventlog")
    from tertulia.adapters.eventlog.redis import Options, open_redis_log

    turns = settings.turns
    options = Options(
        prefix=prefix(deployment),
        retention=turns.log_retention_seconds,
        # As long as its response may run, be taken over and wait for a worker in between.
        running=turns.waiting_seconds + turns.max_crashes * turns.running_seconds,
    )
    log = await open_redis_log(settings.eventlog, keys, cipher, options)
    stack.push_async_callback(log.close)
    return log


async def open_cache(
    settings: Settings, deployment: str, stack: AsyncExitStack
) -> tuple[Bus, Limiter]:
    """What tells the other nodes, and what counts over all of them; closed with ``stack``.

    Raises:
        Misconfigured: the URL cannot be used. A Redis that does not answer is waited for.
    """
    if settings.cache == "memory":
        return MemoryBus(), MemoryLimiter()
    if not on_redis(settings.cache):
        raise _unknown("cache", settings.cache, ("memory", *_REDIS))
    _needs_redis("cache")
    from tertulia.adapters.cache.redis_bus import open_redis_bus
    from tertulia.adapters.cache.redis_limiter import open_redis_limiter

    bus = await open_redis_bus(settings.cache, prefix=prefix(deployment))
    stack.push_async_callback(bus.close)
    limiter = await open_redis_limiter(settings.cache, prefix=prefix(deployment))
    stack.push_async_callback(limiter.close)
    return bus, limiter


async def queue_of(settings: Settings, deployment: str, stack: AsyncExitStack) -> Queue:
    """Closed with ``stack``. Raises `Misconfigured`: see `open_queue`."""
    queue = await open_queue(settings.queue, deployment)
    stack.push_async_callback(queue.close)
    return queue


def _needs_redis(setting: str) -> None:
    if find_spec("hiredis") is None:
        raise Misconfigured(
            f"{setting}: the client for redis is not installed: pip install 'tertulia[redis]'",
            param=setting,
        )


def _unknown(setting: str, url: str, kinds: tuple[str, ...]) -> Misconfigured:
    # Only its scheme is repeated: the rest may hold a password.
    return Misconfigured(
        f"{setting} is set to {url.partition(':')[0]!r}, which is none of {', '.join(kinds)}.",
        param=setting,
    )

"""One node, assembled from the settings: the embedded backends, the worker and the services."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from tertulia.accounts import AccountService
from tertulia.adapters.cache.limiter import MemoryLimiter
from tertulia.adapters.embedding.choice import embedding_of
from tertulia.adapters.eventlog.sqlite import SqliteEventLog
from tertulia.adapters.folder import DataFolder
from tertulia.adapters.keys.file import FileKeys
from tertulia.adapters.model.registry import FOLDER, ModelRegistry
from tertulia.adapters.queue.memory import MemoryQueue
from tertulia.adapters.sealing import AesGcmCipher
from tertulia.adapters.store.migrations import is_prepared, prepare_sqlite
from tertulia.adapters.store.sql import SqlStore
from tertulia.adapters.store.sqlite import SqliteEngine
from tertulia.bootstrap.steering import limits_of, pace_of, timing_of
from tertulia.conversations import ConversationService
from tertulia.errors import Misconfigured
from tertulia.ports.embedding import Embedding
from tertulia.ports.judge import Judge
from tertulia.ports.keys import Cipher
from tertulia.settings import Settings
from tertulia.transports.feed_hub import FeedHub
from tertulia.transports.services import Services
from tertulia.turns.cancel import cancel
from tertulia.turns.parts import Parts
from tertulia.worker import Worker

#: What this release can be told to use, by setting; later backends add their URLs.
EMBEDDED = {
    "store": "sqlite",
    "queue": "memory",
    "eventlog": "sqlite",
    "cache": "memory",
    "keys": "file",
    "moderation": "none",
}


@dataclass(frozen=True, slots=True)
class Storage:
    """What the command line needs as well: accounts without models or workers."""

    folder: DataFolder
    keys: FileKeys
    cipher: Cipher
    engine: SqliteEngine
    log: SqliteEventLog
    store: SqlStore
    feed: FeedHub
    secret: bytes


@dataclass(frozen=True, slots=True)
class Node:
    """A whole node, started."""

    services: Services
    worker: Worker
    models: ModelRegistry
    embedding: Embedding | None


@asynccontextmanager
async def storage(
    settings: Settings,
    *,
    exclusive: bool,
    cipher: Cipher | None = None,
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[Storage]:
    """Open keys, store and log of the data folder; closed again on leaving.

    ``exclusive``: hold the folder's lock, as the one process that serves from it does.

    Raises:
        DataFolderError, Misconfigured: the message says what to do.
    """
    for name, url in EMBEDDED.items():
        if getattr(settings, name) != url:
            raise Misconfigured(
                f"{name} is set to {getattr(settings, name)!r}; this release knows {url!r}."
            )
    folder = DataFolder(settings.data)
    async with AsyncExitStack() as stack:
        if exclusive:
            folder.lock()
            stack.callback(folder.unlock)
        given = settings.secret.get_secret_value() if settings.secret else None
        secret = (given or folder.secret(settings.secret_file)).encode()
        keys = FileKeys(folder.keys)
        await keys.start()
        stack.push_async_callback(keys.close)
        sealing = cipher or AesGcmCipher()
        engine = SqliteEngine(folder.database)
        log = SqliteEventLog(engine, keys, sealing, clock=clock)
        feed = FeedHub()
        store = SqlStore(engine, keys, sealing, clock=clock, journal=log, on_feed=feed.ring)
        await _prepare(folder, exclusive=exclusive)
        await store.start()
        stack.push_async_callback(store.close)
        yield Storage(folder, keys, sealing, engine, log, store, feed, secret)


async def _prepare(folder: DataFolder, *, exclusive: bool) -> None:
    """Bring the database to this release's schema, under the folder's lock. A command that runs
    beside a server finds the work done."""
    if not exclusive:
        if is_prepared(folder.database):
            return
        folder.lock()
    try:
        await asyncio.to_thread(prepare_sqlite, folder.database)
    finally:
        if not exclusive:
            folder.unlock()


@asynccontextmanager
async def node(
    settings: Settings,
    *,
    cipher: Cipher | None = None,
    judge: Judge | None = None,
    draining: Callable[[], bool] = lambda: False,
) -> AsyncIterator[Node]:
    """A node that serves: it takes up at once what an earlier process left unfinished."""
    async with AsyncExitStack() as stack:
        kept = await stack.enter_async_context(storage(settings, exclusive=True, cipher=cipher))
        models = ModelRegistry(settings, scripted_log=kept.folder.path / "scripted-calls.jsonl")
        stack.push_async_callback(models.close)
        queue = MemoryQueue()
        stack.push_async_callback(queue.close)
        parts = Parts(
            store=kept.store,
            log=kept.log,
            queue=queue,
            models=models,
            limits=limits_of(settings),
            timing=timing_of(settings),
            pace=pace_of(settings),
            judge=judge,
        )
        services = await _services(settings, kept, parts, draining)
        stack.callback(services.accounts.close)
        embedding = embedding_of(settings, kept.folder.path / FOLDER)
        if embedding is not None:
            stack.push_async_callback(embedding.close)
            services = replace(services, embedding=embedding)
        if settings.models.scripted:
            services = replace(services, scripted_calls=models.calls)
        worker = Worker(parts)
        await models.start()
        await worker.resume()
        worker.start()
        stack.push_async_callback(worker.stop)
        yield Node(services, worker, models, embedding)


async def _services(
    settings: Settings, kept: Storage, parts: Parts, draining: Callable[[], bool]
) -> Services:
    limiter = MemoryLimiter()
    accounts = AccountService(
        kept.store,
        limiter,
        secret=kept.secret,
        settings=settings,
        on_revoked=kept.feed.recheck,
    )

    async def end(user_id: str, response_id: str) -> None:
        await cancel(parts, user_id, response_id)

    return Services(
        settings=settings,
        parts=parts,
        accounts=accounts,
        conversations=ConversationService(
            kept.store, cancel=end, title_chars=settings.limits.title_chars
        ),
        limiter=limiter,
        feed=kept.feed,
        idempotency_key=await kept.keys.deployment_key("idempotency"),
        draining=draining,
    )

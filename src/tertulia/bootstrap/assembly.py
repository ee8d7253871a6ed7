"""One node, assembled from the settings: backends, services, and the worker where there is one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

from tertulia.accounts import AccountService
from tertulia.adapters.embedding.choice import embedding_of
from tertulia.adapters.model.registry import FOLDER, ModelRegistry
from tertulia.adapters.store.servers import is_server
from tertulia.bootstrap import roles
from tertulia.bootstrap.backends import open_cache, open_log, queue_of
from tertulia.bootstrap.hints import tell_devices, tell_keys, tell_worker
from tertulia.bootstrap.roles import Role
from tertulia.bootstrap.steering import limits_of, pace_of, timing_of
from tertulia.bootstrap.storage import Storage, storage
from tertulia.conversations import ConversationService
from tertulia.errors import Unavailable
from tertulia.ports.embedding import Embedding
from tertulia.ports.judge import Judge
from tertulia.ports.keys import Cipher
from tertulia.ports.limiter import Limiter
from tertulia.ports.model import Models
from tertulia.settings import Settings
from tertulia.transports.feed_hub import FeedHub
from tertulia.transports.services import Probe, Services
from tertulia.turns.cancel import cancel
from tertulia.turns.capacity import Capacity
from tertulia.turns.parts import Parts
from tertulia.turns.upkeep import Upkeep
from tertulia.worker import Worker


@dataclass(frozen=True, slots=True)
class Node:
    """A whole node, started."""

    services: Services
    #: None: an API node, whose responses others run.
    worker: Worker | None
    models: ModelRegistry
    embedding: Embedding | None


@asynccontextmanager
async def node(
    settings: Settings,
    role: Role = "serve",
    *,
    cipher: Cipher | None = None,
    judge: Judge | None = None,
    draining: Callable[[], bool] = lambda: False,
) -> AsyncIterator[Node]:
    """A node at work. One that has its store alone takes up at once what an earlier process left
    unfinished.

    Raises:
        DataFolderError, Misconfigured, Unavailable: the message says what to do.
    """
    roles.check(settings, role)
    async with AsyncExitStack() as stack:
        kept = await stack.enter_async_context(
            storage(settings, exclusive=role == "serve", cipher=cipher)
        )
        models = ModelRegistry(
            settings,
            scripted_log=kept.folder.path / "scripted-calls.jsonl",
            runs=role != "api",
        )
        stack.push_async_callback(models.close)
        parts, limiter, probes = await _parts(settings, role, kept, models, judge, stack)
        services = await _services(settings, kept, parts, limiter, draining)
        services = replace(services, probes=probes)
        stack.callback(services.accounts.close)
        embedding = None
        # Before the devices: who is asked again is asked with what holds now.
        tell_keys(kept.hints.bus, kept.keys)
        if role != "worker":
            looking = tell_devices(kept.hints.bus, services.feed, services.accounts)
            if looking is not None:
                stack.callback(looking.cancel)
            embedding = embedding_of(settings, kept.folder.path / FOLDER)
        if embedding is not None:
            stack.push_async_callback(embedding.close)
            services = replace(services, embedding=embedding)
        if settings.models.scripted:
            services = replace(services, scripted_calls=models.calls)
        await models.start()
        worker = None
        if role == "api":
            upkeep = Upkeep(parts)
            upkeep.start()
            stack.push_async_callback(upkeep.stop)
        else:
            worker = Worker(parts)
            if kept.alone:
                await worker.resume()
            worker.start()
            tell_worker(kept.hints.bus, worker)
            stack.push_async_callback(worker.stop)
        yield Node(services, worker, models, embedding)


async def _parts(
    settings: Settings,
    role: Role,
    kept: Storage,
    models: ModelRegistry,
    judge: Judge | None,
    stack: AsyncExitStack,
) -> tuple[Parts, Limiter, dict[str, Probe]]:
    """The ports, the limiter, and what tells whether they answer."""
    deployment = await kept.store.deployment()
    log = kept.log or await open_log(
        settings, deployment, kept.folder, kept.keys, kept.cipher, stack
    )
    kept.hints.bus, limiter = await open_cache(settings, deployment, stack)
    queue = await queue_of(settings, deployment, stack)
    probes: dict[str, Probe] = {"queue": queue.ping, "models": partial(_answers, models)}
    if is_server(settings.keys):
        probes["keys"] = kept.keys.ping
    for name, part in (("eventlog", log), ("cache", limiter)):
        if hasattr(part, "ping"):
            probes[name] = part.ping
    parts = Parts(
        store=kept.store,
        log=log,
        queue=queue,
        models=models,
        bus=kept.hints.bus,
        limits=limits_of(settings),
        timing=timing_of(settings, role),
        pace=pace_of(settings),
        judge=judge,
        capacity=Capacity(shared=not kept.alone),
    )
    return parts, limiter, probes


async def _answers(models: Models) -> None:
    """Whether the default model does, or may yet come to.

    Raises:
        NotFound: there is none.
        Unavailable: it has failed.
    """
    state = models.get(None, admin=True).state()
    if state.status == "failed":
        raise Unavailable(state.detail or "The default model does not work.", code="model_failed")


async def _services(
    settings: Settings,
    kept: Storage,
    parts: Parts,
    limiter: Limiter,
    draining: Callable[[], bool],
) -> Services:
    accounts = AccountService(
        kept.store,
        limiter,
        secret=kept.secret,
        settings=settings,
        clock=kept.clock,
        on_revoked=kept.hints.revoked,
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
        feed=FeedHub(),
        clock=kept.clock,
        idempotency_key=await kept.keys.deployment_key("idempotency"),
        draining=draining,
    )

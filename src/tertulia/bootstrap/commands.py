"""What the command line does beside serving. Each opens what it needs and closes it again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

from tertulia import telemetry
from tertulia.accounts import AccountService
from tertulia.adapters.cache.limiter import MemoryLimiter
from tertulia.adapters.embedding.catalog import NAMES, minilm_weights
from tertulia.adapters.embedding.choice import embedding_of
from tertulia.adapters.folder import DataFolder
from tertulia.adapters.model.registry import FOLDER, ModelRegistry
from tertulia.bootstrap.backends import open_cache, open_log
from tertulia.bootstrap.storage import Storage, storage
from tertulia.ports.embedding import EmbeddingInfo
from tertulia.ports.model import ModelInfo, ModelState
from tertulia.settings import Settings
from tertulia.turns.remove import Remover


def create_user(settings: Settings, email: str, password: str, admin: bool) -> str:
    """Make an account; works beside a running server. Gives its id."""

    async def run() -> str:
        async with storage(settings, exclusive=False) as kept:
            accounts = _accounts(settings, kept)
            try:
                return (await accounts.create_user(email, password, admin=admin)).id
            finally:
                accounts.close()

    return asyncio.run(run())


def delete_user(settings: Settings, email: str) -> bool:
    """Remove an account with all there is of it; works beside a running server. First finishes
    what an earlier removal has left. False: there is no such account."""

    async def run() -> bool:
        async with AsyncExitStack() as stack:
            kept = await stack.enter_async_context(storage(settings, exclusive=False))
            deployment = await kept.store.deployment()
            log = kept.log or await open_log(
                settings, deployment, kept.folder, kept.keys, kept.cipher, stack
            )
            bus, _ = await open_cache(settings, deployment, stack)
            accounts = _accounts(settings, kept)
            stack.callback(accounts.close)
            remover = Remover(kept.store, log, bus)
            await remover.finish_all()
            user_id = await accounts.id_of(email)
            if user_id is None or not await remover.begin(user_id):
                return False
            await remover.finish(user_id)
            return True

    telemetry.configure(level=settings.log_level, form=settings.log_format)
    return asyncio.run(run())


def create_key(settings: Settings, email: str, name: str) -> str:
    """Make an API key for an account. Gives the key: it is shown this once."""

    async def run() -> str:
        async with storage(settings, exclusive=False) as kept:
            accounts = _accounts(settings, kept)
            try:
                return (await accounts.create_key_for(email, name))[1]
            finally:
                accounts.close()

    return asyncio.run(run())


def _accounts(settings: Settings, kept: Storage) -> AccountService:
    return AccountService(kept.store, MemoryLimiter(), secret=kept.secret, settings=settings)


def migrate(settings: Settings, *, new_secret: bool = False) -> str:
    """Bring the database to this release's schema. Of an embedded one no server may run
    meanwhile; several nodes of a deployment may do so at once. ``new_secret``: forget which
    secret the deployment has, so that its nodes may have another."""
    embedded = settings.store == "sqlite"

    async def run() -> str:
        async with storage(settings, exclusive=embedded, new_secret=new_secret) as kept:
            where = str(kept.folder.database) if embedded else "The store"
            return f"{where} has the schema of this release."

    return asyncio.run(run())


def list_models(settings: Settings) -> Sequence[tuple[ModelInfo | EmbeddingInfo, ModelState]]:
    """The models an admin would be offered, looked for now, and how each of them stands; the
    embedding model last."""

    async def run() -> Sequence[tuple[ModelInfo | EmbeddingInfo, ModelState]]:
        registry = ModelRegistry(settings)
        embedding = embedding_of(settings, settings.data / FOLDER)
        found: list[tuple[ModelInfo | EmbeddingInfo, ModelState]] = []
        try:
            await registry.refresh()
            found += [(model.info, model.state()) for model in registry.list(admin=True)]
            if embedding is not None:
                found.append((embedding.info, embedding.state()))
            return found
        finally:
            await registry.close()
            if embedding is not None:
                await embedding.close()

    return asyncio.run(run())


def openapi() -> dict[str, Any]:
    """The OpenAPI document, as a server serves it; nothing is opened for it."""
    from tertulia.transports.app import create_app
    from tertulia.transports.services import Services

    settings = Settings()
    parts: Any = None  # no request is ever made of this application
    services = Services(
        settings=settings,
        parts=parts,
        accounts=parts,
        conversations=parts,
        limiter=parts,
        idempotency_key=b"",
    )
    return create_app(services).openapi()


def pull_model(settings: Settings, ref: str) -> None:
    """Fetch weights into the data folder, with a progress bar on a terminal."""
    from tertulia.adapters.model.pull import pull
    from tertulia.adapters.model.weights import parse
    from tertulia.bootstrap.bar import bar

    folder = DataFolder(settings.data).path / FOLDER
    weights = minilm_weights(folder) if ref in NAMES else parse(ref, folder)
    with bar(ref) as progress:
        path = asyncio.run(pull(weights, progress))
    print(f"{path}")  # noqa: T201 - the command's answer

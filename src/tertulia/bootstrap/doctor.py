"""``tertulia doctor``: whether everything is there and works, without starting a server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any, Final, TypeAlias

from tertulia.adapters.embedding.choice import embedding_of
from tertulia.adapters.folder import DataFolder
from tertulia.adapters.model.local import LocalModel
from tertulia.adapters.model.registry import FOLDER, ModelRegistry
from tertulia.bootstrap.backends import open_cache, open_log, queue_of
from tertulia.bootstrap.storage import Storage, storage
from tertulia.errors import Misconfigured, TertuliaError
from tertulia.settings import Settings

#: Gives what can be pinged.
Open: TypeAlias = Callable[[Settings, Storage, AsyncExitStack], Awaitable[Any]]

#: Backends that are there as long as the process is.
_EMBEDDED: Final = ("sqlite", "memory")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing ``tertulia doctor`` looked at; ``detail`` names the remedy when it is not ok."""

    name: str
    ok: bool
    detail: str


def doctor(settings: Settings) -> list[Check]:
    """Look at everything a server needs, without starting one."""
    shared = [
        _check(name, partial(_answers, settings, open_part))
        for name, open_part in (("queue", _queue), ("eventlog", _log), ("cache", _cache))
        if getattr(settings, name) not in _EMBEDDED
    ]
    return [
        _check("data folder", lambda: f"{DataFolder(settings.data).path} can be written to"),
        _check("database", lambda: _database(settings)),
        *shared,
        _check("model", lambda: _default_model(settings)),
        _check("embedding", lambda: _embedding(settings)),
        _check("web client", _web_client),
    ]


def _check(name: str, look: object) -> Check:
    try:
        return Check(name, True, look())  # type: ignore[operator]
    except TertuliaError as error:
        return Check(name, False, error.message)


def _database(settings: Settings) -> str:
    async def run() -> str:
        async with storage(settings, exclusive=False) as kept:
            await kept.store.ping()
            where = kept.folder.database if settings.store == "sqlite" else "the store"
            return f"{where} answers, keys can be read"

    return asyncio.run(run())


def _answers(settings: Settings, open_part: Open) -> str:
    async def run() -> str:
        async with storage(settings, exclusive=False) as kept, AsyncExitStack() as stack:
            part = await open_part(settings, kept, stack)
            await part.ping()
            return "it answers"

    return asyncio.run(run())


async def _queue(settings: Settings, kept: Storage, stack: AsyncExitStack) -> Any:
    return await queue_of(settings, await kept.store.deployment(), stack)


async def _log(settings: Settings, kept: Storage, stack: AsyncExitStack) -> Any:
    deployment = await kept.store.deployment()
    return await open_log(settings, deployment, kept.folder, kept.keys, kept.cipher, stack)


async def _cache(settings: Settings, kept: Storage, stack: AsyncExitStack) -> Any:
    _, limiter = await open_cache(settings, await kept.store.deployment(), stack)
    return limiter


def _default_model(settings: Settings) -> str:
    registry = ModelRegistry(settings)
    model = registry.get(None)
    state = model.state()
    if isinstance(model, LocalModel) and state.status != "failed":
        try:
            import_module("xllamacpp")
        except (ImportError, OSError) as error:
            raise Misconfigured(
                f"the runtime of {model.info.id} cannot be loaded ({error}); on Debian "
                "`apt install libgomp1` brings what it most often lacks"
            ) from error
    if state.status == "failed":
        raise TertuliaError(state.detail or f"{model.info.id} does not work")
    return f"{model.info.id} is {state.status}" + (f" ({state.detail})" if state.detail else "")


def _embedding(settings: Settings) -> str:
    embedding = embedding_of(settings, settings.data / FOLDER)
    if embedding is None:
        return "none is set"
    # Where it cannot run, all else does: a server that only relays is well without it.
    state = embedding.state()
    return f"{embedding.info.id} is {state.status}" + (f" ({state.detail})" if state.detail else "")


def _web_client() -> str:
    from tertulia.transports.services import built_web_client

    page = built_web_client() / "index.html"
    if not page.exists():
        raise TertuliaError("it is not built: run `make setup` in the checkout")
    return "built"

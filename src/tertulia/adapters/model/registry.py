"""All models that this process can reach, put together from the settings."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tertulia.adapters.model.discovery import (
    USUAL,
    Server,
    Usual,
    configured,
    from_environment,
    on_this_machine,
)
from tertulia.adapters.model.local import LocalModel, installed
from tertulia.adapters.model.openai import OpenAIModel
from tertulia.adapters.model.scripted import ScriptedModel
from tertulia.adapters.model.scripted_calls import CallLog, CallRecord
from tertulia.adapters.model.scripted_rules import parse_id
from tertulia.adapters.model.weights import parse
from tertulia.errors import NotFound, TertuliaError
from tertulia.ports.model import Model
from tertulia.settings import Settings

#: How often (seconds) servers are asked again: one may have been started meanwhile.
_REFRESH_SECONDS = 60.0

#: Where weights are kept in the data folder.
FOLDER = "models"


class ModelRegistry:
    """Implements the port `Models`.

    A server's model has the id it has there, or ``<server>/<id>`` where another model is called
    so already. The default is the one the settings name, else the local model, else the first
    of a configured server, else the scripted one; never one that is only for admins.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        scripted_log: Path | None = None,
        usual: Sequence[Usual] = USUAL,
        runs: bool = True,
    ) -> None:
        """``scripted_log``: a file in which the scripted model's calls outlive the process.
        ``runs``: whether this process lets models answer; one that only names them loads none.

        Raises:
            Misconfigured: ``models.local`` is no reference to weights.
        """
        self._settings = settings.models
        self._calls = CallLog(scripted_log) if self._settings.scripted else None
        self._runs = runs
        self._local = self._make_local(settings.data / FOLDER)
        self._configured = [configured(s, self._settings) for s in self._settings.servers]
        self._found: list[Server] = []
        environment = from_environment(self._settings)
        if environment is not None:
            self._found.append(environment)
        if self._settings.discover:
            self._found += on_this_machine(self._settings, usual, own_port=settings.port)
        self._tasks: list[asyncio.Task[None]] = []
        self._models = self._put_together()

    def get(self, model_id: str | None, *, admin: bool = False) -> Model:
        wanted = model_id if model_id is not None else self.default_id()
        model = self._models.get(wanted)
        if model is None and self._calls is not None and parse_id(wanted) is not None:
            return ScriptedModel(wanted, self._calls)
        if model is None or (model.info.admin_only and not admin):
            raise NotFound(
                f"The model {wanted!r} does not exist.", code="model_not_found", param="model"
            )
        return model

    def list(self, *, admin: bool) -> Sequence[Model]:
        offered = [m for m in self._models.values() if admin or not m.info.admin_only]
        with contextlib.suppress(NotFound):
            first = self.default_id()
            offered.sort(key=lambda m: m.info.id != first)
        return offered

    def default_id(self) -> str:
        """Raises NotFound if there is none."""
        if self._settings.default is not None:
            return self._settings.default
        for model in self._models.values():
            if not model.info.admin_only:
                return model.info.id
        raise NotFound(
            "There is no model yet: set models.local or models.servers.",
            code="model_not_found",
            param="model",
        )

    def calls(self) -> Sequence[CallRecord]:
        """The scripted model's calls, oldest first; for diagnostics and tests."""
        return self._calls.calls() if self._calls is not None else ()

    async def start(self) -> None:
        local = self._local if self._runs else None
        if local is not None and self.default_id() == local.info.id:
            self._tasks.append(asyncio.create_task(_load(local)))
        if self._asked():
            self._tasks.append(asyncio.create_task(self._keep_fresh()))

    async def refresh(self) -> None:
        """Ask all servers for their models now."""
        await asyncio.gather(*(server.refresh() for server in self._asked()))
        self._models = self._put_together()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        if self._local is not None:
            await self._local.close()
        for server in (*self._configured, *self._found):
            await server.client.close()

    async def _keep_fresh(self) -> None:
        while True:
            await self.refresh()
            await asyncio.sleep(_REFRESH_SECONDS)

    def _asked(self) -> Sequence[Server]:
        """Servers whose list decides what is offered, or tells windows that we lack."""
        return [
            s for s in (*self._configured, *self._found) if s.wanted is None or s.window is None
        ]

    def _make_local(self, folder: Path) -> LocalModel | None:
        settings = self._settings
        others = bool(settings.servers) or settings.scripted
        # Where it cannot run it is offered only if there is nothing else: to say why.
        if settings.local is None or (self._runs and others and not installed()):
            return None
        return LocalModel(
            parse(settings.local, folder),
            threads=settings.threads,
            parallel=settings.parallel,
            first_chunk_seconds=settings.first_chunk_seconds,
            chunk_seconds=settings.chunk_seconds,
            runs=self._runs,
        )

    def _put_together(self) -> dict[str, Model]:
        """In the order in which the default is chosen."""
        models: dict[str, Model] = {}
        if self._local is not None:
            models[self._local.info.id] = self._local
        self._add_servers(models, self._configured)
        if self._calls is not None:
            models["scripted"] = ScriptedModel("scripted", self._calls)
        self._add_servers(models, self._found)
        return models

    def _add_servers(self, models: dict[str, Model], servers: Sequence[Server]) -> None:
        for server in servers:
            for upstream, info in server.infos():
                model_id = upstream if upstream not in models else f"{server.name}/{upstream}"
                models[model_id] = OpenAIModel(server.client, replace(info, id=model_id), upstream)


async def _load(model: LocalModel) -> None:
    """Begin early; what goes wrong is in the model's state and is raised to whoever asks it."""
    with contextlib.suppress(TertuliaError):
        await model.ready()

"""All models that this process can reach, put together from the settings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...errors import NotFound
from ...ports.model import Model
from .scripted import ScriptedModel
from .scripted_calls import CallLog, CallRecord
from .scripted_rules import parse_id


class ModelRegistry:
    """Implements the port `Models`. ``settings`` is the part ``models`` of the settings."""

    def __init__(self, settings: Any, data: Path, *, scripted_log: Path | None = None) -> None:
        self._settings = settings
        self._models: dict[str, Model] = {}
        self._calls = CallLog(scripted_log) if settings.scripted else None
        if self._calls is not None:
            self._add(ScriptedModel("scripted", self._calls))

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
        first = self.default_id()
        offered = [m for m in self._models.values() if admin or not m.info.admin_only]
        return sorted(offered, key=lambda m: m.info.id != first)

    def default_id(self) -> str:
        if self._settings.default:
            return str(self._settings.default)
        return next(iter(self._models))

    def calls(self) -> Sequence[CallRecord]:
        """The scripted model's calls, oldest first; for diagnostics and tests."""
        return self._calls.calls() if self._calls is not None else ()

    async def start(self) -> None:
        return None

    async def close(self) -> None:
        return None

    def _add(self, model: Model) -> None:
        self._models[model.info.id] = model

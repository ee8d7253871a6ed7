"""A model that says what a test gives it, for what no real server says on demand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from tests.turns.house import House, folded

from tertulia.domain.response import Request
from tertulia.ports.model import Call, Chunk
from tertulia.ports.turns import Node


class Speaking:
    """The house's models, but what they say is given, and they may take their time to load."""

    def __init__(self, house: House, *batches: Sequence[Chunk], loaded: bool = True) -> None:
        self._models = house.parts.models
        self._batches = batches
        self.asked = asyncio.Event()
        self.loaded = asyncio.Event()
        if loaded:
            self.loaded.set()

    def get(self, model_id: str | None, *, admin: bool = False) -> Any:
        self._model = self._models.get(model_id, admin=admin)
        self.info = self._model.info
        return self

    def schema_obstacle(self, _schema: Any, *, strict: bool) -> str | None:
        assert strict in (True, False)
        return None

    def count_tokens(self, text: str) -> int:
        return self._model.count_tokens(text)

    async def ready(self) -> None:
        self.asked.set()
        await self.loaded.wait()

    async def generate(self, call: Call) -> AsyncGenerator[Sequence[Chunk], None]:
        for batch in self._batches:
            yield batch


async def answered(house: House, *batches: Sequence[Chunk], **asked: Any) -> Node:
    """The stored end of a turn in which the model says ``batches``; ``asked`` is its request."""
    speaking = house.with_(models=Speaking(house, *batches))
    worker = speaking.work()
    response = await speaking.say("go", request=Request(model="scripted", **asked))
    frames = await speaking.read(response.id)
    await worker.stop()
    node = await house.node(response.id)
    assert folded(frames).output() == node.output
    return node


async def ended_with(
    house: House, *batches: Sequence[Chunk], **asked: Any
) -> tuple[str, str | None, str]:
    """Status, reason or error code, and text."""
    node = await answered(house, *batches, **asked)
    row = node.response
    why = row.incomplete_reason or (row.error.code if row.error else None)
    return row.status, why, await house.text(row.id)

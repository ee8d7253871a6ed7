"""Models behind any server that speaks OpenAI's ``/chat/completions``."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from tertulia.adapters.model.openai_client import ChatClient
from tertulia.adapters.model.tokens import estimate_tokens
from tertulia.ports.model import Call, Chunk, ModelInfo, ModelState


class OpenAIModel:
    """One model of a server. ``upstream``: its id there; ours may carry the server's name."""

    def __init__(self, client: ChatClient, info: ModelInfo, upstream: str) -> None:
        self.info = info
        self._client = client
        self._upstream = upstream

    def state(self) -> ModelState:
        return ModelState("ready")

    async def ready(self) -> None:
        return None

    def schema_obstacle(self, schema: Mapping[str, Any], *, strict: bool) -> str | None:  # noqa: ARG002
        return None  # the server says so when it is asked

    def count_tokens(self, text: str) -> int:
        return estimate_tokens(text)

    def generate(self, call: Call) -> AsyncGenerator[Sequence[Chunk], None]:
        return self._client.chat(call, self._upstream)

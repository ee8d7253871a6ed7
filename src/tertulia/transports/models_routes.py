"""``/v1/models``: what the caller may talk to or embed with, what it can, and how it stands.

The official SDKs read ``id``, ``object``, ``created`` and ``owned_by``; the rest is ours.
"""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from tertulia.ports.embedding import Embedding
from tertulia.ports.model import Model, ModelState, StateName
from tertulia.transports.auth import Caller
from tertulia.transports.errors import documented
from tertulia.transports.reply import reply
from tertulia.transports.services import services_of

router = APIRouter(tags=["models"])


class Capabilities(BaseModel):
    tools: bool
    images: bool
    json_schema: bool
    prefill: bool = Field(
        description="It continues a last assistant message as the beginning of its own answer."
    )


class Pricing(BaseModel):
    """In millionths of the currency unit a token; 0 where nothing is charged or known."""

    input: float
    output: float


class State(BaseModel):
    status: StateName
    progress: float | None
    detail: str | None


class ModelResource(BaseModel):
    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    name: str
    type: Literal["chat", "embedding"]
    default: bool
    capable: bool = Field(description="Good enough for titles, summaries and facts.")
    context_window: int | None = Field(
        description="Tokens; of an embedding model, those of one text. Null: only its server knows."
    )
    max_output_tokens: int | None = Field(
        description="Of one answer whose request sets no bound; null: what the window leaves."
    )
    dimensions: int | None = Field(
        description="Numbers in a vector; null for chat, and before a server's first vector."
    )
    capabilities: Capabilities
    pricing: Pricing
    state: State


class ModelList(BaseModel):
    object: Literal["list"]
    data: list[ModelResource]


@router.get("/v1/models", response_model=ModelList, responses=documented(401))
async def list_models(request: Request, caller: Caller) -> Response:
    """All models, the default first and the embedding model last."""
    services = services_of(request)
    models = services.parts.models
    offered = models.list(admin=caller.admin)
    default = models.default_id() if offered else ""
    found = [_chat(each, default) for each in offered]
    if services.embedding is not None:
        found.append(_embedding(services.embedding))
    return reply({"object": "list", "data": found})


@router.get(
    "/v1/models/{model_id:path}", response_model=ModelResource, responses=documented(401, 404)
)
async def retrieve_model(request: Request, caller: Caller, model_id: str) -> Response:
    """One model."""
    services = services_of(request)
    embedding = services.embedding
    if embedding is not None and model_id == embedding.info.id:
        return reply(_embedding(embedding))
    models = services.parts.models
    model = models.get(model_id, admin=caller.admin)
    return reply(_chat(model, models.default_id()))


def _chat(model: Model, default: str) -> dict[str, Any]:
    info = model.info
    return {
        "id": info.id,
        "object": "model",
        "created": info.created,
        "owned_by": info.owned_by,
        "name": info.name,
        "type": "chat",
        "default": info.id == default,
        "capable": info.capable,
        "context_window": info.context_window,
        "max_output_tokens": info.max_output_tokens,
        "dimensions": None,
        "capabilities": {
            "tools": info.tools,
            "images": info.images,
            "json_schema": info.json_schema,
            "prefill": info.prefill,
        },
        "pricing": {"input": info.price_in, "output": info.price_out},
        "state": _state(model.state()),
    }


def _embedding(embedding: Embedding) -> dict[str, Any]:
    info = embedding.info
    return {
        "id": info.id,
        "object": "model",
        "created": info.created,
        "owned_by": info.owned_by,
        "name": info.name,
        "type": "embedding",
        "default": False,
        "capable": False,
        "context_window": info.context_window,
        "max_output_tokens": None,
        "dimensions": info.dimensions,
        "capabilities": dict.fromkeys(("tools", "images", "json_schema", "prefill"), False),
        "pricing": {"input": 0.0, "output": 0.0},
        "state": _state(embedding.state()),
    }


def _state(state: ModelState) -> dict[str, Any]:
    return {"status": state.status, "progress": state.progress, "detail": state.detail}

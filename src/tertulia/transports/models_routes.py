"""``/v1/models``: what the caller may talk to, and how it stands."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from tertulia.ports.model import Model, StateName
from tertulia.transports.auth import Caller
from tertulia.transports.errors import documented
from tertulia.transports.reply import reply
from tertulia.transports.services import services_of

router = APIRouter(tags=["models"])


class Capabilities(BaseModel):
    tools: bool
    images: bool
    json_schema: bool
    prefill: bool


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
    default: bool
    capable: bool
    context_window: int
    capabilities: Capabilities
    state: State


class ModelList(BaseModel):
    object: Literal["list"]
    data: list[ModelResource]


@router.get("/v1/models", response_model=ModelList, responses=documented(401))
async def list_models(request: Request, caller: Caller) -> Response:
    """All models, the default first."""
    models = services_of(request).parts.models
    offered = models.list(admin=caller.admin)
    default = models.default_id() if offered else ""
    return reply({"object": "list", "data": [_resource(each, default) for each in offered]})


@router.get(
    "/v1/models/{model_id:path}", response_model=ModelResource, responses=documented(401, 404)
)
async def retrieve_model(request: Request, caller: Caller, model_id: str) -> Response:
    """One model."""
    models = services_of(request).parts.models
    model = models.get(model_id, admin=caller.admin)
    return reply(_resource(model, models.default_id()))


def _resource(model: Model, default: str) -> dict[str, Any]:
    info, state = model.info, model.state()
    return {
        "id": info.id,
        "object": "model",
        "created": info.created,
        "owned_by": info.owned_by,
        "name": info.name,
        "default": info.id == default,
        "capable": info.capable,
        "context_window": info.context_window,
        "capabilities": {
            "tools": info.tools,
            "images": info.images,
            "json_schema": info.json_schema,
            "prefill": info.prefill,
        },
        "state": {"status": state.status, "progress": state.progress, "detail": state.detail},
    }

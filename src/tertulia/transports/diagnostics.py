"""``/v1/diagnostics``: what tests and operators may look at; offered to admins only."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from tertulia.errors import Forbidden, NotFound
from tertulia.transports.auth import Caller
from tertulia.transports.errors import documented
from tertulia.transports.reply import reply
from tertulia.transports.services import services_of

router = APIRouter(prefix="/v1/diagnostics", tags=["Diagnostics"])


class ScriptedCalls(BaseModel):
    object: Literal["list"]
    data: list[dict[str, Any]]


@router.get("/scripted", response_model=ScriptedCalls, responses=documented(401, 403, 404))
async def scripted(request: Request, caller: Caller) -> Response:
    """The scripted model's calls, oldest first: which call wrote which words of which answer."""
    if not caller.admin:
        raise Forbidden("Only admins may see this.")
    services = services_of(request)
    calls = services.scripted_calls
    if calls is None or not services.settings.models.scripted:
        raise NotFound("The scripted model is not offered here.")
    return reply({"object": "list", "data": list(calls())})

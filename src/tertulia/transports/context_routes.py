"""What a request would send to its model, in tokens, and what a response did send, and why.

``input_tokens`` is OpenAI's, as the official SDK calls it; the context of a response is ours.
"""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from tertulia.errors import InvalidInput
from tertulia.transports import responses_schema as schema
from tertulia.transports import wire
from tertulia.transports.auth import Caller
from tertulia.transports.body import read_json
from tertulia.transports.errors import documented
from tertulia.transports.reply import reply
from tertulia.transports.responses import no_response
from tertulia.transports.services import services_of
from tertulia.turns.count import count_input
from tertulia.turns.explain import Explained, Kind, Line, Reason, Source, explain

router = APIRouter(prefix="/v1/responses", tags=["Responses"])


class InputTokens(BaseModel):
    object: Literal["response.input_tokens"]
    input_tokens: int


class ItemOrigin(BaseModel):
    id: str
    response_id: str


class ContextLine(BaseModel):
    kind: Kind = Field(description="`memory` and `summary` are kept for later versions.")
    source: Source = Field(
        description="`request`, or the `model`'s own; `history`: earlier responses; `input`: this "
        "response's; `answer`: what earlier attempts had written; `server`: the words that ask a "
        "model to go on."
    )
    items: list[ItemOrigin] = Field(
        description="What it was made of: several where a continued answer was sent as one message."
    )
    type: str | None
    role: str | None
    tokens: int | None = Field(
        description="As they are counted now; null where the model is no longer there."
    )
    included: bool
    reason: Reason | None = Field(
        description="Why it was left out. `budget`: it did not fit; `unpaired`: a call without its "
        "output, or the reverse; `not_for_models`: reasoning, a call that was cut off, nothing at "
        "all; `context_length_exceeded`: nothing was sent, because all of it was too long."
    )
    text: str | None = Field(description="As it was sent; null for what was left out.")
    images: int
    score: float | None


class ContextResource(BaseModel):
    object: Literal["response.context"]
    response_id: str
    model: str
    recorded: bool = Field(
        description="True: this was sent. False: no call was made yet, or no call at all, or the "
        "server died before it could be noted; this is what would be sent now."
    )
    attempt: int | None = Field(description="The attempt that sent it, the last one that did.")
    truncation: Literal["auto", "disabled"]
    context_window: int
    reserved_output_tokens: int = Field(description="Kept free for the answer.")
    input_tokens: int = Field(
        description="Of all that was sent, estimated when it was; or of what was too long to be."
    )
    left_out_tokens: int = Field(description="Of past turns that did not fit.")
    data: list[ContextLine]


@router.post(
    "/input_tokens",
    response_model=InputTokens,
    responses=documented(400, 401, 404, 413),
    openapi_extra={"requestBody": schema.CREATE["requestBody"]},
)
async def input_tokens(request: Request, caller: Caller) -> Response:
    """Count what a request would send to its model.

    Takes what creating a response takes, and makes nothing. With `truncation` `auto` it counts what
    would be left of the conversation, else all of it.
    """
    services = services_of(request)
    body = await read_json(request)
    if not isinstance(body, dict):
        raise InvalidInput("The body must be a JSON object.", code="invalid_type")
    ask = wire.parse_create(body, services.settings.limits).ask
    counted = await count_input(services.parts, caller, ask)
    return reply({"object": "response.input_tokens", "input_tokens": counted})


@router.get(
    "/{response_id}/context", response_model=ContextResource, responses=documented(401, 404)
)
async def context(request: Request, caller: Caller, response_id: str) -> Response:
    """What the model was sent for this response, and why: every item with its tokens, and what was
    left out."""
    parts = services_of(request).parts
    node = await parts.store.get(caller.user_id, response_id)
    if not node.response.store:
        raise no_response(response_id)
    return reply(_resource(await explain(parts, caller.user_id, response_id)))


def _resource(found: Explained) -> dict[str, Any]:
    sent, made = found.sent, found.plan
    return {
        "object": "response.context",
        "response_id": found.response.id,
        "model": found.response.request.model,
        "recorded": sent is not None,
        "attempt": sent.attempt if sent is not None else None,
        "truncation": found.response.request.truncation,
        "context_window": made.window,
        "reserved_output_tokens": made.reserve,
        "input_tokens": made.whole if found.refused else made.tokens,
        "left_out_tokens": _left_out(found),
        "data": [_line(line) for line in found.lines],
    }


def _left_out(found: Explained) -> int:
    if found.sent is not None:
        return found.sent.left_out
    return 0 if found.refused else found.plan.whole - found.plan.tokens


def _line(line: Line) -> dict[str, Any]:
    return {
        "kind": line.kind,
        "source": line.source,
        "items": [{"id": one.item_id, "response_id": one.response_id} for one in line.origins],
        "type": line.type,
        "role": line.role,
        "tokens": line.tokens,
        "included": line.included,
        "reason": line.reason,
        "text": line.text,
        "images": line.images,
        "score": line.score,
    }

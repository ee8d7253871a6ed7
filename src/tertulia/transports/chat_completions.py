"""``POST /v1/chat/completions``: for every client made for OpenAI's older API.

A chat completion is a response that is stored nowhere: it belongs to its request, joins no
conversation, and is erased when its answer was read. It runs through the same pipeline, so it
outlives its worker; one whose only reader has left is cancelled after `Timing.abandoned`.
"""

from __future__ import annotations

import dataclasses

from fastapi import APIRouter, Request
from starlette.responses import Response as HttpResponse
from starlette.types import Receive

from tertulia.domain.frame import Frame
from tertulia.domain.principal import Principal
from tertulia.domain.response import Response
from tertulia.errors import InvalidInput, PositionLost
from tertulia.transports import chat_completions_schema as schema
from tertulia.transports import wire
from tertulia.transports.auth import Caller, limit_creation
from tertulia.transports.body import read_json
from tertulia.transports.chat_completions_answer import completion
from tertulia.transports.chat_completions_request import ChatRequest, parse_chat
from tertulia.transports.chat_completions_stream import ChatStream
from tertulia.transports.errors import documented
from tertulia.transports.idempotency import idempotency
from tertulia.transports.presence import Presence
from tertulia.transports.reading import Reading
from tertulia.transports.reply import reply
from tertulia.transports.responses import presence_of
from tertulia.transports.services import Services, services_of
from tertulia.turns.submit import submit

#: The scope of idempotency keys. A repeat joins the first while that is there; once it was read
#: whole nothing of it is kept, and the same key and body make it anew.
ROUTE = "chat.completions"

router = APIRouter(prefix="/v1/chat", tags=["Chat completions"])


@router.post(
    "/completions",
    responses=documented(400, 401, 404, 409, 413, 415, 502),
    openapi_extra=schema.CREATE,
)
async def create(request: Request, caller: Caller) -> HttpResponse:
    """Create a chat completion.

    Answers when the model has finished; with `stream` as it writes. Nothing of it is stored, and
    one whose reader has left is cancelled. What fails or breaks off is an error, never a shorter
    answer: with its status, or in a stream that has begun as its last event.
    """
    services = services_of(request)
    body = await read_json(request)
    if not isinstance(body, dict):
        raise InvalidInput("The body must be a JSON object.", code="invalid_type")
    asked = parse_chat(body, services.settings.limits)
    presence = presence_of(request)
    presence.check(caller.user_id)
    key = request.headers.get("idempotency-key")
    response = await _accept(services, caller, asked, key, wire.canonical(body))
    if asked.stream:
        return ChatStream(services.parts, presence, response, usage=asked.usage)
    return await _whole(services, presence, response, request.receive)


async def _accept(
    services: Services, caller: Principal, asked: ChatRequest, key: str | None, body: bytes
) -> Response:
    await limit_creation(services, caller)
    ask = dataclasses.replace(
        asked.ask, idempotency=idempotency(services, caller, ROUTE, key, body)
    )
    try:
        return (await submit(services.parts, caller, ask)).response
    except InvalidInput as error:
        raise asked.in_its_words(error) from error


async def _whole(
    services: Services, presence: Presence, response: Response, receive: Receive
) -> HttpResponse:
    """The completion.

    Raises:
        TertuliaError: there is none, or it was cut off.
    """
    presence.came(response)
    end = None
    try:
        with presence.connection(response.user_id, "waiting"):
            end = await _end(services, response, receive)
        if end is None:
            return HttpResponse(status_code=499)  # to nobody; the number is nginx's
        return reply(completion(response, end))
    finally:
        presence.left(response, ended=end is not None)


async def _end(services: Services, response: Response, receive: Receive) -> Frame | None:
    """The terminal frame; None when the client left before."""
    while True:
        async with Reading(services.parts, response.user_id, response.id, receive) as reading:
            last = None
            try:
                await reading.open(None)
                while frames := await reading.next():
                    last = frames[-1]
            except PositionLost:
                continue  # the log was begun anew; so do we, having shown nothing
            return last if reading.ended else None

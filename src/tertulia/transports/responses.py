"""``/v1/responses``: the Responses API of Open Responses and of the official SDKs.

Source: Open Responses for create and its streams; what it lacks (retrieve, cancel, delete, input
items) follows the official ``openai`` SDK.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response as HttpResponse
from starlette.types import Receive

from tertulia.conversations import cut
from tertulia.domain.ids import CONNECTION, new_id
from tertulia.domain.principal import Principal
from tertulia.domain.response import Response, resource
from tertulia.errors import InvalidInput, NotFound, PositionLost
from tertulia.ports.turns import Node, Submitted
from tertulia.transports import responses_schema as schema
from tertulia.transports import wire
from tertulia.transports.auth import Caller, limit_creation, principal_of
from tertulia.transports.body import read_json
from tertulia.transports.errors import documented
from tertulia.transports.idempotency import idempotency
from tertulia.transports.presence import Presence
from tertulia.transports.reading import Reading
from tertulia.transports.reply import listing, reply
from tertulia.transports.services import Services, services_of
from tertulia.transports.sse import EventStream
from tertulia.turns.cancel import cancel as cancel_response
from tertulia.turns.erase import erase
from tertulia.turns.submit import submit

#: The scope of idempotency keys: the feed's ``request_id`` is one of them, so that what was sent
#: over a socket that broke can be sent again by POST.
ROUTE = "responses"

router = APIRouter(prefix="/v1/responses", tags=["Responses"])


async def accept(
    services: Services, principal: Principal, create: wire.Create, *, key: str | None, body: bytes
) -> Submitted:
    """Submit what was parsed; ``key`` is the client's idempotency key, ``body`` its canonical
    body.

    Raises:
        InvalidInput, RateLimited: the key is no key; the user has made too many responses.
        TertuliaError: see `submit`.
    """
    await limit_creation(services, principal)
    ask = dataclasses.replace(
        create.ask, idempotency=idempotency(services, principal, ROUTE, key, body)
    )
    return await submit(services.parts, principal, ask)


@router.post("", responses=documented(400, 401, 404, 409, 413), openapi_extra=schema.CREATE)
async def create(request: Request, caller: Caller) -> HttpResponse:
    """Create a response.

    Answers when the model has finished; with `stream` as it writes, with `background` at once.
    """
    services = services_of(request)
    body = await read_json(request)
    if not isinstance(body, dict):
        raise InvalidInput("The body must be a JSON object.", code="invalid_type")
    asked = wire.parse_create(body, services.settings.limits)
    if not asked.ask.store:
        bound = dataclasses.replace(asked.ask, connection_id=new_id(CONNECTION))
        asked = dataclasses.replace(asked, ask=bound)
    if asked.stream or not asked.ask.background:
        presence_of(request).check(caller.user_id)
    submitted = await accept(
        services,
        caller,
        asked,
        key=request.headers.get("idempotency-key"),
        body=wire.canonical(body),
    )
    response = submitted.response
    if asked.stream:
        return _stream(request, response)
    if asked.ask.background:
        return reply(
            resource(response) if not submitted.replayed else await _now(services, response)
        )
    return await _wait(request, services, response)


async def _create(request: Request) -> HttpResponse:
    return await create(request, await principal_of(request))


#: See `transports.direct`.
DIRECT = {("POST", router.prefix): _create}


@router.get("/{response_id}", responses=documented(400, 401, 404, 410), openapi_extra=schema.GET)
async def retrieve(request: Request, caller: Caller, response_id: str) -> HttpResponse:
    """Retrieve a response, or with `stream` its events from after number `starting_after`."""
    services = services_of(request)
    node = await _stored(services, caller, response_id)
    if _flag(request.query_params, "stream"):
        after = _whole(request.query_params, "starting_after", None, 0, 2**62)
        return _stream(request, node.response, after)
    return reply(resource(node.response, node.output))


@router.delete("/{response_id}", responses=documented(401, 404, 409), openapi_extra=schema.DELETE)
async def delete(request: Request, caller: Caller, response_id: str) -> HttpResponse:
    """Erase a response. One that has not ended must be cancelled first."""
    services = services_of(request)
    await _stored(services, caller, response_id)
    await erase(services.parts, caller.user_id, response_id)
    return reply({"id": response_id, "object": "response", "deleted": True})


@router.post("/{response_id}/cancel", responses=documented(401, 404), openapi_extra=schema.CANCEL)
async def cancel(request: Request, caller: Caller, response_id: str) -> HttpResponse:
    """End a response; what was written is kept. One that has ended stays as it is."""
    services = services_of(request)
    await _stored(services, caller, response_id)
    return reply(
        await _now(services, await cancel_response(services.parts, caller.user_id, response_id))
    )


@router.get(
    "/{response_id}/input_items", responses=documented(400, 401, 404), openapi_extra=schema.ITEMS
)
async def input_items(request: Request, caller: Caller, response_id: str) -> HttpResponse:
    """What this response was asked, newest first unless `order` is `asc`."""
    query = request.query_params
    limit = _whole(query, "limit", 20, 1, 100)
    order = query.get("order", "desc")
    if order not in ("asc", "desc"):
        raise InvalidInput("order must be asc or desc.", param="order")
    node = await _stored(services_of(request), caller, response_id)
    items = list(node.input) if order == "asc" else list(reversed(node.input))
    page, more = cut(items, lambda item: item.id, limit=limit or 20, after=query.get("after"))
    return listing(
        page,
        has_more=more,
        first=page[0].id if page else None,
        last=page[-1].id if page else None,
    )


# --- how a result is delivered -------------------------------------------------------------------


def presence_of(request: Request) -> Presence:
    presence: Presence = request.app.state.presence
    return presence


def _stream(request: Request, response: Response, after: int | None = None) -> EventStream:
    return EventStream(
        services_of(request).parts,
        presence_of(request),
        response,
        after=after,
        ours=request.headers.get("tertulia-events") == "1",
    )


async def _wait(request: Request, services: Services, response: Response) -> HttpResponse:
    """The resource as it stands at the end. A client that leaves cancels nothing, unless nobody
    could ever fetch the response."""
    presence = presence_of(request)
    presence.came(response)
    ended = False
    try:
        with presence.connection(response.user_id, "waiting"):
            ended = await _until_end(services, response, request.receive)
        if not ended:
            return HttpResponse(status_code=499)  # to nobody; the number is nginx's
        return reply(await _now(services, response))
    finally:
        presence.left(response, ended=ended)


async def _until_end(services: Services, response: Response, receive: Receive) -> bool:
    """False when the client left before."""
    while True:
        async with Reading(services.parts, response.user_id, response.id, receive) as reading:
            try:
                await reading.open(None)
                while await reading.next() is not None:
                    pass
            except PositionLost:
                continue  # the log was begun anew; so do we, having shown nothing
            return reading.ended


async def _now(services: Services, response: Response) -> dict[str, Any]:
    node = await services.parts.store.get(response.user_id, response.id)
    return resource(node.response, node.output)


async def _stored(services: Services, caller: Principal, response_id: str) -> Node:
    """A response that other requests than its own may see."""
    node = await services.parts.store.get(caller.user_id, response_id)
    if not node.response.store:
        raise no_response(response_id)
    return node


def no_response(response_id: str) -> NotFound:
    """In the store's own words: what is there and hidden must look like what is not."""
    return NotFound(f"There is no response {response_id}.", param="response_id")


# --- queries -------------------------------------------------------------------------------------


def _flag(query: Mapping[str, str], name: str) -> bool:
    value = query.get(name, "false").lower()
    if value not in ("true", "false", "1", "0"):
        raise InvalidInput(f"{name} must be true or false.", param=name)
    return value in ("true", "1")


def _whole(
    query: Mapping[str, str], name: str, default: int | None, low: int, high: int
) -> int | None:
    value = query.get(name)
    if value is None:
        return default
    if not (value.isascii() and value.isdigit()) or not low <= int(value) <= high:
        bounds = f"from {low} to {high}" if high < 2**62 else f"of at least {low}"
        raise InvalidInput(f"{name} must be a whole number {bounds}.", param=name)
    return int(value)

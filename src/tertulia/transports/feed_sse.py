"""``GET /v1/feed``: the feed as server-sent events, for clients that have no WebSocket.

One way only: what to follow is said in the query, and everything else goes by its own request.
The messages are those of the WebSocket, one an event; a feed entry's id is its position, so that
``Last-Event-ID`` resumes. A comment is the ping, and before the server ends the stream it says
with ``close`` what a WebSocket's close code would have said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import Response as HttpResponse
from starlette.types import Receive, Scope, Send

from tertulia.domain.principal import Principal
from tertulia.errors import InvalidInput, PositionLost, TertuliaError
from tertulia.ports.conversations import FeedPosition
from tertulia.transports import feed_messages as say
from tertulia.transports.auth import Caller
from tertulia.transports.errors import documented, stopping
from tertulia.transports.feed_commands import MAX_SUBSCRIPTIONS, follow
from tertulia.transports.feed_connection import Connection
from tertulia.transports.feed_sse_line import EventLine
from tertulia.transports.presence import Presence
from tertulia.transports.services import Services, services_of
from tertulia.transports.shapes import ref

#: Subscribes to every response of the user that runs or starts.
ALL = "all"

#: Entries of the feed that tell what runs already; what began before them has long ended.
_LOOK_BACK = 256

#: Of a client whose position cannot be read: it fetches its state again.
_NOWHERE = FeedPosition("", -1)

router = APIRouter(tags=["Feed"])


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a client asks for. ``known``: the last position it has seen."""

    known: FeedPosition | None
    #: Response and number to go on after.
    responses: Sequence[tuple[str, int | None]]
    all: bool


_QUERY = [
    {
        "in": "query",
        "name": "subscribe",
        "schema": {"type": "array", "items": {"type": "string"}, "maxItems": MAX_SUBSCRIPTIONS},
        "description": "A response to follow, by its id; with `:` and a number, from after that "
        "event. `all`: every response that runs or starts, from its beginning.",
    },
    {
        "in": "query",
        "name": "after",
        "schema": {"type": "string"},
        "description": "The `id` of the last feed entry held; `Last-Event-ID` goes before it.",
    },
    {
        "in": "header",
        "name": "Last-Event-ID",
        "schema": {"type": "string"},
        "description": "The same, as an `EventSource` sends it when it reconnects.",
    },
]
_ANSWER = {
    "description": "The stream.",
    "content": {"text/event-stream": {"schema": ref("FeedStream")}},
}


@router.get(
    "/v1/feed",
    responses=documented(400, 401),
    openapi_extra={"parameters": _QUERY, "responses": {"200": _ANSWER}},
)
async def feed(request: Request, caller: Caller) -> HttpResponse:
    """The feed of the caller's conversations and responses, as server-sent events."""
    services = services_of(request)
    wanted = _wanted(request)
    if services.draining():
        raise stopping()
    presence: Presence = request.app.state.presence
    presence.check(caller.user_id)
    return FeedStream(services, presence, caller, wanted)


def _wanted(request: Request) -> Wanted:
    responses: list[tuple[str, int | None]] = []
    every = False
    for each in request.query_params.getlist("subscribe"):
        response_id, _, number = each.partition(":")
        if each == ALL:
            every = True
        elif not response_id or len(each) > 128 or (number and not _is_number(number)):
            raise InvalidInput(
                "subscribe must be `all`, or a response's id, with `:` and a number after it if "
                "the events up to that number are known.",
                param="subscribe",
            )
        else:
            responses.append((response_id, int(number) if number else None))
    if len(responses) > MAX_SUBSCRIPTIONS:
        raise InvalidInput(f"At most {MAX_SUBSCRIPTIONS} at once.", param="subscribe")
    known = None
    if (last := request.headers.get("last-event-id")) is not None:
        known = _position(last) or _NOWHERE
    elif (after := request.query_params.get("after")) is not None:
        known = _position(after)
        if known is None:
            raise InvalidInput("after must be the id of a feed entry.", param="after")
    return Wanted(known, responses, every)


def _position(text: str) -> FeedPosition | None:
    epoch, dot, offset = text.rpartition(".")
    return FeedPosition(epoch, int(offset)) if dot and _is_number(offset) else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18


class FeedStream(HttpResponse):
    """One client's stream."""

    media_type = "text/event-stream"

    def __init__(
        self, services: Services, presence: Presence, principal: Principal, wanted: Wanted
    ) -> None:
        super().__init__(headers={"cache-control": "no-cache", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._services = services
        self._presence = presence
        self._principal = principal
        self._wanted = wanted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        wanted = self._wanted
        start = {
            "type": "http.response.start",
            "status": self.status_code,
            "headers": self.raw_headers,
        }
        with self._presence.connection(self._principal.user_id, "feed_sse"):
            line = EventLine(send, start, resumes=wanted.known is not None)
            connection = Connection(
                self._services, self._presence, self._principal, line, answers=False
            )
            subscriber = Subscriber(connection, wanted, receive)
            line.on_started = subscriber.started
            await connection.run(wanted.known, subscriber.run)


class Subscriber:
    """Follows for a client what its query asked for, until it has left."""

    def __init__(self, connection: Connection, wanted: Wanted, receive: Receive) -> None:
        self._connection = connection
        self._wanted = wanted
        self._receive = receive
        self._followed: set[str] = set()
        self._started: asyncio.Queue[str] = asyncio.Queue()

    def started(self, response_id: str) -> None:
        """The feed says so."""
        if self._wanted.all:
            self._started.put_nowait(response_id)

    async def run(self) -> None:
        """Returns when the client has left."""
        loop = asyncio.get_running_loop()
        gone, follows = loop.create_task(self._gone()), loop.create_task(self._follow())
        try:
            await asyncio.wait([gone, follows], return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            follows.cancel()
            _, fault = await asyncio.gather(gone, follows, return_exceptions=True)
        if isinstance(fault, Exception):
            raise fault

    async def _gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _follow(self) -> None:
        for response_id, after in self._wanted.responses:
            await self._one(response_id, after)
        if self._wanted.all:
            for response_id in await self._running():
                await self._one(response_id, None)
        while True:
            await self._one(await self._started.get(), None)

    async def _one(self, response_id: str, after: int | None) -> None:
        if response_id in self._followed:
            return
        self._followed.add(response_id)
        try:
            await follow(self._connection, response_id, after)
        except TertuliaError as error:
            self._connection.post(say.error(error, response_id=response_id))

    async def _running(self) -> list[str]:
        """What has started and not ended, oldest first, as far as the feed tells."""
        store = self._connection.services.parts.store
        user_id = self._connection.principal.user_id
        try:
            now = await store.feed_position(user_id)
            since = FeedPosition(now.epoch, max(0, now.offset - _LOOK_BACK))
            entries = await store.feed_after(user_id, since, _LOOK_BACK)
        except PositionLost:  # the history is shorter than that
            return []
        except TertuliaError as error:
            self._connection.post(say.error(error))
            return []
        running: dict[str, None] = {}
        for entry in entries:
            if entry.event["type"] == "response.started":
                running[entry.event["response_id"]] = None
            elif entry.event["type"] == "response.ended":
                running.pop(entry.event["response_id"], None)
        return list(running)

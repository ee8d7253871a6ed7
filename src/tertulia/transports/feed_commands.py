"""What a device asks of the feed."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar

from tertulia.domain.principal import Principal
from tertulia.errors import RateLimited, TertuliaError, TooLarge, Unauthorized
from tertulia.ports.bus import TYPING
from tertulia.transports import feed_messages as say
from tertulia.transports import wire
from tertulia.transports.auth import identify
from tertulia.transports.described import Described
from tertulia.transports.feed_connection import Connection
from tertulia.transports.feed_hub import typing_hint
from tertulia.transports.feed_messages import Close
from tertulia.transports.feed_socket import Closed, Socket
from tertulia.transports.responses import accept, no_response
from tertulia.transports.services import Services
from tertulia.transports.wire_field import Field
from tertulia.turns.cancel import cancel

#: Responses that one connection may follow.
MAX_SUBSCRIPTIONS = 64

_ID = re.compile(r"[A-Za-z0-9_-]+")

#: Messages a device may send at once, and a second.
BURST, RATE = 200, 50

COMMANDS = {
    "auth": Described(
        "`token`, `feed?: {epoch, offset}`",
        "The first message, within 5 s: an access token or API key, null where there is no "
        "sign-in; and the position that the device knows. Later: a fresh token.",
    ),
    "subscribe": Described(
        "`response_id`, `starting_after?`",
        "Send its events, from after that number or from the start. Again is allowed: it begins "
        "anew.",
    ),
    "unsubscribe": Described("`response_id`", "No more of its events."),
    "response.create": Described(
        "`request_id`, and the body of `POST /v1/responses`",
        "Make a response. `request_id` is an idempotency key: sent again, also by POST, it makes "
        "nothing new.",
    ),
    "response.cancel": Described("`response_id`", "End it; what was written is kept."),
    "typing": Described("`conversation_id`", "Tell the user's other devices."),
    "pong": Described("", "The answer to `ping`."),
}


class Commands:
    """Reads a connection's messages, one after the other, and does what they say."""

    __slots__ = ("_address", "_budget", "_connection", "_counted", "_loop", "_socket")

    def __init__(self, connection: Connection, socket: Socket, address: str) -> None:
        self._connection = connection
        self._socket = socket
        self._address = address
        self._loop = asyncio.get_running_loop()
        self._budget = float(BURST)
        self._counted = self._loop.time()

    async def run(self) -> None:
        """Until the device has left, or has to."""
        connection = self._connection
        while True:
            try:
                # A device that does not read what it asked for is not asked for more.
                await connection.writer.room()
                message = self._socket.read(await self._socket.listen())
                if message is None:
                    return
                connection.heard()
                self._count()
                await self._handle(message)
            except Closed as closed:
                connection.close(closed.code)
                return
            except TooLarge:
                connection.close(Close.TOO_BIG)
                return
            except TertuliaError as error:
                connection.post(say.error(error))

    def _count(self) -> None:
        now = self._loop.time()
        self._budget = min(BURST, self._budget + (now - self._counted) * RATE)
        self._counted = now
        if self._budget < 1:
            raise Closed(Close.RATE_LIMITED)
        self._budget -= 1

    async def _handle(self, message: Mapping[str, Any]) -> None:
        field = Field(message)
        kind = field.get("type").text()
        do = self._table.get(kind)
        if do is None:
            raise field.get("type").wrong("must be one of " + ", ".join(self._table))
        try:
            await do(self, field)
        except TertuliaError as error:
            about = (message.get(name) for name in ("request_id", "response_id"))
            request_id, response_id = (each if isinstance(each, str) else None for each in about)
            answer = say.error(error, request_id=request_id, response_id=response_id)
            self._connection.post(answer)

    # --- each of them ------------------------------------------------------------------------

    async def _auth(self, message: Field) -> None:
        """A newer token for a running socket."""
        connection = self._connection
        try:
            principal = await authenticated(connection.services, message, self._address)
        except Unauthorized:
            raise Closed(Close.BAD_TOKEN) from None
        if principal.user_id != connection.principal.user_id:
            raise Closed(Close.FORBIDDEN)
        connection.principal = principal

    async def _subscribe(self, message: Field) -> None:
        response_id = message.get("response_id").text(at_least=1, at_most=128)
        after = message.get("starting_after")
        number = None if after.missing else after.integer(0, 2**62)
        await follow(self._connection, response_id, number)

    async def _unsubscribe(self, message: Field) -> None:
        response_id = message.get("response_id").text(at_least=1, at_most=128)
        self._connection.writer.unsubscribe(response_id)

    async def _create(self, message: Field) -> None:
        request_id = message.get("request_id").text(at_least=1, at_most=255)
        connection = self._connection
        body = {
            name: value
            for name, value in message.object().items()
            if name not in ("type", "request_id")
        }
        create = wire.parse_create(body, connection.services.settings.limits)
        if not create.ask.store:
            bound = dataclasses.replace(create.ask, connection_id=connection.id)
            create = dataclasses.replace(create, ask=bound)
        submitted = await accept(
            connection.services,
            connection.principal,
            create,
            key=request_id,
            body=wire.canonical(body),
        )
        response = submitted.response
        connection.post(say.ack(request_id, response.id, response.conversation_id))
        connection.bind(response)
        await connection.writer.subscribe(response.id, None)

    async def _cancel(self, message: Field) -> None:
        response_id = message.get("response_id").text(at_least=1, at_most=128)
        connection = self._connection
        await _may_see(connection, response_id)
        await cancel(connection.services.parts, connection.principal.user_id, response_id)

    async def _typing(self, message: Field) -> None:
        field = message.get("conversation_id")
        conversation_id = field.text(at_least=1, at_most=128)
        if not _ID.fullmatch(conversation_id):
            raise field.wrong("is not the id of a conversation")
        connection = self._connection
        hint = typing_hint(connection.principal.user_id, conversation_id, connection.id)
        bus = connection.services.parts.bus
        if bus is None:
            connection.services.feed.typing(hint)
        else:
            bus.publish(TYPING, hint)

    async def _pong(self, _message: Field) -> None:
        """That it was heard is all."""

    #: Of the class: a table of bound methods would be the largest part of an idle connection.
    _table: ClassVar[Mapping[str, Callable[[Commands, Field], Awaitable[None]]]] = {
        "auth": _auth,
        "subscribe": _subscribe,
        "unsubscribe": _unsubscribe,
        "response.create": _create,
        "response.cancel": _cancel,
        "typing": _typing,
        "pong": _pong,
    }


async def follow(connection: Connection, response_id: str, after: int | None) -> None:
    """Send a response's events from after number ``after``; None: from the start.

    Raises:
        RateLimited: code ``too_many_subscriptions``.
        NotFound: of foreign responses too, and of those bound to other connections.
        PositionLost: see `Follower.open`.
    """
    writer = connection.writer
    if writer.subscriptions >= MAX_SUBSCRIPTIONS and not writer.follows(response_id):
        raise RateLimited(
            f"One connection follows at most {MAX_SUBSCRIPTIONS} responses; unsubscribe first.",
            code="too_many_subscriptions",
        )
    await _may_see(connection, response_id)
    await writer.subscribe(response_id, after)


async def _may_see(connection: Connection, response_id: str) -> None:
    store = connection.services.parts.store
    response = (await store.get(connection.principal.user_id, response_id)).response
    if not response.store and response.connection_id != connection.id:
        raise no_response(response_id)


async def authenticated(services: Services, message: Field, address: str) -> Principal:
    """The principal of an ``auth`` message; the token may be null where no sign-in is needed.

    Raises:
        InvalidInput, Unauthorized, RateLimited: see `identify`.
    """
    token = message.get("token")
    return await identify(services, None if token.missing else token.text(), address)

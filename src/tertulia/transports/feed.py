"""``/v1/feed``: one WebSocket per device, with everything of its user on it. See "The wire"."""

from __future__ import annotations

import asyncio

from starlette.requests import HTTPConnection
from starlette.routing import WebSocketRoute
from starlette.types import Receive, Scope, Send

from tertulia.domain.principal import Principal
from tertulia.errors import InvalidInput, RateLimited, TooLarge, Unauthorized, Unavailable
from tertulia.ports.conversations import FeedPosition
from tertulia.transports.auth import address_of
from tertulia.transports.feed_commands import Commands, authenticated
from tertulia.transports.feed_connection import Connection
from tertulia.transports.feed_messages import Close
from tertulia.transports.feed_socket import Closed, Socket
from tertulia.transports.presence import Presence
from tertulia.transports.services import Services, services_of
from tertulia.transports.wire_field import Field

#: Of a device whose position cannot be read: it fetches its state again.
_NOWHERE = FeedPosition("", -1)


class Feed:
    """The ASGI endpoint. Whatever stands in its frame stands there as long as the device stays."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = routes[0]  # for the log, as HTTP routes leave it there
        device = HTTPConnection(scope)
        services, address = services_of(device), address_of(device)
        presence: Presence = device.app.state.presence
        del device
        scope["headers"] = []  # read by all who want to; a kilobyte otherwise
        await receive()  # the handshake
        await send({"type": "websocket.accept"})
        socket = Socket(receive, send, depth=services.settings.limits.json_depth)
        try:
            principal, known = await _first(services, socket, address)
            scope["state"]["principal"] = principal
            connection = _connected(services, presence, principal, socket)
            try:
                await connection.run(known, Commands(connection, socket, address).run)
            finally:
                presence.disconnect(principal.user_id, "feed")
        except Closed as closed:
            await socket.close(closed.code, within=services.settings.feed.slow_seconds)
        except Unavailable:
            await socket.close(Close.OVERLOADED, within=services.settings.feed.slow_seconds)
        except OSError:
            return  # the device is gone


def _connected(
    services: Services, presence: Presence, principal: Principal, socket: Socket
) -> Connection:
    connection = Connection(services, presence, principal, socket)
    try:
        presence.connect(principal.user_id, "feed")
    except RateLimited:
        raise Closed(Close.TOO_MANY) from None
    return connection


async def _first(
    services: Services, socket: Socket, address: str
) -> tuple[Principal, FeedPosition | None]:
    """Who it is, and the feed's position that the device knows.

    Raises:
        Closed: it may not come in.
        ConnectionError: it left at once.
    """
    if services.draining():
        raise Closed(Close.DRAINING)
    try:
        async with asyncio.timeout(services.settings.feed.auth_seconds):
            message = await socket.receive()
        if message is None:
            raise ConnectionResetError
        field = Field(message)
        field.get("type").choice("auth")
        principal = await authenticated(services, field, address)
    except TimeoutError:
        raise Closed(Close.NO_AUTH) from None
    except TooLarge:
        raise Closed(Close.TOO_BIG) from None
    except (InvalidInput, Unauthorized):
        raise Closed(Close.BAD_TOKEN) from None
    except RateLimited:
        raise Closed(Close.RATE_LIMITED) from None
    except Unavailable:
        raise Closed(Close.OVERLOADED) from None
    return principal, _position(field.get("feed"))


def _position(field: Field) -> FeedPosition | None:
    if field.missing:
        return None
    try:
        return FeedPosition(field.get("epoch").text(), field.get("offset").integer(0))
    except InvalidInput:
        return _NOWHERE


routes = [WebSocketRoute("/v1/feed", Feed(), name="feed")]

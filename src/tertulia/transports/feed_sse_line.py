"""The feed's messages as server-sent events: one an event, with the feed's position as its id."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
from starlette.types import Send

from tertulia.ports.conversations import FeedPosition
from tertulia.transports import feed_messages as say

_PING = b": ping\n\n"


class _Told(msgspec.Struct):
    type: str
    response_id: str | None = None


class _Message(msgspec.Struct):
    """What of a message has to be known to send it as an event."""

    type: str
    offset: int = 0
    #: The position in `hello`.
    feed: msgspec.Raw = msgspec.Raw()
    event: msgspec.Raw = msgspec.Raw()


class EventLine:
    """A `feed_connection.Line` over the ASGI channel of a response that has not begun.

    ``start``: the message that begins it. ``resumes``: the client knows a position, and keeps it
    until a later entry comes.
    """

    def __init__(self, send: Send, start: dict[str, object], *, resumes: bool) -> None:
        self._send = send
        self._start: dict[str, object] | None = start
        self._resumes = resumes
        self._epoch = ""
        self._message = msgspec.json.Decoder(_Message)
        self._told = msgspec.json.Decoder(_Told)
        #: Called with the id of each response that the feed says has started.
        self.on_started: Callable[[str], None] = lambda _response_id: None

    async def send(self, message: bytes) -> None:
        """Raises:
        OSError: the connection is gone.
        """
        head = self._message.decode(message)
        if head.type == "ping":
            await self._write(_PING)
            return
        position: FeedPosition | None = None
        if head.type == "hello":
            here = msgspec.json.decode(head.feed, type=FeedPosition)
            self._epoch = here.epoch
            position = None if self._resumes else here
        elif head.type == "feed":
            position = FeedPosition(self._epoch, head.offset)
        await self._write(_event(head.type, message, position))
        if head.type == "feed":
            told = self._told.decode(head.event)
            if told.type == "response.started" and told.response_id is not None:
                self.on_started(told.response_id)

    async def close(self, code: int, *, within: float) -> None:
        """Say why and end. A peer that reads nothing for ``within`` seconds is left without it."""
        try:
            async with asyncio.timeout(within):
                await self._write(_event("close", say.close(code)), more=False)
        except (OSError, TimeoutError):
            return

    async def _write(self, body: bytes, *, more: bool = True) -> None:
        if self._start is not None:
            start, self._start = self._start, None
            await self._send(start)
        await self._send({"type": "http.response.body", "body": body, "more_body": more})


def _event(kind: str, message: bytes, position: FeedPosition | None = None) -> bytes:
    mark = b"" if position is None else f"id: {position.epoch}.{position.offset}\n".encode()
    return b"%bevent: %b\ndata: %b\n\n" % (mark, kind.encode(), message)

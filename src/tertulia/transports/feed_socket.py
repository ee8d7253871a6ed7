"""A WebSocket as our endpoints use it: JSON text both ways, and a close that cannot hang."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.types import Message, Receive, Send

from tertulia.errors import InvalidInput, TooLarge
from tertulia.transports.body import load_json
from tertulia.transports.feed_messages import MAX_FRAME, Close


class Closed(Exception):
    """The connection has to end with this code."""

    def __init__(self, code: Close) -> None:
        super().__init__(code.name)
        self.code = code


class Socket:
    """Over the ASGI channel of an accepted WebSocket. ``depth``: of the JSON that is taken;
    ``max_bytes``: of one message."""

    __slots__ = ("_depth", "_max_bytes", "_send", "listen", "received")

    def __init__(
        self, receive: Receive, send: Send, *, depth: int, max_bytes: int = MAX_FRAME
    ) -> None:
        #: The next event of the channel: for those who wait long and want no frame of ours to.
        self.listen = receive
        self._send = send
        self._depth = depth
        self._max_bytes = max_bytes
        #: Characters of the last message received.
        self.received = 0

    async def receive(self) -> Mapping[str, Any] | None:
        """The client's next message; None when it has left.

        Raises:
            InvalidInput: not a JSON object in text; the connection may go on.
            TooLarge: longer than a message may be; likewise.
        """
        return self.read(await self.listen())

    def read(self, event: Message) -> Mapping[str, Any] | None:
        """What `listen` heard, as `receive` gives it."""
        if event["type"] == "websocket.disconnect":
            return None
        text = event.get("text")
        if text is None:
            raise InvalidInput("This socket takes text messages only.", code="invalid_message")
        self.received = len(text)
        # No character is less than a byte, so most messages need not be encoded to be measured.
        most = self._max_bytes
        if len(text) > most or len(text) * 4 > most < len(text.encode()):
            raise TooLarge(f"The message is larger than {most} bytes.")
        message = load_json(text, depth=self._depth)
        if not isinstance(message, dict):
            raise InvalidInput("A message is a JSON object.", code="invalid_message")
        return message

    async def send(self, message: bytes) -> None:
        """Returns when there is room for the next one.

        Raises:
            OSError: the connection is gone.
        """
        await self._send({"type": "websocket.send", "text": message.decode()})

    async def close(self, code: int, *, within: float) -> None:
        """Say why and end. A peer that reads nothing for ``within`` seconds is left without it."""
        try:
            async with asyncio.timeout(within):
                await self._send({"type": "websocket.close", "code": int(code)})
        except (OSError, TimeoutError):
            return

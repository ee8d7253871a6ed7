"""A client of WebSocket mode as the standard describes it."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from tests.support.live import TERMINAL, Live
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed


class Talk:
    """Remembers all it was sent."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.messages: list[dict[str, Any]] = []

    async def send(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))

    async def create(self, text: str, **body: Any) -> None:
        """Ask for a response and wait for nothing."""
        await self.send(type="response.create", model="scripted", input=text, **body)

    async def next(self) -> dict[str, Any]:
        raw = await self.socket.recv()
        assert isinstance(raw, str), "events are text"
        message: dict[str, Any] = json.loads(raw)
        self.messages.append(message)
        return message

    async def until(self, kind: str) -> dict[str, Any]:
        while (message := await self.next())["type"] != kind:
            pass
        return message

    async def turn(self, text: str, **body: Any) -> list[dict[str, Any]]:
        """Ask, and read to the last event or the error."""
        await self.create(text, **body)
        return await self.rest()

    async def rest(self) -> list[dict[str, Any]]:
        """The events up to the next terminal one, or error."""
        events = [await self.next()]
        while events[-1]["type"] not in {*TERMINAL, "error"}:
            events.append(await self.next())
        return events

    async def error(self) -> dict[str, Any]:
        """What `until` finds of an error: its inner object, its status in it."""
        event = await self.until("error")
        return {**event["error"], "status": event["status"]}

    async def code(self) -> int:
        """The code that the server closes with."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self.next()
        assert self.socket.close_code is not None
        return self.socket.close_code


async def talk(server: Live, token: str | None = None, **options: Any) -> Talk:
    """A new connection."""
    headers = dict(options.pop("headers", {}))
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    url = server.url.replace("http", "ws", 1) + "/v1/responses"
    options = {"max_size": None, "compression": None, "proxy": None, **options}
    connection = connect(url, additional_headers=headers, **options)
    return Talk(await server.stack.enter_async_context(connection))


def text_of(events: list[dict[str, Any]]) -> str:
    """What the deltas spell."""
    return "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta")

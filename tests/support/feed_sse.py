"""A client of the feed over server-sent events, framing included."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx


class Stream:
    """Remembers all it was sent, and the last position."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.aiter_lines()
        self.messages: list[dict[str, Any]] = []
        self.last_id: str | None = None
        self.comments = 0

    async def next(self) -> dict[str, Any] | None:
        """The next message; None at the end of the stream."""
        named = None
        async for line in self._lines:
            if line.startswith(":"):
                self.comments += 1
            elif line.startswith("id: "):
                self.last_id = line.removeprefix("id: ")
            elif line.startswith("event: "):
                named = line.removeprefix("event: ")
            elif line.startswith("data: "):
                message: dict[str, Any] = json.loads(line.removeprefix("data: "))
                assert message["type"] == named
                self.messages.append(message)
                return message
            else:
                assert not line
        return None

    async def receive(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Wait for a message of this type and these fields; what comes before is remembered."""
        while (message := await self.next()) is not None:
            if message["type"] == kind and fields.items() <= message.items():
                return message
        raise AssertionError(f"the stream ended without {kind}")

    def events(self, response_id: str) -> list[dict[str, Any]]:
        return [
            message["event"]
            for message in self.messages
            if message["type"] == "event" and message["response_id"] == response_id
        ]

    async def follow(self, response_id: str) -> list[dict[str, Any]]:
        """The events of a response as they came, up to its last one."""
        ends = ("response.completed", "response.incomplete", "response.failed")
        while not (events := self.events(response_id)) or events[-1]["type"] not in ends:
            assert await self.next() is not None, "the stream ended"
        return events


@asynccontextmanager
async def feed_stream(client: httpx.AsyncClient, **options: Any) -> AsyncIterator[Stream]:
    """An open stream; ``options`` are httpx's."""
    headers = {"accept": "text/event-stream", **options.pop("headers", {})}
    async with client.stream("GET", "/v1/feed", headers=headers, **options) as response:
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Stream(response)

"""Server-sent events as they came over the socket, framing included."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx

DONE = "[DONE]"


async def events(response: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    """The events of a stream, each of which says its kind twice; ends with ``[DONE]``."""
    named = None
    done = False
    async for line in response.aiter_lines():
        assert not done or not line, "something came after [DONE]"
        if line.startswith("event: "):
            named = line.removeprefix("event: ")
        elif line == f"data: {DONE}":
            done = True
        elif line.startswith("data: "):
            event: dict[str, Any] = json.loads(line.removeprefix("data: "))
            assert event["type"] == named
            yield event
        else:
            assert not line or line.startswith(":")
    assert done, "the stream was cut"


async def all_events(
    client: httpx.AsyncClient, method: str, path: str, **options: Any
) -> list[dict[str, Any]]:
    """All events of one request's answer."""
    async with client.stream(method, path, **options) as response:
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-cache"
        return [event async for event in events(response)]

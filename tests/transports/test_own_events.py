"""Tertulia's own events on plain streams: only for who asks, and never numbered."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
from tests.support.live import Live, live
from tests.support.sse import all_events, events

from tertulia.settings import Limits, Turns

OURS = {"tertulia-events": "1"}


async def started(client: httpx.AsyncClient, text: str) -> str:
    body = {"model": "scripted", "input": text, "background": True}
    response_id: str = (await client.post("/v1/responses", json=body)).json()["id"]
    return response_id


async def cancelled(client: httpx.AsyncClient, response_id: str) -> None:
    assert (await client.post(f"/v1/responses/{response_id}/cancel")).is_success


async def streamed(server: Live, response_id: str, **headers: str) -> list[dict[str, Any]]:
    client = await server.client()
    path = f"/v1/responses/{response_id}"
    return await all_events(client, "GET", path, params={"stream": "true"}, headers=headers)


async def test_who_waits_on_a_plain_stream_is_told_the_place(tmp_path: Path) -> None:
    turns = Turns(grace_seconds=0, reader_recheck_seconds=0.05)
    async with live(tmp_path, limits=Limits(running_per_user=1), turns=turns) as server:
        client = await server.client()
        first, second, third = [
            await started(client, text) for text in ("hang", "hang", "echo: now")
        ]
        plain = asyncio.create_task(streamed(server, third))
        reader = await server.client()
        path = f"/v1/responses/{third}"
        told: list[dict[str, Any]] = []
        seen: list[dict[str, Any]] = []
        async with reader.stream("GET", path, params={"stream": "true"}, headers=OURS) as stream:
            async for event in events(stream):
                if event["type"] != "tertulia:position":
                    seen.append(event)
                    continue
                told.append(event)
                await cancelled(client, {2: first, 1: second}[event["position"]])
        assert told == [
            {
                "type": "tertulia:position",
                "after": 1,
                "position": place,
                # Until a turn has ended nobody can tell how long they take.
                "expected_wait_ms": wait,
            }
            for place, wait in ((2, None), (1, told[1]["expected_wait_ms"]))
        ]
        assert told[1]["expected_wait_ms"] > 0
        assert seen == await plain
        assert seen[-1]["type"] == "response.completed"

"""The feed over server-sent events: what a WebSocket gets, resumed by position."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.feed_sse import feed_stream
from tests.support.live import Live, live
from tests.support.sse import all_events

from tertulia.settings import Feed, Limits, Tokens

Start = Callable[..., Awaitable[Live]]
ALL = {"subscribe": "all"}

#: Small on both sides, so that not the kernel reads what the client does not.
BUFFER = 8192


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def started(**changes: Any) -> Live:
            return await stack.enter_async_context(live(tmp_path, **changes))

        yield started


async def asked(client: httpx.AsyncClient, text: str, **more: Any) -> str:
    body = {"model": "scripted", "input": text, "background": True, **more}
    response_id: str = (await client.post("/v1/responses", json=body)).json()["id"]
    return response_id


async def stored(client: httpx.AsyncClient, response_id: str) -> list[dict[str, Any]]:
    path = f"/v1/responses/{response_id}"
    return await all_events(client, "GET", path, params={"stream": "true"})


async def test_what_starts_is_followed_from_the_start(start: Start) -> None:
    client = await (await start()).client()
    async with feed_stream(client, params=ALL) as stream:
        hello = await stream.receive("hello")
        assert hello["connection_id"].startswith("conn_")
        response_id = await asked(client, "chunks=20")
        assert await stream.follow(response_id) == await stored(client, response_id)
        told = [m["event"]["type"] for m in stream.messages if m["type"] == "feed"]
        assert told[0] == "response.started"


async def test_what_runs_is_followed_too(start: Start) -> None:
    client = await (await start()).client()
    done = await asked(client, "echo: over")
    await stored(client, done)
    running = await asked(client, "rate=50 chunks=30")
    async with feed_stream(client, params=ALL) as stream:
        assert await stream.follow(running) == await stored(client, running)
        assert not stream.events(done)


async def test_one_response_from_a_position(start: Start) -> None:
    client = await (await start()).client()
    one, other = await asked(client, "chunks=9"), await asked(client, "chunks=9")
    whole = await stored(client, one)
    query = {"subscribe": [f"{one}:4", other, f"{other}:3"]}
    async with feed_stream(client, params=query) as stream:
        assert await stream.follow(one) == whole[5:]
        assert await stream.follow(other) == await stored(client, other)
    query = {"subscribe": ["resp_none", f"{one}:500"]}
    async with feed_stream(client, params=query) as stream:
        for response_id, code in (("resp_none", "not_found"), (one, "position_lost")):
            error = await stream.receive("error", response_id=response_id)
            assert error["error"]["code"] == code


@pytest.mark.parametrize("by", ["header", "query"])
async def test_resumed_without_a_gap(start: Start, by: str) -> None:
    client = await (await start()).client()
    async with feed_stream(client) as stream:
        await stream.receive("hello")
        await client.post("/v1/conversations", json={"title": "one"})
        await stream.receive("feed")
        last = stream.last_id
        assert last is not None
    for title in ("two", "three"):
        await client.post("/v1/conversations", json={"title": title})
    options: dict[str, Any] = (
        {"headers": {"last-event-id": last}} if by == "header" else {"params": {"after": last}}
    )
    async with feed_stream(client, **options) as stream:
        titles = [(await stream.receive("feed"))["event"]["conversation"]["title"] for _ in "12"]
        assert titles == ["two", "three"]
        assert not [m for m in stream.messages if m["type"] == "resync"]
        # Nothing was skipped by the id that came with `hello`.
        assert stream.last_id != last


async def test_the_position_at_hello_is_one_to_come_back_to(start: Start) -> None:
    client = await (await start()).client()
    async with feed_stream(client) as stream:
        await stream.receive("hello")
        last = str(stream.last_id)
    await client.post("/v1/conversations", json={"title": "meanwhile"})
    async with feed_stream(client, headers={"last-event-id": last}) as stream:
        entry = await stream.receive("feed")
        assert entry["event"]["conversation"]["title"] == "meanwhile"


@pytest.mark.parametrize("last", ["", "nonsense", "other.1", "x.99999999999999999999"])
async def test_a_position_that_is_none_leads_to_a_resync(start: Start, last: str) -> None:
    client = await (await start()).client()
    async with feed_stream(client, headers={"last-event-id": last}) as stream:
        await stream.receive("resync")


@pytest.mark.parametrize(
    "query",
    [
        {"after": "nonsense"},
        {"after": "x."},
        {"subscribe": ""},
        {"subscribe": "resp_1:x"},
        {"subscribe": "resp_1:-1"},
        {"subscribe": "x" * 200},
        {"subscribe": [f"resp_{n}" for n in range(65)]},
    ],
)
async def test_a_wrong_query_is_refused(start: Start, query: dict[str, Any]) -> None:
    client = await (await start()).client()
    answer = await client.get("/v1/feed", params=query)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] in query


async def test_who_may_listen(start: Start) -> None:
    server = await start(auth=True, limits=Limits(connections_per_user=1))
    nobody = await server.client()
    assert (await nobody.get("/v1/feed")).status_code == 401
    ann = await server.client(await server.register("ann@example.org"))
    ben = await server.client(await server.register("ben@example.org"))
    async with feed_stream(ann, params=ALL) as stream:
        await stream.receive("hello")
        busy = await ann.get("/v1/feed")
        assert (busy.status_code, busy.json()["error"]["code"]) == (429, "too_many_connections")
        foreign = await asked(ben, "echo: hers")
        await stored(ben, foreign)
        mine = await asked(ann, "echo: mine")
        await stream.follow(mine)
        assert not stream.events(foreign)


async def test_who_is_no_longer_welcome(start: Start) -> None:
    server = await start(auth=True, tokens=Tokens(access_seconds=3))
    token = await server.register("ann@example.org")
    client = await server.client(token)
    made = (await client.post("/v1/keys", json={"name": "screen"})).json()
    by_key = await server.client(made["key"])
    async with feed_stream(by_key) as revoked, feed_stream(client) as expired:
        await revoked.receive("hello")
        await client.delete(f"/v1/keys/{made['id']}")
        assert await revoked.receive("close") == {"type": "close", "code": 4001}
        assert await revoked.next() is None
        assert (await expired.receive("close"))["code"] == 4202


async def test_drained(start: Start) -> None:
    server = await start()
    client = await server.client()
    async with feed_stream(client) as stream:
        await stream.receive("hello")
        drained = asyncio.create_task(server.node.services.feed.drain(0.05))
        assert (await stream.receive("goaway"))["in_ms"] == 50
        assert (await stream.receive("close"))["code"] == 4200
        assert await stream.next() is None
        await drained


async def test_a_server_that_is_about_to_stop_takes_nobody(start: Start) -> None:
    client = await (await start(draining=lambda: True)).client()
    answer = await client.get("/v1/feed")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


async def test_a_quiet_stream_is_kept_alive(start: Start) -> None:
    client = await (await start(feed=Feed(ping_seconds=0.05))).client()
    async with feed_stream(client) as stream:
        await stream.receive("hello")
        held = asyncio.create_task(stream.receive("feed"))
        while stream.comments < 3:  # more than a missed pong would allow
            await client.get("/healthz")
        await client.post("/v1/conversations", json={"title": "one"})
        await held


async def test_who_reads_nothing_is_sent_away(start: Start) -> None:
    settings = Feed(buffer_frames=16, buffer_bytes=8192, slow_seconds=0.5)
    server = await start(send_buffer=BUFFER, feed=settings)
    client = await server.client()
    own = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    host, port = server.url.removeprefix("http://").split(":")
    own.connect((host, int(port)))
    with own:
        own.sendall(f"GET /v1/feed?subscribe=all HTTP/1.1\r\nhost: {host}:{port}\r\n\r\n".encode())
        devices = server.node.services.feed._users
        while not devices:
            await client.get("/healthz")
        await stored(client, await asked(client, "chunks=60000"))
        while devices:  # until it is given up
            await client.get("/healthz")

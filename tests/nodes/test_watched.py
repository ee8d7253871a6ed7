"""API node and workers as processes of their own, seen from outside: traces and logs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from tests.e2e.server import Server
from tests.support.collector import Collector, Received, collector
from tests.support.services.redis import RedisServer
from tests.support.sse import events
from tests.support.upstream import END as THE_END
from tests.support.upstream import Upstream, sends, text, upstream
from websockets.asyncio.client import connect

pytestmark = pytest.mark.e2e

QUESTION, ANSWER = "canary-question-71fe", "canary-answer-09ba"
PASSWORD = "canary-password-4c11"
CALLER = ("ab" * 16, "cd" * 8)

sends("canary", text(f"{ANSWER} one"), text(" two"), THE_END)

Start = Callable[[str], Awaitable[Server]]


@pytest.fixture
def traces() -> Iterator[Collector]:
    with collector() as started:
        yield started


@pytest.fixture
async def provider() -> AsyncIterator[Upstream]:
    async with upstream() as server:
        yield server


@pytest.fixture
async def start(
    tmp_path: Path,
    postgres_url: str,
    redis_server: RedisServer,
    traces: Collector,
    provider: Upstream,
) -> AsyncIterator[Start]:
    """Starts processes of one deployment, each in a folder of its own."""
    at = urlsplit(postgres_url)
    store = at._replace(netloc=f"postgres:{PASSWORD}@{at.hostname}:{at.port}").geturl()
    servers = [{"name": "up", "base_url": provider.base_url, "models": ["canary"]}]
    environment = {
        "TERTULIA_STORE": store,
        "TERTULIA_QUEUE": redis_server.url,
        "TERTULIA_EVENTLOG": redis_server.url,
        "TERTULIA_CACHE": redis_server.url,
        "TERTULIA_KEYS": f"file:{tmp_path / 'keys'}",
        "TERTULIA_SECRET": "a secret that all of them share, at length",
        "TERTULIA_MODELS__SERVERS": json.dumps(servers),
        "TERTULIA_TURNS__SWEEP_SECONDS": "0.2",
        "TERTULIA_TRACES": traces.url,
        "TERTULIA_LOG_LEVEL": "debug",
    }
    async with AsyncExitStack() as stack:

        async def begin(role: str) -> Server:
            folder = tmp_path / f"{role}-{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            server = Server(folder / "data", environment=environment, role=role)
            await asyncio.to_thread(server.start)
            stack.push_async_callback(asyncio.to_thread, server.stop)
            return server

        yield begin


def of(spans: list[Received], response_id: str) -> list[Received]:
    """All spans of the trace in which that turn is."""
    roots = [
        s for s in spans if s.name == "turn" and s.attributes["tertulia.response.id"] == response_id
    ]
    return [s for s in spans if roots and s.trace_id == roots[0].trace_id]


async def whole(traces: Collector, response_id: str, wanted: set[str]) -> list[Received]:
    """The turn's spans, once those are among them."""

    def enough(got: list[Received]) -> bool:
        return wanted <= {span.name for span in of(got, response_id)}

    return of(await asyncio.to_thread(traces.wait, enough), response_id)


def one_tree(spans: list[Received]) -> None:
    """One root, above every other span."""
    by_id = {span.span_id: span for span in spans}
    assert len(by_id) == len(spans)
    (root,) = [span for span in spans if not span.parent_id]
    assert root.name == "turn"
    assert {span.parent_id for span in spans if span is not root} <= set(by_id)
    assert all(span.start <= span.end for span in spans)


def lines(server: Server) -> list[dict[str, Any]]:
    return [json.loads(line) for line in server.log.read_text().splitlines()]


async def test_one_turn_is_one_tree_over_all_processes(
    start: Start, traces: Collector, provider: Upstream
) -> None:
    api, worker = await start("api"), await start("worker")
    key = await asyncio.to_thread(api.api_key)
    async with httpx.AsyncClient(base_url=api.url, timeout=60) as client:
        client.headers["authorization"] = f"Bearer {key}"
        answered = await client.post(
            "/v1/responses",
            json={"model": "canary", "input": QUESTION},
            headers={"traceparent": f"00-{CALLER[0]}-{CALLER[1]}-01"},
        )
        refused = await client.post("/v1/responses", json={"model": "none", "input": QUESTION})
    body = answered.json()
    assert body["output"][0]["content"][0]["text"] == f"{ANSWER} one two"
    assert refused.status_code == 404
    wanted = {"turn", "POST /v1/responses", "submit", "queue", "attempt", "context", "commit"}
    wanted.add("chat canary")
    spans = await whole(traces, body["id"], wanted)
    one_tree(spans)
    named = {span.name: span for span in spans}
    assert set(named) == wanted
    assert {s.name for s in spans if s.role == "api"} == {"POST /v1/responses", "submit"}
    request, attempt, call = named["POST /v1/responses"], named["attempt"], named["chat canary"]
    assert named["submit"].parent_id == request.span_id
    assert request.links == (CALLER,)
    assert request.attributes["tertulia.request.id"] == answered.headers["x-request-id"]
    assert call.parent_id == named["context"].parent_id == attempt.span_id
    assert call.attributes["gen_ai.usage.output_tokens"] == body["usage"]["output_tokens"]
    assert call.attributes["gen_ai.response.finish_reasons"] == ["stop"]
    assert call.kind == 3  # a client's
    assert provider.headers[-1]["traceparent"] == f"00-{call.trace_id}-{call.span_id}-01"
    assert named["turn"].attributes["tertulia.status"] == "completed"
    for server in (worker, api):
        assert await asyncio.to_thread(server.stop) == 0
    said = b"".join(traces.bodies).decode("utf-8", "replace")
    said += api.log.read_text() + worker.log.read_text()
    for canary in (QUESTION, ANSWER, PASSWORD):
        assert canary not in said
    (accepted,) = [line for line in lines(api) if line["event"] == "turn_accepted"]
    assert (accepted["response_id"], accepted["trace_id"]) == (body["id"], call.trace_id)
    assert accepted["request_id"] == answered.headers["x-request-id"]
    (told,) = [line for line in lines(api) if line["event"] == "turn_refused"]
    assert (told["code"], told["request_id"]) == (
        "model_not_found",
        refused.headers["x-request-id"],
    )
    codes = {line["status"]: line["code"] for line in lines(api) if line["event"] == "request"}
    assert codes == {200: None, 404: "model_not_found"}
    (ended,) = [line for line in lines(worker) if line["event"] == "turn_ended"]
    assert (ended["response_id"], ended["trace_id"]) == (body["id"], call.trace_id)
    assert (ended["attempt"], ended["worker_id"]) == (1, attempt.attributes["tertulia.worker.id"])


async def test_a_takeover_shows_both_attempts(start: Start, traces: Collector) -> None:
    api, first = await start("api"), await start("worker")
    key = await asyncio.to_thread(api.api_key)
    async with httpx.AsyncClient(base_url=api.url, timeout=60) as client:
        client.headers["authorization"] = f"Bearer {key}"
        # It falls silent, and goes on where its beginning is known.
        asked = {"model": "scripted", "input": "chunks=6 hang at 3", "stream": True}
        said, response_id = "", ""
        async with client.stream("POST", "/v1/responses", json=asked) as stream:
            async for event in events(stream):
                response_id = response_id or event["response"]["id"]
                if event["type"] == "response.output_text.delta":
                    said += event["delta"]
                    if said == "w0 w1 w2":
                        await start("worker")
                        await asyncio.to_thread(first.kill)
    assert said == "w0 w1 w2 w3 w4 w5"
    wanted = {"submit", "POST /v1/responses", "chat scripted"}
    spans = await whole(traces, response_id, wanted)
    one_tree(spans)
    attempts = {s.attributes["tertulia.attempt"]: s for s in spans if s.name == "attempt"}
    assert set(attempts) == {1, 2}
    assert (attempts[1].error, attempts[2].error) == ("worker_lost", "")
    (root,) = [s for s in spans if s.name == "turn"]
    assert (root.attributes["tertulia.attempts"], root.attributes["tertulia.crashes"]) == (2, 1)


async def test_a_message_on_the_feed_is_a_turn_too(start: Start, traces: Collector) -> None:
    """With no request around it: a socket is not one, and what it submits are many turns."""
    server = await start("serve")
    key = await asyncio.to_thread(server.api_key)
    url = server.url.replace("http", "ws", 1) + "/v1/feed"
    async with connect(url, compression=None, proxy=None) as socket:
        await socket.send(json.dumps({"type": "auth", "token": key}))
        asked = {"type": "response.create", "request_id": "r1", "model": "scripted"}
        await socket.send(json.dumps({**asked, "input": "chunks=3"}))
        while (message := json.loads(await socket.recv()))["type"] != "ack":
            pass
    wanted = {"turn", "submit", "queue", "attempt", "context", "chat scripted", "commit"}
    spans = await whole(traces, message["response_id"], wanted)
    one_tree(spans)
    assert {span.name for span in spans} == wanted
    assert {span.role for span in spans} == {"serve"}

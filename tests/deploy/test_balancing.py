"""Through the balancers that are shipped: words come as they are written, and when the node that
serves them is killed, clients go on at the other."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from tests.deploy.balanced import BALANCERS, PER_ADDRESS, Deployment
from tests.e2e.server import Server
from tests.support.helm import of_kind, render
from tests.support.live import TERMINAL, Device
from tests.support.services.postgres import Postgres
from tests.support.services.rabbitmq import RabbitMq
from tests.support.services.redis import RedisServer
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tertulia.domain.frame import ATTEMPT_SPAN

pytestmark = [pytest.mark.e2e, pytest.mark.faults]

WORDS, HUNG = 40, 12
BODY = {"model": "scripted", "input": f"chunks={WORDS} hang at {HUNG}"}
#: Written before it hangs: what comes of it while it does was not held back.
BEFORE = " ".join(f"w{n}" for n in range(HUNG))
WHOLE = " ".join(f"w{n}" for n in range(WORDS))


@pytest.fixture(scope="module")
def store(postgres: Postgres) -> Iterator[str]:
    name = postgres.database()
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture(scope="module")
def deployment(
    tmp_path_factory: pytest.TempPathFactory,
    postgres: Postgres,
    store: str,
    redis_server: RedisServer,
    rabbitmq_server: RabbitMq,
) -> Iterator[Deployment]:
    keys = postgres.database()
    shared = {
        "TERTULIA_STORE": store,
        "TERTULIA_KEYS": postgres.url(keys),
        "TERTULIA_QUEUE": rabbitmq_server.url,
        "TERTULIA_EVENTLOG": redis_server.url,
        "TERTULIA_CACHE": redis_server.url,
        "TERTULIA_MASTER_KEY": base64.b64encode(bytes(range(32))).decode(),
    }
    started = Deployment(tmp_path_factory.mktemp("nodes"), shared)
    try:
        started.start()
        yield started
    finally:
        started.stop()
        postgres.drop(keys)


@pytest.fixture(params=BALANCERS)
def address(
    request: pytest.FixtureRequest, deployment: Deployment, tmp_path: Path
) -> Iterator[str]:
    """Of a balancer before both nodes."""
    balancer = BALANCERS[request.param](tmp_path, deployment.apis)
    balancer.start()
    yield f"127.0.0.1:{balancer.port}"
    balancer.stop()
    for node in deployment.apis:
        if node.process is None or node.process.poll() is not None:
            node.start()


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


class Reader:
    """Reads one answer over whatever connection it is given, and remembers it."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    @property
    def text(self) -> str:
        return "".join(str(event.get("delta", "")) for event in self.events)

    @property
    def last(self) -> int:
        number: int = self.events[-1]["sequence_number"]
        return number

    @property
    def response_id(self) -> str:
        return str(self.events[0]["response"]["id"])

    async def until_it_hangs(self, events: AsyncIterator[dict[str, Any]]) -> None:
        while self.text.strip() != BEFORE:
            self.events.append(await anext(events))

    async def to_the_end(self, events: AsyncIterator[dict[str, Any]]) -> None:
        while self.events[-1]["type"] not in TERMINAL:
            self.events.append(await anext(events))

    def check(self) -> None:
        """Every word once, and every number once; the second attempt counts from its own start."""
        assert self.events[-1]["type"] == "response.completed"
        assert self.text == WHOLE
        numbers = [event["sequence_number"] for event in self.events]
        cut = numbers.index(ATTEMPT_SPAN)
        assert numbers[:cut] == list(range(cut))
        assert numbers[cut:] == list(range(ATTEMPT_SPAN, ATTEMPT_SPAN + len(numbers) - cut))


async def over_sse(answer: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    async for line in answer.aiter_lines():
        if line.startswith("data: {"):
            yield json.loads(line[6:])


async def over_feed(device: Device, response_id: str) -> AsyncIterator[dict[str, Any]]:
    while True:
        message = await device.next()
        ours = message["type"] == "event" and message["response_id"] == response_id
        # Tertulia's own events have no number.
        if ours and "sequence_number" in message["event"]:
            yield message["event"]


async def connected(stack: AsyncExitStack, address: str, key: str) -> Device:
    url = f"ws://{address}/v1/feed"
    socket = await stack.enter_async_context(connect(url, compression=None, proxy=None))
    device = Device(socket)
    await device.send(type="auth", token=key)
    device.hello = await device.receive("hello")
    return device


async def kill(node: Server) -> None:
    await asyncio.to_thread(node.kill)


async def test_server_sent_events_go_on_at_the_other_node(
    deployment: Deployment, address: str, stack: AsyncExitStack
) -> None:
    client = await stack.enter_async_context(
        httpx.AsyncClient(
            base_url=f"http://{address}",
            headers={"authorization": f"Bearer {deployment.key}"},
            timeout=60,
        )
    )
    reader = Reader()
    async with client.stream("POST", "/v1/responses", json={**BODY, "stream": True}) as answer:
        events = over_sse(answer)
        await reader.until_it_hangs(events)
        await kill(deployment.serving("sse"))
        with pytest.raises(httpx.TransportError):
            await reader.to_the_end(events)
    assert reader.text.strip() == BEFORE
    query = {"stream": "true", "starting_after": str(reader.last)}
    path = f"/v1/responses/{reader.response_id}"
    async with client.stream("GET", path, params=query) as answer:
        assert answer.status_code == 200
        await asyncio.to_thread(deployment.hand_over)
        await reader.to_the_end(over_sse(answer))
    reader.check()
    stored = (await client.get(path)).json()
    assert stored["output"][0]["content"][0]["text"] == WHOLE


async def test_a_feed_goes_on_at_the_other_node(
    deployment: Deployment, address: str, stack: AsyncExitStack
) -> None:
    device = await connected(stack, address, deployment.key)
    response_id = await device.create(f"feed-{address}", **BODY)
    reader = Reader()
    events = over_feed(device, response_id)
    await reader.until_it_hangs(events)
    await kill(deployment.serving("feed"))
    with pytest.raises(ConnectionClosed):
        await reader.to_the_end(events)
    device = await connected(stack, address, deployment.key)
    await device.send(type="subscribe", response_id=response_id, starting_after=reader.last)
    await asyncio.to_thread(deployment.hand_over)
    await reader.to_the_end(over_feed(device, response_id))
    reader.check()


async def test_workers_are_scaled_by_what_is_unfinished(
    deployment: Deployment, address: str, store: str, stack: AsyncExitStack
) -> None:
    """The query of the chart, asked of a real store."""
    enabled = ["--set-json", "worker.autoscaling.enabled=true"]
    trigger = of_kind(render(*enabled), "ScaledObject")[0]["spec"]["triggers"][0]
    database = await asyncpg.connect(store)
    stack.push_async_callback(database.close)
    assert await database.fetchval(trigger["metadata"]["query"]) == 0
    device = await connected(stack, address, deployment.key)
    ids = [await device.create(f"{n}-{address}", **BODY) for n in range(3)]
    # Two of them run, since a user has two at once, and one waits.
    assert await database.fetchval(trigger["metadata"]["query"]) == 3
    for response_id in ids:
        await device.send(type="response.cancel", response_id=response_id)
    for response_id in ids:
        await device.follow(response_id)
    assert await database.fetchval(trigger["metadata"]["query"]) == 0


def test_numbers_are_not_for_the_public(deployment: Deployment, address: str) -> None:
    assert httpx.get(f"http://{address}/healthz").status_code == 200
    assert httpx.get(f"http://{address}/metrics").status_code == 404
    assert httpx.get(f"{deployment.apis[0].url}/metrics").status_code == 200


def test_clients_are_counted_each_whatever_they_claim(
    deployment: Deployment, address: str, request: pytest.FixtureRequest
) -> None:
    def client(own: str) -> httpx.Client:
        transport = httpx.HTTPTransport(local_address=own)
        return httpx.Client(base_url=f"http://{address}", transport=transport)

    def status(client: httpx.Client, claimed: str) -> int:
        return client.get("/v1/me", headers={"x-forwarded-for": claimed}).status_code

    # Addresses that no other run within the same minute has used up.
    number = 10 * (1 + list(BALANCERS).index(request.node.callspec.params["address"]))
    first, second = f"127.0.0.{number}", f"127.0.0.{number + 1}"
    with client(first) as many, client(second) as few:
        # Were they believed, each would be somebody else's first.
        seen = (status(many, f"203.0.{n // 250}.{n % 250}") for n in range(10 * PER_ADDRESS))
        assert 429 in seen
        assert [status(few, first) for _ in range(5)] == [401] * 5

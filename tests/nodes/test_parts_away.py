"""A queue, a Redis or a database that is away: what is accepted is answered all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.nodes.conftest import TURNS, Fleet
from tests.nodes.test_together import PERSON, ask, text_of
from tests.support.live import Live
from tests.support.readers import until
from tests.support.services.postgres import postgres_server
from tests.support.services.process import free_port
from tests.support.services.redis import RedisServer


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """One that a test may stop."""
    folder = tmp_path / "own-redis"
    folder.mkdir()
    server = RedisServer(folder)
    server.start()
    yield server
    server.stop()


async def readiness(node: Live) -> dict[str, bool]:
    client = await node.client()
    parts = (await client.get("/readyz")).json()["parts"]
    return {name: part["ready"] for name, part in parts.items()}


@pytest.mark.parametrize("scheme", ["redis", "amqp", "kafka", "nats"])
async def test_with_the_broker_away_workers_find_their_work(fleet: Fleet, scheme: str) -> None:
    """From the start on, and for as long as it lasts."""
    url = f"{scheme}://127.0.0.1:{free_port()}"
    api = await fleet.node("api", queue=url)
    worker = await fleet.node("worker", queue=url)
    for node in (api, worker):
        answer = await (await node.client()).get("/readyz")
        assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
        assert (await readiness(node))["queue"] is False
    token = await api.register(PERSON)
    answer = await ask(api, token, "chunks=3")
    assert (answer.status_code, text_of(answer.json())) == (200, "w0 w1 w2")


async def test_a_worker_of_one_slot_does_so_too(fleet: Fleet) -> None:
    """Though it listens with the only slot it has."""
    url = f"redis://127.0.0.1:{free_port()}"
    api = await fleet.node("api", queue=url)
    await fleet.node("worker", queue=url, turns=TURNS.model_copy(update={"slots": 1}))
    token = await api.register(PERSON)
    for _ in range(2):
        answer = await ask(api, token, "chunks=3")
        assert (answer.status_code, text_of(answer.json())) == (200, "w0 w1 w2")


async def test_rings_that_failed_are_made_up_for_when_the_broker_returns(
    fleet: Fleet, own_redis: RedisServer
) -> None:
    api = await fleet.node("api", queue=own_redis.url)
    token = await api.register(PERSON)
    device = await api.device(token)
    own_redis.kill()
    response_id = await device.create("r1", model="scripted", input="chunks=3")
    assert api.node.services.parts.unrung == {response_id}
    own_redis.start()
    await fleet.node("worker", queue=own_redis.url)
    assert (await device.follow(response_id))[-1]["type"] == "response.completed"


async def test_a_worker_takes_nothing_while_the_database_is_away(fleet: Fleet) -> None:
    """And takes again by itself when it is back."""
    with postgres_server() as own:
        fleet.store = own.url(own.prepared_database())
        api, worker = await fleet.node("api"), await fleet.node("worker")
        token = await api.register(PERSON)
        await asyncio.to_thread(own.stop)
        await api.node.services.parts.queue.ring(["resp_of_which_nobody_knows"])
        taker = worker.node.worker
        assert taker is not None
        await until(lambda: taker.pausing)
        await asyncio.to_thread(own.start)
        answer = await ask(api, token, "chunks=3")
        assert (answer.status_code, text_of(answer.json())) == (200, "w0 w1 w2")
        # Before its database is taken from it.
        await fleet.stack.aclose()


async def test_new_messages_wait_for_the_database_outside(fleet: Fleet) -> None:
    """503 with a time to come back at, and nothing half-accepted."""
    api = await fleet.node("api")
    token = await api.register(PERSON)
    await api.node.services.parts.store.close()
    answer: httpx.Response = await ask(api, token, "chunks=3")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert (await readiness(api))["store"] is False

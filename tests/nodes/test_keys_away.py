"""The database of users' keys goes and comes back, beside a store that stays."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from tests.nodes.conftest import Fleet
from tests.nodes.test_parts_away import readiness
from tests.nodes.test_together import PERSON, ask, text_of
from tests.support.keys import MASTER_KEY
from tests.support.readers import until
from tests.support.services.postgres import Postgres, postgres_server


@pytest.fixture
def keys_server() -> Iterator[Postgres]:
    with postgres_server() as server:
        yield server


async def test_who_is_known_is_served_and_others_wait(fleet: Fleet, keys_server: Postgres) -> None:
    keys = {
        "keys": keys_server.url(keys_server.database()),
        "master_key": SecretStr(MASTER_KEY),
    }
    api, worker = await fleet.node("api", **keys), await fleet.node("worker", **keys)
    known, other = await api.register(PERSON), await api.register("ben@example.org")
    assert (await ask(api, known, "chunks=2")).status_code == 200
    client = await api.client(other)
    # Known to the API node, and not yet to the worker.
    made = await client.post("/v1/conversations", json={"title": "Later"})
    assert made.status_code == 200, made.text
    assert await readiness(api) == dict.fromkeys(await readiness(api), True)

    await asyncio.to_thread(keys_server.stop)
    assert (await readiness(api))["keys"] is False
    answer = await ask(api, known, "chunks=3")
    assert (answer.status_code, text_of(answer.json())) == (200, "w0 w1 w2")
    unknown = await ask(api, await api.register("cat@example.org"), "chunks=3")
    assert unknown.status_code == 503
    assert int(unknown.headers["retry-after"]) >= 1

    # However often the worker has tried, no attempt was spent on it.
    device, taker = await api.device(other), worker.node.worker
    response_id = await device.create("r1", model="scripted", input="chunks=3")
    assert taker is not None
    for _ in range(3):
        await until(lambda: taker.pausing)
        await until(lambda: not taker.pausing)
    await asyncio.to_thread(keys_server.start)
    events = await device.follow(response_id)
    assert events[-1]["type"] == "response.completed"
    user = (await client.get("/v1/me")).json()["id"]
    done = (await api.node.services.parts.store.get(user, response_id)).response
    assert (done.status, done.attempt, done.crashes) == ("completed", 1, 0)
    assert (await readiness(worker))["keys"] is True
    # Before its database is taken from it.
    await fleet.stack.aclose()

"""A user who goes in mid-answer, on a deployment of several nodes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from tests.nodes.conftest import Fleet
from tests.nodes.test_together import PERSON, bearer
from tests.support.live import PASSWORD, Live

from tertulia.errors import NotFound
from tertulia.settings import Feed
from tertulia.turns.remove import Remover

RUNNING = {"model": "scripted", "input": "chunks=50 hang at 5", "stream": True}


async def begun(node: Live, token: str) -> tuple[httpx.Response, AsyncIterator[str]]:
    """A stream that has shown its first words, and the rest of its lines."""
    client = await node.client(token)
    request = client.build_request("POST", "/v1/responses", json=RUNNING)
    answer = await client.send(request, stream=True)
    lines = answer.aiter_lines()
    async for line in lines:
        if line == "event: response.output_text.delta":
            break
    return answer, lines


async def delete(node: Live, token: str) -> int:
    client = await node.client()
    answer = await client.request(
        "DELETE", "/v1/me", json={"password": PASSWORD}, headers=bearer(token)
    )
    return answer.status_code


async def test_a_removal_in_mid_stream_is_seen_on_all_nodes(
    fleet: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    patient = Feed(recheck_seconds=3600)
    here, there = await fleet.node("api", feed=patient), await fleet.node("api", feed=patient)
    worker = (await fleet.node("worker")).node.worker
    assert worker is not None
    token, other = await here.register(PERSON), await here.register("ben@example.org")
    phone = await there.device(token)
    ben = await there.device(other)
    bens = await ben.create("r1", model="scripted", input="chunks=40 rate=40")
    answer, lines = await begun(there, token)
    user_id = (await (await there.client(token)).get("/v1/me")).json()["id"]

    assert await delete(here, token) == 204
    assert await phone.code() == 4001
    rest = [line async for line in lines]
    await answer.aclose()
    assert "event: error" in rest
    client = await there.client(token)
    assert (await client.get("/v1/me")).status_code == 401
    assert (await ben.follow(bens))[-1]["type"] == "response.completed"
    assert worker.running == 0

    for node in (here, there):
        with pytest.raises(NotFound):
            await node.node.services.parts.store.conversations(user_id, limit=1, after=None)
    said = capsys.readouterr().out
    assert "turn_crashed" not in said
    assert "[error" not in said


async def test_what_one_node_has_begun_another_finishes(fleet: Fleet) -> None:
    here, there = await fleet.node("api"), await fleet.node("api")
    await fleet.node("worker")
    token = await here.register(PERSON)
    client = await here.client(token)
    done = await client.post("/v1/responses", json={"model": "scripted", "input": "chunks=3"})
    user_id = (await client.get("/v1/me")).json()["id"]
    parts = here.node.services.parts
    # And then this node dies.
    assert await Remover(parts.store, parts.log, parts.bus).begin(user_id)
    assert (await (await there.client(token)).get("/v1/me")).status_code == 401
    beyond = there.node.services.parts
    assert list(await beyond.store.removals()) == [user_id]
    await Remover(beyond.store, beyond.log, beyond.bus).finish_all()
    assert not await parts.store.removals()
    subscription = await parts.log.subscribe(user_id, done.json()["id"], None, lambda: None)
    assert not subscription.exists
    subscription.close()
    with pytest.raises(NotFound):
        await parts.store.get(user_id, done.json()["id"])

"""API nodes and workers that share a deployment: what one does the others show."""

from __future__ import annotations

import httpx
from tests.nodes.conftest import Fleet
from tests.support.live import TERMINAL, Live

PERSON = "ann@example.org"


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def ask(node: Live, token: str, text: str, **more: object) -> httpx.Response:
    client = await node.client(token)
    return await client.post("/v1/responses", json={"model": "scripted", "input": text, **more})


def text_of(body: dict[str, object]) -> str:
    assert isinstance(body["output"], list)
    text: str = body["output"][0]["content"][0]["text"]
    return text


async def test_a_message_is_answered_by_a_worker_elsewhere(fleet: Fleet) -> None:
    first, second = await fleet.node("api"), await fleet.node("api")
    await fleet.node("worker")
    token = await first.register(PERSON)
    answer = await ask(second, token, "chunks=5")
    assert (answer.status_code, text_of(answer.json())) == (200, "w0 w1 w2 w3 w4")
    client = await first.client(token)
    again = await client.get(f"/v1/responses/{answer.json()['id']}")
    assert again.json()["output"] == answer.json()["output"]


async def test_a_response_waits_for_the_first_worker(fleet: Fleet) -> None:
    api = await fleet.node("api")
    token = await api.register(PERSON)
    device = await api.device(token)
    response_id = await device.create("r1", model="scripted", input="chunks=3")
    await fleet.node("worker")
    events = await device.follow(response_id)
    assert events[-1]["type"] == "response.completed"


async def test_devices_at_different_nodes_are_in_step(fleet: Fleet) -> None:
    here, there = await fleet.node("api"), await fleet.node("api")
    await fleet.node("worker")
    token = await here.register(PERSON)
    desk, phone = await here.device(token), await there.device(token)
    client = await here.client(token)
    made = (await client.post("/v1/conversations", json={})).json()
    heard = await phone.receive("feed")
    assert heard["event"]["conversation"]["id"] == made["id"]
    await desk.send(type="typing", conversation_id=made["id"])
    assert (await phone.receive("typing"))["conversation_id"] == made["id"]
    response_id = await desk.create(
        "r1", model="scripted", input="chunks=8", conversation=made["id"]
    )
    await phone.send(type="subscribe", response_id=response_id)
    assert await phone.follow(response_id) == await desk.follow(response_id)
    assert not [m for m in desk.messages if m["type"] == "typing"]


async def test_what_is_revoked_at_one_node_ends_at_the_others(fleet: Fleet) -> None:
    here, there = await fleet.node("api"), await fleet.node("api")
    token = await here.register(PERSON)
    phone = await there.device(token)
    client = await there.client(token)
    assert (await client.get("/v1/me")).status_code == 200
    other = await here.client(token)
    done = await other.post("/auth/logout")
    assert done.is_success
    assert await phone.code() == 4001
    assert (await client.get("/v1/me")).status_code == 401


async def test_a_running_answer_is_cancelled_from_any_node(fleet: Fleet) -> None:
    here, there = await fleet.node("api"), await fleet.node("api")
    await fleet.node("worker")
    token = await here.register(PERSON)
    desk = await here.device(token)
    response_id = await desk.create("r1", model="scripted", input="chunks=50 hang at 5")
    while "delta" not in str(desk.events(response_id)):
        await desk.next()
    client = await there.client(token)
    assert (await client.post(f"/v1/responses/{response_id}/cancel")).status_code == 200
    last = (await desk.follow(response_id))[-1]
    assert last["type"] in TERMINAL
    assert last["response"]["status"] == "cancelled"


async def test_a_worker_that_goes_hands_over(fleet: Fleet) -> None:
    api = await fleet.node("api")
    token = await api.register(PERSON)
    device = await api.device(token)
    leaving = await fleet.node("worker")
    response_id = await device.create("r1", model="scripted", input="chunks=30 hang at 10")
    while "w9" not in str(device.events(response_id)):
        await device.next()
    await fleet.node("worker")
    assert leaving.node.worker is not None
    await leaving.node.worker.stop()
    events = await device.follow(response_id)
    deltas = [e["delta"] for e in events if e["type"] == "response.output_text.delta"]
    assert "".join(deltas) == " ".join(f"w{n}" for n in range(30))
    assert events[-1]["type"] == "response.completed"


async def test_limits_count_over_all_nodes(fleet: Fleet) -> None:
    first, second = await fleet.node("api"), await fleet.node("api")
    key = "limit-of-the-test"
    for node in (first, second):
        assert await node.node.services.limiter.hit(key, limit=2, seconds=60) == 0
    assert await first.node.services.limiter.hit(key, limit=2, seconds=60) > 0

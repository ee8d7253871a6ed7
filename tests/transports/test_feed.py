"""The feed over a real socket: create, follow, resume, several devices in step."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from tests.support.live import Device, Live, live
from tests.support.sse import all_events

from tertulia.domain.compose import Composer
from tertulia.domain.event import frame
from tertulia.domain.principal import Principal
from tertulia.settings import Limits, Turns


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path) as started:
        yield started


@pytest.fixture
async def client(server: Live) -> httpx.AsyncClient:
    return await server.client()


@pytest.fixture
async def device(server: Live) -> Device:
    return await server.device()


async def me(server: Live) -> Principal:
    return await server.node.services.accounts.local_principal()


async def followed(device: Device, response_id: str, **position: int) -> list[dict[str, Any]]:
    """Subscribe and read to the end; only what came for this subscription."""
    before = len(device.events(response_id))
    await device.send(type="subscribe", response_id=response_id, **position)
    await device.next()
    while not device.events(response_id)[before:] or not ended(device.events(response_id)[-1]):
        await device.next()
    return device.events(response_id)[before:]


def ended(event: dict[str, Any]) -> bool:
    return event["type"] in {"response.completed", "response.incomplete", "response.failed"}


async def test_hello(device: Device) -> None:
    assert device.hello["connection_id"].startswith("conn_")
    assert device.hello["limits"] == {"max_frame": 65536}
    assert set(device.hello["feed"]) == {"epoch", "offset"}


async def test_a_response_is_acknowledged_and_followed_from_the_start(
    device: Device, client: httpx.AsyncClient
) -> None:
    response_id = await device.create("r1", model="scripted", input="chunks=20")
    assert device.messages[-1] == {
        "type": "ack",
        "request_id": "r1",
        "response_id": response_id,
        "conversation_id": None,
    }
    events = await device.follow(response_id)
    path = f"/v1/responses/{response_id}"
    assert events == await all_events(client, "GET", path, params={"stream": "true"})


async def test_the_acknowledgement_goes_before_the_events(device: Device) -> None:
    for n in range(20):
        seen = len(device.messages)
        response_id = await device.create(f"r{n}", model="scripted", input="chunks=5")
        await device.follow(response_id)
        kinds = [m["type"] for m in device.messages[seen:] if m["type"] != "feed"]
        assert (kinds[0], set(kinds[1:])) == ("ack", {"event"})


async def test_a_request_that_is_sent_again_makes_nothing_new(server: Live, device: Device) -> None:
    body = {"model": "scripted", "input": "chunks=5"}
    first = await device.create("r1", **body)
    events = await device.follow(first)
    other = await server.device()
    assert await other.create("r1", **body) == first
    assert await other.follow(first) == events
    await other.send(type="response.create", request_id="r1", model="scripted", input="other")
    error = await other.receive("error", request_id="r1")
    assert error["error"]["code"] == "idempotency_key_reused"


async def test_every_position_goes_on_without_a_gap(device: Device) -> None:
    response_id = await device.create("r1", model="scripted", input="chunks=30")
    whole = list(await device.follow(response_id))
    for held, event in enumerate(whole[:-1], 1):
        number = event["sequence_number"]
        rest = await followed(device, response_id, starting_after=number)
        assert whole[:held] + rest == whole
    assert await followed(device, response_id) == whole


async def test_a_position_the_log_does_not_hold_is_lost(device: Device) -> None:
    response_id = await device.create("r1", model="scripted", input="chunks=3")
    whole = list(await device.follow(response_id))
    await device.send(type="subscribe", response_id=response_id, starting_after=500)
    error = await device.receive("error", response_id=response_id)
    assert error["error"]["code"] == "position_lost"
    assert await followed(device, response_id) == whole


async def test_devices_are_in_step(server: Live, client: httpx.AsyncClient) -> None:
    """Whoever speaks, everybody sees the same events of the same responses."""
    devices = [await server.device() for _ in range(3)]
    made = await client.post("/v1/conversations", json={"title": "Together"})
    conversation = made.json()["id"]
    told: list[list[dict[str, Any]]] = []
    for device in devices:
        created = await device.receive("feed")
        assert created["event"]["type"] == "conversation.created"
        assert created["event"]["conversation"]["title"] == "Together"
    response_id = await devices[0].create(
        "r1", model="scripted", input="rate=200 chunks=30", conversation=conversation
    )
    for device in devices[1:]:
        while True:
            event = (await device.receive("feed"))["event"]
            if event["type"] == "response.started":
                break
        assert event["response_id"] == response_id
        assert event["conversation_id"] == conversation
        await device.send(type="subscribe", response_id=response_id)
    told = await asyncio.gather(*(device.follow(response_id) for device in devices))
    assert told[0] == told[1] == told[2]
    assert told[0][-1]["response"]["status"] == "completed"
    for device in devices:
        while not any(m.get("event", {}).get("type") == "response.ended" for m in device.messages):
            await device.next()
        offsets = [m["offset"] for m in device.messages if m["type"] == "feed"]
        assert offsets == list(range(offsets[0], offsets[0] + len(offsets)))


async def test_a_device_that_comes_back_is_told_what_it_missed(
    server: Live, client: httpx.AsyncClient
) -> None:
    first = await server.device()
    position = first.hello["feed"]
    await first.socket.close()
    for title in ("one", "two"):
        await client.post("/v1/conversations", json={"title": title})
    again = await server.device(feed=position)
    assert again.hello["feed"]["epoch"] == position["epoch"]
    titles = [(await again.receive("feed"))["event"]["conversation"]["title"] for _ in range(2)]
    assert titles == ["one", "two"]


@pytest.mark.parametrize(
    "position",
    [{"epoch": "other", "offset": 0}, {"epoch": 1}, {"epoch": "x", "offset": -1}],
)
async def test_a_position_of_another_feed_leads_to_a_resync(
    server: Live, position: dict[str, Any]
) -> None:
    device = await server.device(feed=position)
    assert (await device.next())["type"] == "resync"


async def test_a_position_ahead_of_the_feed_leads_to_a_resync(server: Live, device: Device) -> None:
    position = {**device.hello["feed"], "offset": device.hello["feed"]["offset"] + 100}
    other = await server.device(feed=position)
    assert (await other.next())["type"] == "resync"


async def test_typing_shows_on_the_other_devices_only(server: Live, device: Device) -> None:
    other = await server.device()
    await device.send(type="typing", conversation_id="conv_1")
    assert await other.next() == {"type": "typing", "conversation_id": "conv_1"}
    await device.send(type="unsubscribe", response_id="none")
    await device.send(type="nonsense")
    assert (await device.next())["type"] == "error"


async def test_cancel(device: Device) -> None:
    response_id = await device.create("r1", model="scripted", input="chunks=3 hang at 2")
    while not any("delta" in e["type"] for e in device.events(response_id)):
        await device.next()
    await device.send(type="response.cancel", response_id=response_id)
    events = await device.follow(response_id)
    assert events[-1]["type"] == "response.incomplete"
    assert events[-1]["response"]["status"] == "cancelled"


async def test_a_client_that_leaves_cancels_nothing(server: Live, device: Device) -> None:
    response_id = await device.create("r1", model="scripted", input="rate=100 chunks=20")
    await device.socket.close()
    other = await server.device()
    events = await followed(other, response_id)
    assert events[-1]["response"]["status"] == "completed"


async def test_unsubscribed_is_silent(device: Device, client: httpx.AsyncClient) -> None:
    response_id = await device.create("r1", model="scripted", input="delay=0.3 chunks=3")
    await device.send(type="unsubscribe", response_id=response_id)
    path = f"/v1/responses/{response_id}"
    await all_events(client, "GET", path, params={"stream": "true"})
    await device.send(type="nonsense")
    await device.receive("error")
    assert not [e for e in device.events(response_id) if "delta" in e["type"]]


async def test_who_waits_is_told_the_place(tmp_path: Path) -> None:
    turns = Turns(grace_seconds=0, reader_recheck_seconds=0.05)
    async with live(tmp_path, limits=Limits(running_per_user=1), turns=turns) as server:
        device = await server.device()
        first = await device.create("r1", model="scripted", input="hang")
        await device.create("r2", model="scripted", input="hang")
        third = await device.create("r3", model="scripted", input="echo: now")
        told = await places(device, third, 1)
        assert told[0] == {
            "type": "tertulia:position",
            "after": 1,
            "position": 2,
            "expected_wait_ms": None,
        }
        await device.send(type="response.cancel", response_id=first)
        told = await places(device, third, 2)
        assert [t["position"] for t in told] == [2, 1]
        assert told[1]["expected_wait_ms"] > 0


async def places(device: Device, response_id: str, count: int) -> list[dict[str, Any]]:
    """What it was told of its place, once so often."""
    while True:
        told = [e for e in device.events(response_id) if e["type"] == "tertulia:position"]
        if len(told) >= count:
            return told
        await device.next()


async def test_a_log_that_was_lost_and_begun_anew(server: Live, client: httpx.AsyncClient) -> None:
    """Readers are told that their position is gone; who begins again sees what there is."""
    device = await server.device()
    response_id = await device.create("r1", model="scripted", input="chunks=9 hang at 2")
    while not any("delta" in e["type"] for e in device.events(response_id)):
        await device.next()
    user_id = (await me(server)).user_id
    parts = server.node.services.parts
    path = f"/v1/responses/{response_id}"
    async with client.stream("GET", path, params={"stream": "true"}) as stream:
        lines = stream.aiter_lines()
        while "output_text.delta" not in await anext(lines):
            pass
        await parts.log.drop([response_id])
        await parts.log.open(user_id, response_id, 2)
        response = (await parts.store.get(user_id, response_id)).response
        composer = Composer(msgspec.structs.replace(response, attempt=2), ())
        await parts.log.append(user_id, response_id, 2, composer.begin())
        rest = [line async for line in lines]
    assert "event: error" in rest
    assert "position_lost" in "".join(rest)
    assert "data: [DONE]" not in rest
    error = await device.receive("error", response_id=response_id)
    assert error["error"]["code"] == "position_lost"
    seen = len(device.messages)
    await device.send(type="subscribe", response_id=response_id)
    await device.receive("event")
    first = next(m for m in device.messages[seen:] if m["type"] == "event")["event"]
    assert (first["type"], first["sequence_number"]) == ("response.created", 2**20)


async def test_a_takeover_is_announced(server: Live, client: httpx.AsyncClient) -> None:
    """Another worker goes on with a response whose first one hangs."""
    device = await server.device()
    response_id = await device.create("r1", model="scripted", input="chunks=9 hang at 2")
    path = f"/v1/responses/{response_id}"
    user_id = (await me(server)).user_id
    parts = server.node.services.parts
    while not any("delta" in e["type"] for e in device.events(response_id)):
        await device.next()
    plain = asyncio.create_task(all_events(client, "GET", path, params={"stream": "true"}))
    ours = asyncio.create_task(
        all_events(client, "GET", path, params={"stream": "true"}, headers={"tertulia-events": "1"})
    )
    held = await parts.log.open(user_id, response_id, 2)
    response = (await parts.store.get(user_id, response_id)).response
    composer = Composer(msgspec.structs.replace(response, attempt=2, status="in_progress"), held)
    await parts.log.append(user_id, response_id, 2, composer.begin())
    await parts.log.append(user_id, response_id, 2, composer.write(" and on"))
    while " and on" not in str(device.events(response_id)[-1].get("delta")):
        await device.next()
    events = device.events(response_id)
    at = [event["type"] for event in events].index("tertulia:attempt")
    last = held[-1].sequence_number
    assert events[at] == {"type": "tertulia:attempt", "after": last, "attempt": 2}
    assert events[at - 1]["sequence_number"] == last
    assert events[at + 1]["sequence_number"] == 2**20

    await client.post(f"{path}/cancel")
    # The row knows of no second attempt: end the log as its worker would.
    end = composer.end("incomplete")
    terminal = frame(composer.next_number, "response.incomplete", {"response": {}})
    await parts.log.append(user_id, response_id, 2, [*end, terminal])
    standard, all_of_it = await plain, await ours
    assert not [e for e in standard if e["type"].startswith("tertulia:")]
    assert [e for e in all_of_it if e["type"] != "tertulia:attempt"] == standard
    assert events[at] in all_of_it

"""A feed connection's life: who gets in, what is answered with an error, what ends it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.support.live import PASSWORD, Device, Live, live
from websockets.exceptions import InvalidStatus

from tertulia.errors import NotFound
from tertulia.settings import Feed, Limits, Tokens, Turns
from tertulia.turns.read import follow

Start = Callable[..., Awaitable[Live]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def started(**changes: Any) -> Live:
            return await stack.enter_async_context(live(tmp_path, **changes))

        yield started


async def test_the_token_comes_first_and_in_time(start: Start) -> None:
    server = await start(auth=True, feed=Feed(auth_seconds=0.2))
    silent = await server.socket()
    assert await silent.code() == 4009
    for first in (
        {"type": "auth", "token": "nonsense"},
        {"type": "auth", "token": None},
        {"type": "auth", "token": 7},
        {"type": "subscribe", "response_id": "resp_1"},
    ):
        device = await server.socket()
        await device.send(**first)
        assert await device.code() == 4001
    garbage = await server.socket()
    await garbage.socket.send("{")
    assert await garbage.code() == 4001
    token = await server.register("ann@example.org")
    assert (await server.device(token)).hello["type"] == "hello"


async def test_foreign_responses_are_none(start: Start) -> None:
    server = await start(auth=True)
    ann = await server.device(await server.register("ann@example.org"))
    ben = await server.device(await server.register("ben@example.org"))
    response_id = await ann.create("r1", model="scripted", input="hang")
    for kind in ("subscribe", "response.cancel"):
        await ben.send(type=kind, response_id=response_id)
        error = (await ben.receive("error", response_id=response_id))["error"]
        assert (error["code"], error["type"]) == ("not_found", "invalid_request_error")
    assert not [m for m in ben.messages if m["type"] in ("feed", "event")]


@pytest.mark.parametrize(
    ("sent", "param"),
    [
        ("{", None),
        ("[]", None),
        ('{"type":"auth","token":' + "[" * 5000 + "]" * 5000 + "}", None),
        ("{}", "type"),
        ('{"type":"sing"}', "type"),
        ('{"type":"subscribe"}', "response_id"),
        ('{"type":"subscribe","response_id":"resp_none"}', "response_id"),
        ('{"type":"subscribe","response_id":"r","starting_after":-1}', "starting_after"),
        ('{"type":"response.create","input":"x"}', "request_id"),
        ('{"type":"response.create","request_id":"r","input":5}', "input"),
        ('{"type":"response.create","request_id":"r","input":""}', "input"),
        ('{"type":"response.create","request_id":"r","input":"x","model":"none"}', "model"),
        ('{"type":"typing"}', "conversation_id"),
        (b"binary", None),
    ],
)
async def test_what_is_wrong_is_answered_and_the_connection_goes_on(
    start: Start, sent: str | bytes, param: str | None
) -> None:
    server = await start()
    device = await server.device()
    await device.socket.send(sent)
    answer = await device.receive("error")
    assert answer["error"]["param"] == param
    if isinstance(sent, str) and '"request_id"' in sent and '"r"' in sent:
        assert answer["request_id"] == "r"
    response_id = await device.create("good", model="scripted", input="chunks=2")
    assert (await device.follow(response_id))[-1]["type"] == "response.completed"


async def test_too_big_a_message(start: Start) -> None:
    server = await start()
    for text in ("x" * 70_000, "é" * 40_000):
        device = await server.device()
        await device.socket.send(json.dumps({"type": "typing", "x": text}, ensure_ascii=False))
        assert await device.code() == 4013


async def test_too_many_connections(start: Start) -> None:
    server = await start(limits=Limits(connections_per_user=2))
    held = [await server.device(), await server.device()]
    third = await server.socket()
    await third.send(type="auth", token=None)
    assert await third.code() == 4004
    await held[0].socket.close()
    while True:  # the server learns of it in its own time
        again = await server.socket()
        await again.send(type="auth", token=None)
        try:
            await again.receive("hello")
        except Exception:  # noqa: BLE001 - turned away once more
            continue
        break


async def test_too_many_messages(start: Start) -> None:
    server = await start()
    device = await server.device()
    for _ in range(300):
        await device.socket.send('{"type":"pong"}')
    assert await device.code() == 4129


async def test_too_many_subscriptions(start: Start) -> None:
    server = await start(limits=Limits(waiting_per_user=100, requests_per_minute=1000))
    client = await server.client()
    body = {"model": "scripted", "input": "hang", "background": True}
    ids = [(await client.post("/v1/responses", json=body)).json()["id"] for _ in range(65)]
    device = await server.device()
    for each in ids:
        await device.send(type="subscribe", response_id=each)
    error = await device.receive("error", response_id=ids[-1])
    assert error["error"]["code"] == "too_many_subscriptions"
    await device.send(type="unsubscribe", response_id=ids[0])
    await device.send(type="subscribe", response_id=ids[-1])
    await device.receive("event", response_id=ids[-1])


async def test_a_pong_that_is_missed(start: Start) -> None:
    server = await start(feed=Feed(ping_seconds=0.1))
    mute = await server.device()
    polite = await server.device()
    deaf = asyncio.create_task(mute.code())
    talk = asyncio.create_task(polite.receive("nothing of the kind"))
    assert await deaf == 4201
    assert not talk.done()
    talk.cancel()


async def test_a_token_that_expires_and_one_that_is_renewed(start: Start) -> None:
    server = await start(auth=True, tokens=Tokens(access_seconds=4))
    token = await server.register("ann@example.org")
    client = await server.client(token)
    key = (await client.post("/v1/keys", json={"name": "device"})).json()["key"]
    left, renewed = await server.device(token), await server.device(token)
    await renewed.send(type="auth", token=key)
    assert await left.code() == 4202
    assert await answers(renewed)
    await renewed.send(type="auth", token="nonsense")
    assert await renewed.code() == 4001


async def test_another_users_token_does_not_renew(start: Start) -> None:
    server = await start(auth=True)
    ann = await server.device(await server.register("ann@example.org"))
    await ann.send(type="auth", token=await server.register("ben@example.org"))
    assert await ann.code() == 4003


async def answers(device: Device) -> bool:
    await device.send(type="subscribe", response_id="resp_none")
    error = (await device.receive("error"))["error"]
    return bool(error["code"] == "not_found")


async def test_what_another_process_has_revoked(start: Start) -> None:
    server = await start(auth=True, feed=Feed(recheck_seconds=0.1))
    client = await server.client(await server.register("ann@example.org"))
    made = (await client.post("/v1/keys", json={"name": "device"})).json()
    user_id = (await client.get("/v1/me")).json()["id"]
    device = await server.device(made["key"])
    await server.node.services.parts.store.revoke_key(user_id, made["id"])
    assert await device.code() == 4001


async def test_a_login_that_is_revoked_ends_at_once(start: Start) -> None:
    server = await start(auth=True, feed=Feed(recheck_seconds=3600))
    token = await server.register("ann@example.org")
    client = await server.client(token)
    made = (await client.post("/v1/keys", json={"name": "device"})).json()
    by_key, by_login = await server.device(made["key"]), await server.device(token)
    await client.delete(f"/v1/keys/{made['id']}")
    assert await by_key.code() == 4001
    assert await answers(by_login)
    other = await server.client()
    login = {"email": "ann@example.org", "password": PASSWORD}
    fresh = (await other.post("/auth/login", json=login)).json()["access_token"]
    change = {"current_password": PASSWORD, "new_password": "another good one"}
    headers = {"authorization": f"Bearer {fresh}"}
    assert (await other.post("/auth/password", json=change, headers=headers)).is_success
    assert await by_login.code() == 4001


async def test_drained(start: Start) -> None:
    server = await start()
    device = await server.device()
    drained = asyncio.create_task(server.node.services.feed.drain(0.05))
    assert await device.next() == {"type": "goaway", "in_ms": 50}
    assert await device.code() == 4200
    await drained


async def test_a_server_that_is_about_to_stop_takes_nobody(start: Start) -> None:
    server = await start(draining=lambda: True)
    assert await (await server.socket()).code() == 4200


async def test_a_feed_whose_history_is_gone_leads_to_a_resync(start: Start) -> None:
    server = await start()
    before = await server.device()
    await before.socket.close()
    client = await server.client()
    while server.node.services.feed._users:  # or the entries would still be at hand
        await client.get("/healthz")
    for title in ("one", "two", "three"):
        await client.post("/v1/conversations", json={"title": title})
    store = server.node.services.parts.store
    await store.purge(ephemeral_seconds=600, undo_seconds=600, feed_history=1)
    late = await server.device(feed=before.hello["feed"])
    assert (await late.next())["type"] == "resync"
    await client.post("/v1/conversations", json={"title": "four"})
    assert (await late.receive("feed"))["event"]["conversation"]["title"] == "four"


async def test_an_unstored_response_lives_on_its_connection_only(start: Start) -> None:
    server = await start(
        turns=Turns(grace_seconds=0, reader_recheck_seconds=0.2, abandoned_seconds=0.05)
    )
    device, other = await server.device(), await server.device()
    client = await server.client()
    body = {"model": "scripted", "input": "chunks=3", "store": False}
    done = await device.create("r1", **body)
    assert (await device.follow(done))[-1]["response"]["store"] is False
    await device.send(type="subscribe", response_id=done)
    await device.receive("event", response_id=done)
    await other.send(type="subscribe", response_id=done)
    assert (await other.receive("error"))["error"]["code"] == "not_found"
    assert (await client.get(f"/v1/responses/{done}")).status_code == 404

    hanging = await device.create("r2", **{**body, "input": "hang"})
    await device.socket.close()
    parts = server.node.services.parts
    user = await server.node.services.accounts.local_principal()
    with contextlib.suppress(NotFound):  # erased as soon as it has ended
        async for _ in follow(parts, user.user_id, hanging):
            pass
    assert server.node.models.calls()[-1].ended == "cancelled"
    assert not [m for m in other.messages if m["type"] == "feed"]


async def test_a_page_of_another_origin_is_not_served(start: Start) -> None:
    server = await start()
    with pytest.raises(InvalidStatus, match="403"):
        await server.socket(origin="https://evil.example")

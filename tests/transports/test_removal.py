"""Deleting one's account: who may, and what everybody sees of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.live import PASSWORD, Live, live
from tests.support.served import Served, bearer, error_of, refresh_with, registered
from tests.support.talk import talk
from tests.transports.conftest import Serve

from tertulia.accounts.throttle import PER_ACCOUNT
from tertulia.turns.remove import Remover

RIGHT = {"password": PASSWORD}
RUNNING = {"model": "scripted", "input": "chunks=50 hang at 5"}

Start = Callable[..., Awaitable[Live]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def started(**changes: Any) -> Live:
            return await stack.enter_async_context(live(tmp_path / "data", **changes))

        yield started


async def delete(client: httpx.AsyncClient, **body: Any) -> httpx.Response:
    return await client.request("DELETE", "/v1/me", json=body or RIGHT)


# --- who may ---------------------------------------------------------------------------------


async def test_nothing_is_left_of_an_account(served: Served) -> None:
    client, session = await registered(served)
    client.headers.update(bearer(session))
    old = client.cookies["tertulia_refresh"]
    key = (await client.post("/v1/keys", json={"name": "ci"})).json()["key"]
    await client.post("/v1/conversations", json={"title": "Mine"})
    gone = await delete(client)
    assert (gone.status_code, gone.content) == (204, b"")
    assert "tertulia_refresh" not in client.cookies
    assert error_of(await client.get("/v1/me"), 401)["code"] == "session_ended"
    error_of(await delete(client), 401)
    by_key = await client.get("/v1/me", headers={"authorization": f"Bearer {key}"})
    assert error_of(by_key, 401)["code"] == "invalid_api_key"
    assert error_of(await refresh_with(served, old), 401)["code"] == "invalid_session"
    login = await client.post("/auth/login", json={"email": "ann@example.org", **RIGHT})
    assert error_of(login, 401)["code"] == "invalid_credentials"
    assert not await served.store.removals()


async def test_the_address_is_free_again(served: Served) -> None:
    client = await served.user("ann@example.org")
    await client.post("/v1/conversations", json={"title": "Mine"})
    await delete(client)
    again = await served.user("ann@example.org")
    assert (await again.get("/v1/conversations")).json()["data"] == []
    made = await again.post("/v1/conversations", json={"title": "New"})
    assert made.json()["title"] == "New"


async def test_others_keep_theirs(ann: httpx.AsyncClient, ben: httpx.AsyncClient) -> None:
    made = (await ben.post("/v1/conversations", json={"title": "Ben's"})).json()
    await delete(ann)
    assert (await ben.get("/v1/me")).json()["email"] == "ben@example.org"
    assert (await ben.get("/v1/conversations")).json()["data"] == [made]


async def test_a_wrong_password_deletes_nothing(ann: httpx.AsyncClient) -> None:
    for _ in range(PER_ACCOUNT):
        refused = await delete(ann, password="a wrong one")
        assert error_of(refused, 401)["code"] == "invalid_credentials"
    assert error_of(await delete(ann), 429)["code"] == "too_many_attempts"
    assert (await ann.get("/v1/me")).status_code == 200


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "missing_field"),
        ({"password": 1}, "unprocessable"),
        ({"password": "x", "sure": True}, "unknown_field"),
        ({"password": "x" * 1025}, "unprocessable"),
    ],
)
async def test_bodies_that_say_something_else(
    ann: httpx.AsyncClient, body: dict[str, Any], code: str
) -> None:
    refused = await ann.request("DELETE", "/v1/me", json=body)
    assert error_of(refused, 422)["code"] == code


async def test_an_api_key_may_not(ann: httpx.AsyncClient) -> None:
    key = (await ann.post("/v1/keys", json={"name": "ci"})).json()["key"]
    by_key = {"authorization": f"Bearer {key}"}
    refused = await ann.request("DELETE", "/v1/me", json=RIGHT, headers=by_key)
    assert error_of(refused, 403)["code"] == "login_required"
    assert (await ann.get("/v1/me")).status_code == 200


async def test_without_sign_in_there_is_no_account(serve: Serve) -> None:
    served = await serve(auth=False)
    client = await served.client()
    refused = error_of(await delete(client), 403)
    assert refused["code"] == "no_accounts"
    assert "data folder" in refused["message"]
    assert (await client.get("/v1/me")).status_code == 200


# --- what is under way -----------------------------------------------------------------------


async def test_an_answer_under_way_stops_and_its_readers_are_told(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    server = await start(auth=True)
    token = await server.register("ann@example.org")
    client = await server.client(token)
    device, socket = await server.device(token), await talk(server, token)
    await socket.create("chunks=50 hang at 5")
    await socket.until("response.output_text.delta")
    async with client.stream("POST", "/v1/responses", json={**RUNNING, "stream": True}) as answer:
        lines = answer.aiter_lines()
        async for line in lines:
            if line == "event: response.output_text.delta":
                break
        assert (await delete(client)).status_code == 204
        rest = [line async for line in lines]
    error = json.loads(rest[rest.index("event: error") + 1].removeprefix("data: "))["error"]
    assert error["code"] in {"user_erased", "not_found"}
    assert (await device.code(), await socket.code()) == (4001, 1008)
    worker = server.node.worker
    assert worker is not None
    assert worker.running == 0
    assert not await server.node.services.parts.store.removals()
    said = capsys.readouterr().out
    assert said.count("turn_left") == 2
    assert "error" not in said


async def test_a_client_that_waits_for_the_whole_answer_is_told(start: Start) -> None:
    server = await start(auth=True)
    token = await server.register("ann@example.org")
    client, other = await server.client(token), await server.client(token)
    waiting = asyncio.create_task(client.post("/v1/responses", json=RUNNING))
    worker = server.node.worker
    assert worker is not None
    while not worker.running:
        await other.get("/v1/me")
    assert (await delete(other)).status_code == 204
    assert (await waiting).status_code in {401, 404}


async def test_a_feed_of_server_sent_events_is_closed(start: Start) -> None:
    server = await start(auth=True)
    client = await server.client(await server.register("ann@example.org"))
    async with client.stream("GET", "/v1/feed") as answer:
        lines = answer.aiter_lines()
        async for line in lines:
            if line == "event: hello":
                break
        assert (await delete(client)).status_code == 204
        rest = [line async for line in lines]
    assert json.loads(rest[rest.index("event: close") + 1].removeprefix("data: ")) == {
        "type": "close",
        "code": 4001,
    }


async def test_a_node_that_has_not_heard_of_it_finds_out(start: Start) -> None:
    server = await start(auth=True)
    token = await server.register("ann@example.org")
    client = await server.client(token)
    user_id = (await client.get("/v1/me")).json()["id"]
    parts = server.node.services.parts
    await Remover(parts.store, parts.log, None).begin(user_id)
    for refused in (
        await client.get("/v1/me"),
        await client.post("/v1/conversations", json={}),
        await client.post("/v1/responses", json=RUNNING),
        await client.post("/v1/keys", json={"name": "late"}),
        await delete(client),
    ):
        assert error_of(refused, 401)["code"] == "session_ended"
    socket = await server.socket()
    await socket.send(type="auth", token=token)
    assert await socket.code() == 4001

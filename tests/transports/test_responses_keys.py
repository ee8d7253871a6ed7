"""Idempotency keys, foreign users, and responses that are not stored."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.live import Live, live
from tests.support.sse import all_events, events

from tertulia.errors import NotFound
from tertulia.settings import Turns
from tertulia.turns.read import follow

ASK = {"model": "scripted", "input": "chunks=4"}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Live]:
    turns = Turns(grace_seconds=0, reader_recheck_seconds=0.2, abandoned_seconds=0.05)
    async with live(tmp_path, auth=True, turns=turns) as started:
        yield started


@pytest.fixture
async def ann(server: Live) -> httpx.AsyncClient:
    return await server.client(await server.register("ann@example.org"))


@pytest.fixture
async def ben(server: Live) -> httpx.AsyncClient:
    return await server.client(await server.register("ben@example.org"))


def keyed(key: str) -> dict[str, str]:
    return {"idempotency-key": key}


async def test_creates_that_race_with_one_key_give_one_response(ann: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(
        *(ann.post("/v1/responses", json=ASK, headers=keyed("k")) for _ in range(5))
    )
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert {answer.json()["status"] for answer in answers} == {"completed"}


async def test_a_repeated_stream_is_told_from_the_start(ann: httpx.AsyncClient) -> None:
    body = {**ASK, "stream": True}
    first = await all_events(ann, "POST", "/v1/responses", json=body, headers=keyed("k"))
    again = await all_events(ann, "POST", "/v1/responses", json=body, headers=keyed("k"))
    assert again == first
    plain = await ann.post("/v1/responses", json=ASK, headers=keyed("k"))
    assert plain.json() == first[-1]["response"]


async def test_a_repeated_background_create_shows_what_has_become_of_it(
    ann: httpx.AsyncClient,
) -> None:
    body = {**ASK, "background": True}
    first = (await ann.post("/v1/responses", json=body, headers=keyed("k"))).json()
    path = f"/v1/responses/{first['id']}"
    await all_events(ann, "GET", path, params={"stream": "true"})
    again = await ann.post("/v1/responses", json=body, headers=keyed("k"))
    assert again.json() == (await ann.get(path)).json()


async def test_one_key_with_another_body_is_refused(
    ann: httpx.AsyncClient, ben: httpx.AsyncClient
) -> None:
    first = (await ann.post("/v1/responses", json=ASK, headers=keyed("k"))).json()
    other = await ann.post("/v1/responses", json={**ASK, "input": "x"}, headers=keyed("k"))
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_key_reused")
    foreign = await ben.post("/v1/responses", json={**ASK, "input": "x"}, headers=keyed("k"))
    assert foreign.status_code == 200
    assert foreign.json()["id"] != first["id"]
    for key in ("", "k" * 256):
        answer = await ann.post("/v1/responses", json=ASK, headers=keyed(key))
        assert answer.status_code == 400


async def test_the_feed_and_http_share_their_keys(server: Live, ann: httpx.AsyncClient) -> None:
    token = ann.headers["authorization"].removeprefix("Bearer ")
    device = await server.device(token)
    response_id = await device.create("k", **ASK)
    answer = await ann.post("/v1/responses", json=ASK, headers=keyed("k"))
    assert answer.json()["id"] == response_id


async def test_a_foreign_response_is_none(ann: httpx.AsyncClient, ben: httpx.AsyncClient) -> None:
    made = (await ann.post("/v1/responses", json=ASK)).json()["id"]
    none = (await ben.get("/v1/responses/resp_none")).text.replace("resp_none", made)
    for method, path in (
        ("GET", ""), ("GET", "?stream=true"), ("DELETE", ""), ("POST", "/cancel"),
        ("GET", "/input_items"),
    ):  # fmt: skip
        answer = await ben.request(method, f"/v1/responses/{made}{path}")
        assert (answer.status_code, answer.text) == (404, none)
    for field in ("previous_response_id", "regenerate_of"):
        body = {"model": "scripted", field: made, **({} if field[0] == "r" else {"input": "x"})}
        assert (await ben.post("/v1/responses", json=body)).status_code == 404
    assert (await ann.get(f"/v1/responses/{made}")).status_code == 200


async def test_nobody_without_credentials(server: Live) -> None:
    nobody = await server.client()
    for method, path in (("POST", ""), ("GET", "/resp_1"), ("DELETE", "/resp_1")):
        answer = await nobody.request(method, f"/v1/responses{path}")
        assert answer.status_code == 401


async def test_diagnostics_are_for_admins(ann: httpx.AsyncClient) -> None:
    assert (await ann.get("/v1/diagnostics/scripted")).status_code == 403


async def test_an_unstored_response_is_its_requests_own(
    server: Live, ann: httpx.AsyncClient
) -> None:
    body = {**ASK, "store": False}
    answer = (await ann.post("/v1/responses", json=body)).json()
    assert (answer["status"], answer["store"]) == ("completed", False)
    hidden = await ann.get(f"/v1/responses/{answer['id']}")
    none = (await ann.get("/v1/responses/resp_none")).text.replace("resp_none", answer["id"])
    assert (hidden.status_code, hidden.text) == (404, none)

    seen: list[dict[str, Any]] = []
    request = {**body, "input": "rate=50 chunks=10", "stream": True}
    async with ann.stream("POST", "/v1/responses", json=request) as response:
        async for event in events(response):
            seen.append(event)
            response_id = seen[0]["response"]["id"]
            if len(seen) == 4:
                path = f"/v1/responses/{response_id}"
                assert (await ann.get(path)).status_code == 404
                assert (await ann.post(f"{path}/cancel")).status_code == 404
                assert (await ann.get(path, params={"stream": "true"})).status_code == 404
    assert seen[-1]["type"] == "response.completed"


async def test_an_unstored_response_that_nobody_reads_is_cancelled(
    server: Live, ann: httpx.AsyncClient
) -> None:
    body = {"model": "scripted", "input": "hang", "store": False, "stream": True}
    async with ann.stream("POST", "/v1/responses", json=body) as response:
        first = await anext(events(response))
    parts = server.node.services.parts
    user_id = (await ann.get("/v1/me")).json()["id"]
    with contextlib.suppress(NotFound):  # erased as soon as it has ended
        async for _ in follow(parts, user_id, first["response"]["id"]):
            pass
    assert [call.ended for call in server.node.models.calls()] == ["cancelled"]

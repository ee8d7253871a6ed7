"""What ``/v1/responses`` refuses: each with its status, and the server as well as before."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.live import Live, live

from tertulia.settings import Limits


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Live]:
    limits = Limits(connections_per_user=2, waiting_per_user=1, requests_per_minute=1000)
    async with live(tmp_path, limits=limits) as started:
        yield started


@pytest.fixture
async def client(server: Live) -> AsyncIterator[httpx.AsyncClient]:
    client = await server.client()
    yield client
    answer = await client.post("/v1/responses", json={"model": "scripted", "input": "chunks=2"})
    assert answer.json()["status"] == "completed", "the server is not as well as before"


def refused(answer: httpx.Response, status: int, param: str | None = None) -> dict[str, Any]:
    error: dict[str, Any] = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (status, param), answer.text
    assert set(error) == {"message", "type", "code", "param"}
    assert answer.headers["x-request-id"]
    return error


DEEP = b'{"input":' + b"[" * 100_000 + b"]" * 100_000 + b"}"


async def test_bodies_that_are_no_json_objects(client: httpx.AsyncClient) -> None:
    bodies = [
        b"", b"{", b"[]", b"null", b'"text"', b'{"input":"\xff"}', b'{"input":"\\ud800"}', DEEP,
        b'{"input":"x"}}', b'{"temperature":1e999}', b'{"temperature":NaN}',
    ]  # fmt: skip
    headers = {"content-type": "application/json"}
    for body in bodies:
        answer = await client.post("/v1/responses", content=body, headers=headers)
        error = refused(answer, 400)
        assert error["type"] == "invalid_request_error"


async def test_a_body_of_10_mb(client: httpx.AsyncClient) -> None:
    body = {"model": "scripted", "input": "x" * 10_000_000}
    assert refused(await client.post("/v1/responses", json=body), 413)["code"]


async def test_a_message_beyond_the_window_and_one_of_1_mb_within(
    client: httpx.AsyncClient,
) -> None:
    words = "word " * 200_000
    answer = await client.post("/v1/responses", json={"model": "scripted", "input": words})
    if answer.status_code == 200:  # the scripted model's window decides
        assert answer.json()["status"] == "completed"
    else:
        assert refused(answer, 400, "input")["code"] == "context_length_exceeded"


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"input": "x", "model": "no-such-model"}, 404, "model"),
        ({"input": ""}, 400, "input"),
        ({"input": [{"role": "user", "content": " "}]}, 400, "input[0].content"),
        ({}, 400, "input"),
        ({"input": []}, 400, "input"),
        ({"input": 5}, 400, "input"),
        ({"input": "x", "temperature": "hot"}, 400, "temperature"),
        ({"input": "x", "max_output_tokens": 0}, 400, "max_output_tokens"),
        ({"input": "x", "background": True, "store": False}, 400, "store"),
        ({"input": "x", "regenerate_of": "resp_x"}, 400, "input"),
    ],
)  # fmt: skip
async def test_fields_that_are_wrong(
    client: httpx.AsyncClient, body: dict[str, Any], status: int, param: str
) -> None:
    answer = await client.post("/v1/responses", json={"model": "scripted", **body})
    refused(answer, status, param)


async def test_ids_that_nobody_has(client: httpx.AsyncClient) -> None:
    for field in ("conversation", "previous_response_id", "regenerate_of"):
        body = {"model": "scripted", field: "resp_none"}
        if field != "regenerate_of":
            body["input"] = "x"
        answer = await client.post("/v1/responses", json=body)
        assert answer.status_code == 404, field
    for method, path in (
        ("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/input_items"),
        ("GET", "?stream=true"),
    ):  # fmt: skip
        answer = await client.request(method, f"/v1/responses/resp_none{path}")
        assert refused(answer, 404, "response_id")["code"] == "not_found"


@pytest.mark.parametrize(
    "query", ["stream=perhaps", "stream=true&starting_after=-1", "stream=true&starting_after=x"]
)
async def test_queries_that_are_wrong(client: httpx.AsyncClient, query: str) -> None:
    body = {"model": "scripted", "input": "chunks=2"}
    response_id = (await client.post("/v1/responses", json=body)).json()["id"]
    answer = await client.get(f"/v1/responses/{response_id}?{query}")
    refused(answer, 400, query.rpartition("=")[0].split("&")[-1])


async def test_too_much_at_once(client: httpx.AsyncClient) -> None:
    """Two run, one waits, the next is refused; so is a third open stream."""
    hanging = {"model": "scripted", "input": "hang", "background": True}
    ids = [(await client.post("/v1/responses", json=hanging)).json()["id"] for _ in range(3)]
    error = refused(over := await client.post("/v1/responses", json=hanging), 429)
    assert error["type"] == "rate_limit_error"
    assert int(over.headers["retry-after"]) >= 1
    path = f"/v1/responses/{ids[0]}"
    params = {"stream": "true"}
    async with (
        client.stream("GET", path, params=params) as one,
        client.stream("GET", path, params=params) as two,
    ):
        assert (one.status_code, two.status_code) == (200, 200)
        third = await client.get(path, params=params)
        assert refused(third, 429)["code"] == "too_many_connections"
    for each in ids:
        await client.post(f"/v1/responses/{each}/cancel")


async def test_what_is_not_json_or_not_there(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "/v1/responses", content=b"x", headers={"content-type": "text/plain"}
    )
    assert refused(answer, 415)["code"] == "unsupported_media_type"
    assert refused(await client.put("/v1/responses", json={}), 405)["code"]

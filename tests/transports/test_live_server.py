"""Through a real socket: what a test transport would not show."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from tests.support.live import Live, live
from tests.support.served import error_of
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path, auth=True) as started:
        yield started


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Host": "rebound.example"}, 421, "host_not_allowed"),
        ({"Origin": "http://rebound.example"}, 403, "origin_not_allowed"),
        ({"Origin": "null"}, 403, "origin_not_allowed"),
    ],
)
async def test_a_foreign_page_gets_no_socket(
    server: Live, headers: dict[str, str], status: int, code: str
) -> None:
    url = server.url.replace("http", "ws", 1) + "/v1/feed"
    with pytest.raises(InvalidStatus) as caught:
        async with connect(url, additional_headers=headers, proxy=None):
            pass
    response = caught.value.response
    assert response.status_code == status
    assert response.headers["x-request-id"].startswith("req_")
    assert response.body is not None
    assert code in response.body.decode()


async def test_a_socket_where_there_is_none_is_404(server: Live) -> None:
    url = server.url.replace("http", "ws", 1) + "/v1/nothing"
    with pytest.raises(InvalidStatus) as caught:
        async with connect(url, proxy=None):
            pass
    assert caught.value.response.status_code == 404


async def chunks(size: int, count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * size


async def test_a_client_gets_to_read_why_its_body_was_refused(server: Live) -> None:
    client = await server.client()
    json = {"content-type": "application/json"}
    for body in (b"x" * 10_000_000, chunks(65_536, 160)):
        answer = await client.post("/v1/conversations", content=body, headers=json)
        assert error_of(answer, 413)["code"] == "request_too_large"
    assert (await client.get("/healthz")).status_code == 200


async def test_a_browser_s_session(server: Live) -> None:
    client = await server.client()
    own = {"origin": server.url, "sec-fetch-site": "same-origin"}
    body = {"email": "ann@example.org", "password": "correct horse battery"}
    session = await client.post("/auth/register", json=body, headers=own)
    assert session.status_code == 201
    renewed = await client.post("/auth/refresh", headers=own)
    token = {"authorization": f"Bearer {renewed.json()['access_token']}"}
    assert (await client.get("/v1/me", headers=token)).json()["email"] == body["email"]
    assert (await client.post("/auth/logout", headers={**own, **token})).status_code == 204
    error_of(await client.post("/auth/refresh", headers=own), 401)


async def test_requests_that_are_no_http(server: Live) -> None:
    client = await server.client()
    async with httpx.AsyncClient(base_url=server.url) as raw:
        answer = await raw.request("GET", "/healthz", headers={"x-long": "x" * 200_000})
    assert answer.status_code in {200, 400, 431}
    assert (await client.get("/healthz")).status_code == 200

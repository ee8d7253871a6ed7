"""A store that no longer answers: who connects is sent away to come back, and nobody sees a bug."""

from __future__ import annotations

from pathlib import Path

from tests.support.live import Live, live
from tests.support.talk import talk


async def cut(server: Live) -> None:
    await server.node.services.parts.store.close()


async def test_a_device_that_cannot_be_signed_in_is_told_to_come_back(tmp_path: Path) -> None:
    async with live(tmp_path, auth=True) as server:
        token = await server.register("ann@example.org")
        await cut(server)
        device = await server.socket()
        await device.send(type="auth", token=token)
        assert await device.code() == 4100


async def test_a_feed_that_cannot_begin(tmp_path: Path) -> None:
    async with live(tmp_path) as server:
        client = await server.client()
        assert (await client.get("/v1/me")).is_success
        await cut(server)
        device = await server.socket()
        await device.send(type="auth", token=None)
        assert await device.code() == 4100
        answer = await client.get("/v1/feed")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
        assert answer.headers["retry-after"]


async def test_a_turn_that_cannot_begin(tmp_path: Path) -> None:
    async with live(tmp_path) as server:
        client = await talk(server)
        await cut(server)
        (error,) = await client.turn("echo: x")
        assert (error["status"], error["error"]["code"]) == (503, "unavailable")

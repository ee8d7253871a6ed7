"""Readers of the feed that do not keep up: one snapshot, then the stream goes on; or the end."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.support.live import Device, Live, live
from tests.support.sse import all_events

from tertulia.settings import Feed

Start = Callable[..., Awaitable[Live]]

#: Small on both sides, so that not the kernel reads what the device does not.
BUFFER = 8192


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def started(**changes: Any) -> Live:
            return await stack.enter_async_context(live(tmp_path, send_buffer=BUFFER, **changes))

        yield started


async def slow_device(server: Live) -> Device:
    """One whose network holds little."""
    own = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    own.setblocking(False)
    host, port = server.url.removeprefix("http://").split(":")
    own.connect_ex((host, int(port)))
    device = await server.socket(sock=own, max_queue=1)
    await device.send(type="auth", token=None)
    device.hello = await device.receive("hello")
    return device


class Reader:
    """A client as the wire page describes it, with the text that it would show."""

    def __init__(self) -> None:
        self.last = -1
        self.text = ""
        self.snapshots = 0
        self.terminal: dict[str, Any] | None = None
        self._pages: list[str] = []

    def apply(self, event: dict[str, Any]) -> None:
        if event["type"] == "tertulia:snapshot":
            assert event["after"] >= self.last
            if event["page"] == 0:
                self._pages = []
            assert event["page"] == len(self._pages)
            self._pages.append(text_of(event["output"]))
            if event["page"] + 1 == event["pages"]:
                self.text, self.last = "".join(self._pages), event["after"]
                self.snapshots += 1
            return
        assert event["sequence_number"] == self.last + 1, "a gap"
        self.last += 1
        if event["type"] == "response.output_text.delta":
            self.text += event["delta"]
        if event["type"] == "response.completed":
            self.terminal = event


def text_of(output: list[dict[str, Any]]) -> str:
    return "".join(part["text"] for item in output for part in item["content"])


async def read_on(device: Device, response_id: str, reader: Reader) -> None:
    while reader.terminal is None:
        message = await device.next()
        if message["type"] == "event" and message["response_id"] == response_id:
            reader.apply(message["event"])


async def stalled(server: Live, device: Device, text: str) -> tuple[str, Reader]:
    """A response that was written to its end while the device, which follows it live, slept."""
    response_id = await device.create("r1", model="scripted", input=f"delay=0.3 {text}")
    reader = Reader()
    while reader.last < 2:
        reader.apply((await device.receive("event"))["event"])
    client = await server.client()
    path = f"/v1/responses/{response_id}"
    await all_events(client, "GET", path, params={"stream": "true"})
    return response_id, reader


async def test_a_slow_reader_gets_one_snapshot_for_what_has_piled_up(start: Start) -> None:
    server = await start(feed=Feed(buffer_frames=16, buffer_bytes=8192))
    device = await slow_device(server)
    response_id, reader = await stalled(server, device, "chunks=60000")
    await read_on(device, response_id, reader)
    assert reader.snapshots >= 1
    assert reader.terminal is not None
    assert reader.text == text_of(reader.terminal["response"]["output"])
    assert reader.text == " ".join(f"w{n}" for n in range(60_000))
    # It was spared most of the deltas.
    assert len(device.events(response_id)) < reader.last / 2


async def test_a_slow_reader_holds_up_nobody(start: Start) -> None:
    server = await start(feed=Feed(buffer_frames=16, buffer_bytes=8192))
    slow, quick = await slow_device(server), await server.device()
    response_id, _ = await stalled(server, slow, "chunks=60000")
    reader = Reader()
    await quick.send(type="subscribe", response_id=response_id)
    await read_on(quick, response_id, reader)
    assert reader.text.endswith("w59999")


async def test_a_replay_is_no_lag(start: Start) -> None:
    """Who asks for the past gets it frame by frame, however long it is."""
    server = await start(feed=Feed(buffer_frames=4, buffer_bytes=1000))
    client = await server.client()
    body = {"model": "scripted", "input": "chunks=60000", "background": True}
    response_id = (await client.post("/v1/responses", json=body)).json()["id"]
    path = f"/v1/responses/{response_id}"
    whole = await all_events(client, "GET", path, params={"stream": "true"})
    device = await slow_device(server)
    await device.send(type="subscribe", response_id=response_id)
    assert await device.follow(response_id) == whole


async def test_a_reader_that_takes_nothing_is_sent_away(start: Start) -> None:
    server = await start(feed=Feed(buffer_frames=16, buffer_bytes=8192, slow_seconds=1))
    device, other = await slow_device(server), await server.device()
    await device.create("r1", model="scripted", input="chunks=200000")
    user = await server.node.services.accounts.local_principal()
    devices = server.node.services.feed._users[user.user_id].devices
    client = await server.client()
    while len(devices) > 1:  # until it is given up
        await client.get("/healthz")
    assert await device.code() == 4108
    await other.send(type="nonsense")
    await other.receive("error")

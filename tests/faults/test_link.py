"""The link does to a connection what it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from tests.faults.link import CommitGate, Link

ENDED = b"\x00\x00\x00\x09completed"


@pytest.fixture
async def link() -> AsyncIterator[Link]:
    """To a service that sends back what it is sent."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(1024):
                writer.write(data)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    made = await Link(lambda: server.sockets[0].getsockname()[1]).start()
    yield made
    await made.stop()
    server.close()


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def say(self, data: bytes) -> asyncio.Task[bytes]:
        """Send it; the task is done when as much has come back."""
        self.writer.write(data)
        return asyncio.create_task(self.reader.readexactly(len(data)))


@pytest.fixture
async def client(link: Link) -> AsyncIterator[Client]:
    made = Client(*await asyncio.open_connection("127.0.0.1", link.port))
    assert await made.say(b"hello") == b"hello"
    yield made
    made.writer.close()


async def test_a_reset_ends_every_connection(link: Link, client: Client) -> None:
    assert link.connections == 1
    link.reset()
    with pytest.raises(ConnectionResetError):
        await client.reader.read(1)
    again = Client(*await asyncio.open_connection("127.0.0.1", link.port))
    assert await again.say(b"again") == b"again"
    again.writer.close()


async def test_a_stall_passes_nothing_until_it_is_healed(link: Link, client: Client) -> None:
    link.stall()
    waiting = client.say(b"wait")
    late = Client(*await asyncio.open_connection("127.0.0.1", link.port))
    also = late.say(b"late")
    done, _ = await asyncio.wait([waiting, also], timeout=0.05)
    assert not done
    link.heal()
    assert (await waiting, await also) == (b"wait", b"late")
    late.writer.close()


async def test_a_dribble_passes_everything(link: Link, client: Client) -> None:
    link.dribble(20_000)
    assert await client.say(b"x" * 1000) == b"x" * 1000


@pytest.mark.parametrize("after", [False, True])
async def test_a_gate_holds_the_commit_that_ends_a_response(
    link: Link, client: Client, after: bool
) -> None:
    gate = link.tap = CommitGate("resp_1", after=after)
    for other in (b"BEGIN ISOLATION resp_2" + ENDED, b"BEGIN ISOLATION resp_1 completed_at"):
        assert await client.say(other) == other
        assert await client.say(b"COMMIT\x00") == b"COMMIT\x00"
    assert not gate.reached.is_set()
    assert await client.say(b"BEGIN ISOLATION resp_1" + ENDED)
    held = client.say(b"COMMIT\x00")
    await gate.reached.wait()
    done, _ = await asyncio.wait([held], timeout=0.05)
    assert not done
    gate.passed.set()
    assert await held == b"COMMIT\x00"

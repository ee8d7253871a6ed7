"""A TCP proxy of ours between a node and what it talks to: it resets, stalls, dribbles or holds.

It runs on the event loop of the tests and forwards bytes as they come. What it is told to do holds
for connections that are open and for those that come.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

#: Bytes read at once; and what a kernel may keep for a connection that dribbles, so that whoever
#: writes feels it.
CHUNK, SMALL_BUFFER = 64 * 1024, 4096


class Tap(Protocol):
    """Sees what passes on every connection of a link, and may hold it."""

    def sent(self, connection: int, data: bytes) -> asyncio.Event | None:
        """From the node. An event: pass it on only when that is set."""
        ...

    def received(self, connection: int, data: bytes) -> asyncio.Event | None:
        """For the node."""
        ...


class Link:
    """Listens on ``port`` once started; ``upstream`` is asked at each connection, since a service
    may have moved."""

    def __init__(self, upstream: Callable[[], int], *, port: int = 0) -> None:
        self._upstream = upstream
        self.port = port
        self.tap: Tap | None = None
        self._server: asyncio.Server | None = None
        self._open = asyncio.Event()
        self._open.set()
        self._rate: float | None = None
        self._count = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> Link:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        self._server = await asyncio.start_server(self._serve, sock=listener, limit=CHUNK)
        self.port = listener.getsockname()[1]
        return self

    @property
    def connections(self) -> int:
        return len(self._writers) // 2

    def reset(self) -> None:
        """End all connections at once, as a router does that has lost its memory."""
        for writer in list(self._writers):
            raw = writer.get_extra_info("socket")
            if raw is not None:
                with suppress(OSError):
                    # Linger for no time: the peer is sent RST.
                    linger = (1).to_bytes(4, "little") + bytes(4)
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()

    def stall(self) -> None:
        """Pass nothing on, and accept all the same."""
        self._open.clear()

    def dribble(self, bytes_a_second: float) -> None:
        self._rate = bytes_a_second

    def heal(self) -> None:
        self._rate = None
        self._open.set()

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        self.heal()
        self.reset()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- one connection ----------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._count += 1
        number = self._count
        self._writers.add(writer)
        other: asyncio.StreamWriter | None = None
        try:
            await self._open.wait()
            other_reader, other = await asyncio.open_connection(
                "127.0.0.1", self._upstream(), limit=CHUNK
            )
            self._writers.add(other)
            ways = (
                asyncio.create_task(self._pass(reader, other, number, sent=True)),
                asyncio.create_task(self._pass(other_reader, writer, number, sent=False)),
            )
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass  # the service is away, or we are at the end: the node sees a closed connection
        finally:
            for end in (writer, other):
                if end is not None:
                    self._writers.discard(end)
                    end.transport.abort()

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        number: int,
        *,
        sent: bool,
    ) -> None:
        while True:
            # What is read while we dribble fills no buffers that the writer would not feel.
            data = await reader.read(CHUNK if self._rate is None else 256)
            if not data:
                return
            tap = self.tap
            if tap is not None:
                held = tap.sent(number, data) if sent else tap.received(number, data)
                if held is not None:
                    await held.wait()
            await self._open.wait()
            if self._rate is not None:
                await asyncio.sleep(len(data) / self._rate)
            writer.write(data)
            await writer.drain()


class CommitGate:
    """A tap on PostgreSQL's protocol that stops in the very moment in which a response ends.

    ``after``: its COMMIT has been carried out, and the worker does not hear of it; else the COMMIT
    waits here. It is known by a transaction that binds the response's id and the word
    ``completed``.
    """

    _STATUS = re.compile(rb"\x00\x00\x00\x09completed")

    def __init__(self, response_id: str, *, after: bool) -> None:
        self._id = response_id.encode()
        self._after = after
        self._said: dict[int, bytes] = {}
        self._ours: int | None = None
        #: Set when the moment has come; and when all may go on.
        self.reached, self.passed = asyncio.Event(), asyncio.Event()

    def sent(self, connection: int, data: bytes) -> asyncio.Event | None:
        if self.passed.is_set():
            return None
        if b"BEGIN ISOLATION" in data:
            self._said[connection] = b""
        said = self._said[connection] = self._said.get(connection, b"") + data
        if b"COMMIT\x00" not in data or self._id not in said or not self._STATUS.search(said):
            return None
        self._ours = connection
        if self._after:
            return None
        self.reached.set()
        return self.passed

    def received(self, connection: int, data: bytes) -> asyncio.Event | None:
        if not self._after or connection != self._ours or self.passed.is_set():
            return None
        self.reached.set()
        return self.passed

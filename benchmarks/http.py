"""A client's end of HTTP/1.1: one kept connection, as little work as can be for what is read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Self, cast

import httptools
import msgspec

from benchmarks.dialect import Ask

Sink = Callable[[bytes], None]


class Lost(Exception):
    """The connection ended in mid-answer."""


class Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, host: str, port: int, token: str) -> None:
        self._head = (
            f"Host: {host}:{port}\r\nAuthorization: Bearer {token}\r\n"
            "Content-Type: application/json\r\n"
        )
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._sink: Sink | None = None
        self._body = bytearray()
        self._done: asyncio.Future[int] | None = None
        self._lost = False

    @classmethod
    async def open(cls, host: str, port: int, token: str) -> Self:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: cls(host, port, token), host, port)
        return connection

    async def ask(self, ask: Ask) -> bytes:
        """The body of the answer.

        Raises:
            Lost: the connection ended before the answer.
            ValueError: it was no 200 or 201; carries the status and the error.
        """
        self._sink = None
        status = await self._send(ask)
        if status not in (200, 201):
            raise ValueError(f"{status} {bytes(self._body[:200])!r}")
        return bytes(self._body)

    async def stream(self, ask: Ask, sink: Sink) -> None:
        """Gives each piece of the body to ``sink`` as it comes; raises as `ask`."""
        self._sink = sink
        status = await self._send(ask)
        if status != 200:
            raise ValueError(f"{status} {bytes(self._body[:200])!r}")

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    async def _send(self, ask: Ask) -> int:
        if self._lost or self._transport is None:
            raise Lost
        body = b"" if ask.body is None else msgspec.json.encode(ask.body)
        head = (
            f"{ask.method} {ask.path} HTTP/1.1\r\n{self._head}Content-Length: {len(body)}\r\n\r\n"
        )
        self._body.clear()
        self._done = self._loop.create_future()
        self._transport.write(head.encode() + body)
        return await self._done

    # --- asyncio and httptools -------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports inherit from none of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        if self._done is not None and not self._done.done():
            self._done.set_exception(Lost(type(exc).__name__))

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        if self._sink is not None and self._parser.get_status_code() == 200:
            self._sink(body)
        else:
            self._body += body

    def on_message_complete(self) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_result(self._parser.get_status_code())

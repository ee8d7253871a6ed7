"""The model server of all measurements: a process of its own that speaks OpenAI's chat completions.

    python -m benchmarks.upstream MODEL…

It prints its port and serves until its standard input ends. Every chunk is an event in an HTTP
chunk of its own, as real servers send them. What is sent was encoded before, and one timer serves
all paced streams, so that it is not this process that limits what is measured.
"""

from __future__ import annotations

import asyncio
import math
import sys
from collections import defaultdict
from functools import cache
from typing import Any, cast

import httptools
import msgspec
import uvloop

from benchmarks.wire import FIRST_SECONDS, parse_model, tag_of, word

#: Paced chunks are due at multiples of this (seconds).
GRAIN = 0.001

_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
_LAST = b"0\r\n\r\n"


class _Message(msgspec.Struct):
    role: str
    content: str | list[dict[str, Any]] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "".join(part.get("text", "") for part in self.content)
        return self.content or ""


class _Asked(msgspec.Struct):
    model: str
    messages: list[_Message]
    max_tokens: int | None = None


_asked = msgspec.json.Decoder(_Asked)


def _framed(data: bytes) -> bytes:
    """An event in an HTTP chunk."""
    event = b"data: %b\n\n" % data
    return b"%x\r\n%b\r\n" % (len(event), event)


def _chunk(content: str | None, finish: str | None = None, **more: Any) -> bytes:
    delta = {} if content is None else {"content": content}
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    body = {
        "id": "chatcmpl-0b7c2f6d1e9a",
        "object": "chat.completion.chunk",
        "created": 1790000000,
        "model": "bench",
        "system_fingerprint": "fp_0",
        "choices": [choice],
        **more,
    }
    return _framed(msgspec.json.encode(body))


@cache
def _words(chunks: int) -> list[bytes]:
    """The chunks after the first, each as it is sent."""
    return [_chunk(word(index)) for index in range(1, chunks)]


@cache
def _end(chunks: int) -> bytes:
    usage = {"prompt_tokens": 10, "completion_tokens": chunks, "total_tokens": 10 + chunks}
    return _chunk(None, "stop") + _chunk(None, None, usage=usage) + _framed(b"[DONE]") + _LAST


@cache
def _all(chunks: int) -> bytes:
    """Everything after the first chunk, in one piece."""
    return b"".join(_words(chunks)) + _end(chunks)


class _Stream:
    """One paced answer."""

    __slots__ = ("_connection", "_interval", "_sent", "_tag", "_total", "due")

    def __init__(
        self, connection: _Connection, tag: str, total: int, rate: int, due: float
    ) -> None:
        self._connection = connection
        self._tag = tag
        self._total = total
        self._interval = 1 / rate
        self._sent = 0
        #: When the next chunk is to be sent (loop time).
        self.due = due

    def send(self) -> bool:
        """Send the chunk that is due; False if nothing is to come after it."""
        if self._sent:
            data = _words(self._total)[self._sent - 1]
        else:
            data = _HEAD + _chunk(f"{self._tag} ")
        self._sent += 1
        self.due += self._interval
        more = self._sent < self._total and not self._connection.closed
        self._connection.write(data if more else data + _end(self._total))
        return more


class Wheel:
    """One timer for all streams: those due in the same grain of time are sent together."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._slots: defaultdict[int, list[_Stream]] = defaultdict(list)
        self._at = 0
        self._running = 0

    def add(self, stream: _Stream) -> None:
        if not self._running:
            self._at = int(self._loop.time() / GRAIN)
            self._arm()
        self._running += 1
        self._put(stream)

    def _put(self, stream: _Stream) -> None:
        self._slots[max(math.ceil(stream.due / GRAIN), self._at + 1)].append(stream)

    def _arm(self) -> None:
        self._loop.call_at((self._at + 1) * GRAIN, self._turn)

    def _turn(self) -> None:
        # What is late by more than its interval is sent in this turn and again in the next.
        now = int(self._loop.time() / GRAIN)
        while self._at < now:
            self._at += 1
            for stream in self._slots.pop(self._at, ()):
                if stream.send():
                    self._put(stream)
                else:
                    self._running -= 1
        if self._running:
            self._arm()


class _Connection(asyncio.Protocol):
    def __init__(self, wheel: Wheel, loop: asyncio.AbstractEventLoop, listed: bytes) -> None:
        self._wheel = wheel
        self._loop = loop
        self._listed = listed
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._path = b""
        self._body = bytearray()
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports inherit from none of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.closed = True

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def write(self, data: bytes) -> None:
        if not self.closed:
            assert self._transport is not None
            self._transport.write(data)

    # --- what the parser calls -------------------------------------------------------------------

    def on_url(self, url: bytes) -> None:
        self._path = url
        self._body.clear()

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if self._path.endswith(b"/models"):
            self._answer(b"200 OK", self._listed)
            return
        try:
            asked = _asked.decode(self._body)
        except msgspec.DecodeError:
            self._answer(b"400 Bad Request", b'{"error":{"message":"unreadable"}}')
            return
        known = parse_model(asked.model)
        if known is None or not asked.messages:
            self._answer(b"404 Not Found", b'{"error":{"message":"no such model"}}')
            return
        chunks, rate = known
        chunks = min(chunks, asked.max_tokens or chunks)
        tag = tag_of(asked.messages[-1].text)
        if rate:
            due = self._loop.time() + FIRST_SECONDS
            self._wheel.add(_Stream(self, tag, chunks, rate, due))
        else:
            self.write(_HEAD + _chunk(f"{tag} ") + _all(chunks))

    def _answer(self, status: bytes, body: bytes) -> None:
        head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        self.write(head % (status, len(body)) + body)


async def serve(models: list[str]) -> None:
    """Until standard input ends."""
    loop = asyncio.get_running_loop()
    wheel = Wheel(loop)
    entries = [{"id": model, "object": "model", "context_length": 131_072} for model in models]
    listed = msgspec.json.encode({"object": "list", "data": entries})
    server = await loop.create_server(
        lambda: _Connection(wheel, loop, listed), "127.0.0.1", 0, backlog=1024
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1:]))

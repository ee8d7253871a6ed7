"""The floor: the least that a chat server can do, against which Tertulia is measured.

    python -m benchmarks.floor --port P --upstream URL --database FILE    (secret: FLOOR_SECRET)

Bare ASGI on uvicorn (uvloop, httptools). The caller's HS256 token is verified by HMAC; chats and
messages are kept in plain SQLite, by one thread that commits whatever waits as one group; the
model's answer is read by hand over aiohttp, every chunk parsed and encoded anew. It has no
streams that can be resumed, no sealing, limits, branches, titles, devices or cancelling: what the
product costs more is what these cost.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import hmac
import os
import queue
import sqlite3
import threading
import time
import uuid
from base64 import urlsafe_b64decode
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec
import uvicorn

if TYPE_CHECKING:
    import aiohttp

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Statement = tuple[str, tuple[Any, ...]]

_SCHEMA = """
create table if not exists chats (
    id text primary key, owner text not null, title text, created real not null) without rowid;
create index if not exists chats_of_owner on chats (owner, created);
create table if not exists messages (
    chat text not null, number integer not null, role text not null, content text not null,
    created real not null, primary key (chat, number)) without rowid;
"""
_NEW_CHAT = "insert into chats values (?, ?, null, ?)"
_NEW_MESSAGE = (
    "insert into messages select ?1, coalesce(max(number), 0) + 1, ?2, ?3, ?4 "
    "from messages where chat = ?1"
)
_OWNER = "select owner from chats where id = ?"
_MESSAGES = "select role, content from messages where chat = ? order by number"
_CHATS = "select id, title, created from chats where owner = ? order by created desc limit 200"

_DELTA = b'data: {"type":"delta","delta":'
_DONE = b'data: {"type":"end"}\n\ndata: [DONE]\n\n'
_JSON = [(b"content-type", b"application/json")]
_SSE = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]
_PING_SECONDS = 25.0

encode = msgspec.json.Encoder().encode


class _Delta(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta


class _Chunk(msgspec.Struct):
    choices: list[_Choice]


class _Claims(msgspec.Struct):
    sub: str
    exp: int


class _Asked(msgspec.Struct):
    model: str
    text: str


_chunk = msgspec.json.Decoder(_Chunk).decode
_claims = msgspec.json.Decoder(_Claims).decode
_asked = msgspec.json.Decoder(_Asked).decode


class Refused(Exception):
    """Carries the status to answer with."""


class Writer:
    """One thread and connection; all that waits is one transaction."""

    def __init__(self, file: str, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._jobs: queue.SimpleQueue[tuple[Statement, asyncio.Future[None]]] = queue.SimpleQueue()
        self._database = connect(file)
        self._database.executescript(_SCHEMA)
        threading.Thread(target=self._run, daemon=True).start()

    def do(self, sql: str, *values: Any) -> asyncio.Future[None]:
        """Done once it is committed."""
        future: asyncio.Future[None] = self._loop.create_future()
        self._jobs.put(((sql, values), future))
        return future

    def _run(self) -> None:
        while True:
            group = [self._jobs.get()]
            with contextlib.suppress(queue.Empty):
                while True:
                    group.append(self._jobs.get_nowait())
            self._database.execute("begin immediate")
            for (sql, values), _ in group:
                self._database.execute(sql, values)
            self._database.execute("commit")
            self._loop.call_soon_threadsafe(_finish, [future for _, future in group])


def connect(file: str) -> sqlite3.Connection:
    database = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    database.execute("pragma journal_mode=wal")
    # As the product's: what was said survives a power cut.
    database.execute("pragma synchronous=full")
    return database


def _finish(futures: Sequence[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)


class Floor:
    """The application."""

    def __init__(self, upstream: str, file: str, secret: bytes) -> None:
        self._loop = asyncio.get_running_loop()
        self._secret = secret
        self._upstream = f"{upstream}/chat/completions"
        self._writer = Writer(file, self._loop)
        self._reader = connect(file)
        self._devices: set[Send] = set()
        self._pinging = self._loop.create_task(self._ping())

    @cached_property
    def _session(self) -> aiohttp.ClientSession:
        # Not before it is needed: it takes 10 MB.
        import aiohttp

        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
            timeout=aiohttp.ClientTimeout(total=None),
            headers={"Content-Type": "application/json", "Accept-Encoding": "identity"},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._feed(receive, send)
            return
        try:
            await self._route(scope, receive, send)
        except Refused as refused:
            await _answer(send, b'{"error":"refused"}', refused.args[0])

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["method"], *scope["path"].split("/")[1:]:
            case "GET", "healthz":
                await _answer(send, b'{"status":"ok"}')
            case "POST", "chats":
                chat = uuid.uuid4().hex
                await self._writer.do(_NEW_CHAT, chat, self._user(scope), time.time())
                await _answer(send, encode({"id": chat}))
            case "GET", "chats":
                rows = self._reader.execute(_CHATS, (self._user(scope),)).fetchall()
                await _answer(send, encode([{"id": i, "title": t, "at": at} for i, t, at in rows]))
            case "GET", "chats", chat:
                self._check(chat, self._user(scope))
                rows = self._reader.execute(_MESSAGES, (chat,)).fetchall()
                await _answer(send, encode([{"role": r, "content": c} for r, c in rows]))
            case "POST", "chats", chat, "messages":
                self._check(chat, self._user(scope))
                await self._turn(chat, _asked(await _body(receive)), send)
            case _:
                raise Refused(404)

    def _user(self, scope: Scope) -> str:
        for name, value in scope["headers"]:
            if name == b"authorization":
                return self._verify(value[7:])
        raise Refused(401)

    def _verify(self, token: bytes) -> str:
        signed, _, signature = token.rpartition(b".")
        expected = hmac.digest(self._secret, signed, hashlib.sha256)
        if not hmac.compare_digest(urlsafe_b64decode(signature + b"=="), expected):
            raise Refused(401)
        claims = _claims(urlsafe_b64decode(signed.partition(b".")[2] + b"=="))
        if claims.exp < time.time():
            raise Refused(401)
        return claims.sub

    def _check(self, chat: str, user: str) -> None:
        row = self._reader.execute(_OWNER, (chat,)).fetchone()
        if row is None or row[0] != user:
            raise Refused(404)

    async def _turn(self, chat: str, asked: _Asked, send: Send) -> None:
        await self._writer.do(_NEW_MESSAGE, chat, "user", asked.text, time.time())
        rows = self._reader.execute(_MESSAGES, (chat,)).fetchall()
        messages = [{"role": role, "content": content} for role, content in rows]
        body = encode({"model": asked.model, "stream": True, "messages": messages})
        async with self._session.post(self._upstream, data=body) as response:
            if response.status != 200:
                raise Refused(502)
            await send({"type": "http.response.start", "status": 200, "headers": _SSE})
            text: list[str] = []
            rest = b""
            while read := await response.content.readany():
                *events, rest = (rest + read).split(b"\n\n")
                out: list[bytes] = []
                for event in events:
                    if event == b"data: [DONE]":
                        continue
                    for choice in _chunk(event[6:]).choices:
                        if choice.delta.content:
                            text.append(choice.delta.content)
                            out += (_DELTA, encode(choice.delta.content), b"}\n\n")
                if out:
                    body = b"".join(out)
                    await send({"type": "http.response.body", "body": body, "more_body": True})
        await self._writer.do(_NEW_MESSAGE, chat, "assistant", "".join(text), time.time())
        await send({"type": "http.response.body", "body": _DONE})

    async def _feed(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        message = await receive()
        try:
            self._verify(msgspec.json.decode(message["text"])["token"].encode())
        except (Refused, KeyError, ValueError):
            await send({"type": "websocket.close", "code": 4001})
            return
        self._devices.add(send)
        await send({"type": "websocket.send", "text": '{"type":"hello"}'})
        while message["type"] != "websocket.disconnect":
            message = await receive()
        self._devices.discard(send)

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(_PING_SECONDS)
            for send in tuple(self._devices):
                await send({"type": "websocket.send", "text": '{"type":"ping"}'})


async def _body(receive: Receive) -> bytes:
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def _answer(send: Send, body: bytes, status: int = 200) -> None:
    headers = [*_JSON, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _serve(port: int, upstream: str, file: str) -> None:
    config = uvicorn.Config(
        Floor(upstream, file, os.environ["FLOOR_SECRET"].encode()),
        port=port,
        backlog=2048,
        http="httptools",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    await uvicorn.Server(config).serve()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", required=True)
    parser.add_argument("--database", required=True)
    given = parser.parse_args()
    import uvloop

    uvloop.run(_serve(given.port, given.upstream, given.database))


if __name__ == "__main__":
    main()

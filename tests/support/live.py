"""A whole node behind a real socket, in the test's own event loop: for what streams."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from openai import AsyncOpenAI
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tertulia.bootstrap.assembly import Node, node
from tertulia.bootstrap.roles import Role
from tertulia.settings import Models, Passwords, Settings, Turns
from tertulia.transports.app import create_app, create_worker_app

PASSWORD = "correct horse battery"


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the test runner's."""
        yield


@dataclass
class Live:
    """A running server, and ways to talk to it."""

    node: Node
    app: FastAPI
    url: str
    stack: contextlib.AsyncExitStack

    async def client(self, token: str = "") -> httpx.AsyncClient:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        client = httpx.AsyncClient(base_url=self.url, headers=headers, timeout=30)
        return await self.stack.enter_async_context(client)

    def sdk(self, token: str = "none") -> AsyncOpenAI:
        """The official SDK; it does not try again by itself."""
        return AsyncOpenAI(base_url=f"{self.url}/v1", api_key=token, max_retries=0, timeout=30)

    async def register(self, email: str) -> str:
        """A new user's access token."""
        client = await self.client()
        answer = await client.post("/auth/register", json={"email": email, "password": PASSWORD})
        token: str = answer.json()["access_token"]
        return token

    async def device(self, token: str | None = None, **first: Any) -> Device:
        """A connected device, greeted."""
        device = await self.socket()
        await device.send(type="auth", token=token, **first)
        device.hello = await device.receive("hello")
        return device

    async def socket(self, **options: Any) -> Device:
        """A socket that has said nothing yet."""
        url = self.url.replace("http", "ws", 1) + "/v1/feed"
        options = {"max_size": None, "compression": None, "proxy": None, **options}
        return Device(await self.stack.enter_async_context(connect(url, **options)))


class Device:
    """A feed client that remembers what it was sent."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.hello: dict[str, Any] = {}
        self.messages: list[dict[str, Any]] = []

    async def send(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))

    async def next(self) -> dict[str, Any]:
        """The next message; pings are answered and not shown."""
        while True:
            message: dict[str, Any] = json.loads(await self.socket.recv())
            if message["type"] != "ping":
                self.messages.append(message)
                return message
            await self.send(type="pong")

    async def receive(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Wait for a message of this type and these fields; what comes before is remembered."""
        while True:
            message = await self.next()
            if message["type"] == kind and fields.items() <= message.items():
                return message

    async def create(self, request_id: str, **body: Any) -> str:
        """Ask for a response; its id."""
        await self.send(type="response.create", request_id=request_id, **body)
        ack = await self.receive("ack", request_id=request_id)
        response_id: str = ack["response_id"]
        return response_id

    async def follow(self, response_id: str) -> list[dict[str, Any]]:
        """The events of a response as they came, up to its terminal one."""
        while not (events := self.events(response_id)) or events[-1]["type"] not in TERMINAL:
            await self.next()
        return events

    def events(self, response_id: str) -> list[dict[str, Any]]:
        return [
            message["event"]
            for message in self.messages
            if message["type"] == "event" and message["response_id"] == response_id
        ]

    async def code(self) -> int:
        """The code that the server closes with."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self.socket.recv()
        assert self.socket.close_code is not None
        return self.socket.close_code


TERMINAL = {"response.completed", "response.failed", "response.incomplete"}


@asynccontextmanager
async def live(
    folder: Path,
    role: Role = "serve",
    *,
    send_buffer: int | None = None,
    draining: Callable[[], bool] = lambda: False,
    **changes: Any,
) -> AsyncIterator[Live]:
    """Settings are as in tests everywhere: no local model, the scripted one; and ``changes``.

    ``send_buffer``: bytes that the kernel may hold for a client that does not read.
    """
    settings = Settings(
        data=folder,
        **{
            "port": 0,
            "auth": False,
            "registration": "open",
            "passwords": Passwords(time_cost=1, memory_kib=8, parallelism=1),
            "models": Models(local=None, scripted=True, discover=False),
            "turns": Turns(grace_seconds=0, reader_recheck_seconds=0.2),
            **changes,
        },
    )
    async with contextlib.AsyncExitStack() as stack:
        started = await stack.enter_async_context(node(settings, role, draining=draining))
        make = create_worker_app if role == "worker" else create_app
        app = make(started.services)
        config = uvicorn.Config(
            app,
            http="httptools",
            ws="websockets-sansio",
            ws_per_message_deflate=False,
            ws_ping_interval=None,
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=1,
        )
        server = _Server(config)
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        if send_buffer is not None:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        running = asyncio.create_task(server.serve([listener]))

        async def stop() -> None:
            server.should_exit = True
            await running

        stack.push_async_callback(stop)
        while not server.started:
            assert not running.done(), "the server did not start"
            await asyncio.sleep(0)
        port = listener.getsockname()[1]
        yield Live(
            started,
            app,
            f"http://127.0.0.1:{port}",
            await stack.enter_async_context(contextlib.AsyncExitStack()),
        )

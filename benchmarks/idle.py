"""Devices that are connected to the feed and say nothing but that they are there."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import AsyncExitStack

from websockets.asyncio.client import ClientConnection, connect

from benchmarks.dialect import DIALECTS
from benchmarks.jobs import Idle, Result

#: Handshakes that are under way at once.
AT_ONCE = 50


async def hold(job: Idle) -> Result:
    """Connect all, print ``connected``, and hold them until a line comes."""
    begun = time.monotonic()
    gate = asyncio.Semaphore(AT_ONCE)
    url = f"ws://{job.host}:{job.port}{DIALECTS[job.system].feed}"
    async with AsyncExitStack() as stack:

        async def device(token: str) -> ClientConnection:
            async with gate:
                socket = await stack.enter_async_context(
                    connect(url, compression=None, proxy=None, ping_interval=None)
                )
                await socket.send(json.dumps({"type": "auth", "token": token}))
                hello = json.loads(await socket.recv())
                if hello["type"] != "hello":
                    raise ValueError(f"greeted with {hello['type']}")
                return socket

        tokens = [job.tokens[n % len(job.tokens)] for n in range(job.connections)]
        sockets = await asyncio.gather(*map(device, tokens))
        answering = [asyncio.create_task(_answer(socket)) for socket in sockets]
        print("connected", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        left = sum(task.done() for task in answering)
        for task in answering:
            task.cancel()
        await asyncio.gather(*answering, return_exceptions=True)
    return Result(seconds=time.monotonic() - begun, turns=len(sockets), errors=left)


async def _answer(socket: ClientConnection) -> None:
    async for message in socket:
        if json.loads(message)["type"] == "ping":
            await socket.send('{"type":"pong"}')

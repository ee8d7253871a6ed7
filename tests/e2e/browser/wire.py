"""The network between a browser and a server, for tests that break it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from typing import Any

from tests.support.services.process import free_port

CHUNK = 65_536


class Wire:
    """A TCP relay that can be cut and mended, go dead, or lose what the server says.

    It runs in a thread of its own, because the test's thread belongs to the browser.
    """

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._listener: asyncio.Server | None = None
        self._calls: set[_Call] = set()
        self._deaf = False
        self._thread.start()
        self.mend()

    def mend(self) -> None:
        """Connections are taken again, and all of them work."""
        self._run(self._mend())

    def cut(self) -> None:
        """Every connection breaks, and no new one is taken."""
        self._run(self._cut())

    def go_dead(self) -> None:
        """The open connections carry nothing any more, and nobody is told; new ones work."""
        self._run(self._go_dead())

    def lose_answers(self) -> None:
        """From now on the server hears the browser, but the browser never the server."""
        self._deaf = True

    def close(self) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=30)

    async def _mend(self) -> None:
        self._deaf = False
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def _cut(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        calls = list(self._calls)
        for call in calls:
            call.abort()
        await asyncio.gather(*(call.over.wait() for call in calls))

    async def _go_dead(self) -> None:
        for call in self._calls:
            call.dead = True

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        call = _Call(writer)
        self._calls.add(call)
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            call.abort()
        else:
            call.writers.append(back)
            await asyncio.gather(
                self._relay(call, reader, back, answers=False),
                self._relay(call, there, writer, answers=True),
            )
        finally:
            self._calls.discard(call)
            call.over.set()

    async def _relay(
        self,
        call: _Call,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        *,
        answers: bool,
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(CHUNK):
                if call.dead or (answers and self._deaf):
                    continue
                sink.write(data)
                await sink.drain()
        if not call.dead:
            call.abort()


class _Call:
    """One connection, both halves of it."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writers = [writer]
        self.over = asyncio.Event()
        self.dead = False

    def abort(self) -> None:
        self.dead = False
        for writer in self.writers:
            writer.transport.abort()

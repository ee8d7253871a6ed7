"""Reading a stream that may fall silent: one lazy timer a stream.

`asyncio.timeout` around every read costs more than the read itself when tokens come one by one.
While nobody asks for more, nothing is read: what arrives meanwhile waits in the kernel, and comes
with one read instead of one for every token.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import aiohttp


class PatientReader:
    """Reads what has arrived; times in seconds. `close` must follow."""

    def __init__(self, response: aiohttp.ClientResponse, seconds: float) -> None:
        self._response = response
        self._content = response.content
        self._paused: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + seconds
        self._reading = False
        #: When the timer looks at the deadline, which may have moved on by then.
        self._look_at = self._deadline
        self._timer: asyncio.TimerHandle | None = self._loop.call_at(self._look_at, self._look)

    def wait(self, seconds: float) -> None:
        """Wait so long, from now, for what comes next."""
        self._deadline = self._loop.time() + seconds
        if self._deadline < self._look_at:
            self._arm(self._deadline)

    def pause(self) -> None:
        """Let what comes wait until the next `read`."""
        # An answer that has come whole has given its connection back: it may be another's by now.
        connection = self._response.connection
        transport = connection.transport if connection is not None else None
        if transport is not None and not transport.is_closing():
            transport.pause_reading()
            self._paused = transport

    def _resume(self) -> None:
        transport, self._paused = self._paused, None
        if transport is not None and not transport.is_closing():
            transport.resume_reading()

    async def read(self) -> bytes:
        """What has arrived, nothing at the end.

        Raises:
            TimeoutError: nothing came in time.
            OSError, aiohttp.ClientError: the connection broke.
        """
        if self._timer is None:
            self._arm(self._deadline)
        if self._paused is not None:
            self._resume()
        self._reading = True
        try:
            return await self._content.readany()
        except RuntimeError:
            # aiohttp's word for a session that was closed while the answer was still coming.
            raise ConnectionAbortedError from None
        finally:
            self._reading = False

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, at: float) -> None:
        self.close()
        self._look_at = at
        self._timer = self._loop.call_at(at, self._look)

    def _look(self) -> None:
        self._timer = None
        # While nobody reads, the silence is ours; the next read looks again.
        if not self._reading:
            return
        if self._loop.time() < self._deadline:
            self._arm(self._deadline)
        else:
            self._content.set_exception(TimeoutError())

"""One connection that many share: what is sent in one moment goes out as one pipeline.

One pipeline is under way at a time; what comes meanwhile makes the next. So the order of the
calls is the order in which the server runs them, whatever fails, and a server that is slow gets
longer pipelines instead of more of them. A pipeline that breaks fails all its calls: what became
of them is not known.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

import hiredis

from tertulia.adapters.redis.call import Call, innermost, meaning
from tertulia.adapters.redis.wire import Wire, pack
from tertulia.errors import TertuliaError, Unavailable

#: Calls in one pipeline: few enough that a server answers them all in good time.
_MOST: Final = 1000
_ASKING: Final = pack(["ASKING"])
#: Errors after which another server is in charge.
_DEMOTED: Final = ("READONLY", "LOADING", "MASTERDOWN")


class Pipe:
    """``connect`` gives a new connection. ``redirect`` is given the calls of slots that have
    moved, with what was answered; False: not to be helped. ``broken`` is called when a connection
    was lost or could not be made. ``timeout``: seconds that a pipeline may take."""

    def __init__(
        self,
        setting: str,
        connect: Callable[[], Awaitable[Wire]],
        *,
        redirect: Callable[[Call, str], bool],
        broken: Callable[[], None],
        timeout: float,
    ) -> None:
        self._setting = setting
        self._connect = connect
        self._redirect = redirect
        self._broken = broken
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._wire: Wire | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._queue: deque[Call] = deque()
        #: Under way, in their order; those whose reply is the one to ASKING stand there twice.
        self._flight: deque[Call | None] = deque()
        #: To be sent again before all others.
        self._again: list[Call] = []
        self._timer: asyncio.TimerHandle | None = None
        self._scheduled = False
        self._closed = False

    def send(self, call: Call) -> None:
        if self._closed:
            call.done(Unavailable(f"{self._setting}: the connection to Redis is closed"))
            return
        self._queue.append(call)
        self._schedule()

    def close(self) -> None:
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
        if self._wire is not None:
            self._wire.close()
        self._fail(Unavailable(f"{self._setting}: the connection to Redis is closed"))

    # --- sending -------------------------------------------------------------------------------

    def _schedule(self) -> None:
        """Send at the end of this moment, unless something is under way."""
        if not (self._scheduled or self._flight or self._connecting is not None):
            self._scheduled = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._scheduled = False
        if self._flight or self._connecting is not None or not self._queue:
            return
        if self._wire is None or self._wire.closed:
            self._connecting = self._loop.create_task(self._open())
            return
        packed: list[bytes] = []
        for _ in range(min(len(self._queue), _MOST)):
            call = self._queue.popleft()
            if call.asking:
                packed.append(_ASKING)
                self._flight.append(None)
            packed.append(call.packed)
            self._flight.append(call)
        self._timer = self._loop.call_later(self._timeout, self._wire.abort)
        self._wire.write(b"".join(packed))

    async def _open(self) -> None:
        try:
            wire = await self._connect()
        except TertuliaError as error:
            self._connecting = None
            # A password that has become wrong is no setting that a caller could mend.
            self._fail(error if isinstance(error, Unavailable) else Unavailable(error.message))
            self._broken()
            return
        wire.heard, wire.lost = self._heard, self._lost
        self._wire, self._connecting = wire, None
        self._flush()

    # --- receiving -----------------------------------------------------------------------------

    def _heard(self, reply: Any) -> None:
        if not self._flight:
            return  # nothing was asked: not for us to understand
        call = self._flight.popleft()
        if call is not None:
            if isinstance(reply, hiredis.ReplyError):
                self._refused(call, innermost(str(reply)))
            else:
                call.done(reply)
        if not self._flight:
            self._landed()

    def _refused(self, call: Call, said: str) -> None:
        code = said.partition(" ")[0]
        if code == "NOSCRIPT" and call.with_text():
            self._again.append(call)
        elif code in {"MOVED", "ASK"} and self._redirect(call, said):
            return
        else:
            call.done(meaning(self._setting, said))
            if code in _DEMOTED and self._wire is not None:
                self._wire.abort()
            elif code == "CLUSTERDOWN":
                self._broken()

    def _landed(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._again:
            self._queue.extendleft(reversed(self._again))
            self._again.clear()
        if self._queue:
            self._schedule()

    def _lost(self) -> None:
        """What was under way may have been run or not; what was not yet sent goes on."""
        self._wire = None
        error = Unavailable(f"{self._setting}: the connection to Redis broke")
        flight, self._flight = self._flight, deque()
        for call in flight:
            if call is not None:
                call.done(error)
        self._landed()
        self._broken()

    def _fail(self, error: TertuliaError) -> None:
        queue, self._queue = self._queue, deque()
        for call in (*self._flight, *self._again, *queue):
            if call is not None:
                call.done(error)
        self._flight.clear()
        self._again.clear()

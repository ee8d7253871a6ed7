"""One connection to one server, which subscribes to channels and is made anew when it breaks."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final, Protocol

import hiredis

from tertulia.adapters.redis.address import Place
from tertulia.adapters.redis.wire import Wire, pack
from tertulia.errors import TertuliaError

#: Seconds between tries to connect: first, and at most.
_FIRST, _LONGEST = 0.05, 1.0
_PING: Final = pack(["PING"])


class Owner(Protocol):
    """Who is told: see `channels.Channels`."""

    async def connect(self, place: Place | None) -> Wire: ...

    def message(self, channel: str, payload: bytes) -> None: ...

    def confirmed(self, channel: str) -> None: ...

    def failed(self, listener: Listener) -> None: ...

    def misplaced(self) -> None: ...


class Listener:
    def __init__(self, owner: Owner, place: Place | None, *, quiet: float, sharded: bool) -> None:
        self.place = place
        #: Channels to be subscribed to; those the server has refused are none.
        self.wanted: set[str] = set()
        #: Channels whose messages come.
        self.live: set[str] = set()
        self._owner = owner
        self._quiet = quiet
        self._sharded = sharded
        self._prefix = ""
        self._loop = asyncio.get_running_loop()
        self._wire: Wire | None = None
        self._lost: asyncio.Future[None] | None = None
        #: Commands without an answer: whether it subscribes, and the channel.
        self._asked: deque[tuple[bool, str]] = deque()
        self._hurry = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._stirred = False
        self._pinged = False
        self._task = self._loop.create_task(self._run())

    def add(self, channel: str) -> None:
        self.wanted.add(channel)
        if self._wire is not None:
            self._ask(subscribe=True, channel=channel)
        else:
            self.hurry()

    def drop(self, channel: str) -> None:
        if channel in self.wanted:
            self.wanted.discard(channel)
            self.live.discard(channel)
            if self._wire is not None:
                self._ask(subscribe=False, channel=channel)

    def hurry(self) -> None:
        """Somebody waits: try to connect now."""
        self._hurry.set()

    def close(self) -> None:
        self._task.cancel()
        if self._timer is not None:
            self._timer.cancel()
        if self._wire is not None:
            self._wire.close()

    # --- the connection ------------------------------------------------------------------------

    async def _run(self) -> None:
        pause = _FIRST
        while True:
            if not self.wanted:
                await self._wanted()
            try:
                wire = await self._owner.connect(self.place)
            except TertuliaError:
                self._owner.failed(self)
                await self._rest(pause)
                pause = min(pause * 2, _LONGEST)
                continue
            pause = _FIRST
            await self._use(wire)

    async def _wanted(self) -> None:
        while not self.wanted:
            self._hurry.clear()
            await self._hurry.wait()

    async def _rest(self, seconds: float) -> None:
        self._hurry.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._hurry.wait()
        except TimeoutError:
            return
        # Those who hurry must not make it spin.
        await asyncio.sleep(_FIRST)

    async def _use(self, wire: Wire) -> None:
        """Until it breaks."""
        lost = self._lost = self._loop.create_future()
        wire.heard, wire.lost = self._heard, self._break
        self._wire = wire
        self._prefix = "S" if self._sharded and wire.sharded else ""
        self._asked.clear()
        for channel in self.wanted:
            self._ask(subscribe=True, channel=channel)
        self._pinged, self._stirred = False, True
        self._timer = self._loop.call_later(self._quiet, self._tick, wire)
        try:
            if not wire.closed:
                await lost
        finally:
            self._wire = None
            self.live.clear()
            self._timer.cancel()
            wire.close()

    def _break(self) -> None:
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(None)
        # From now on nothing is live, also for who asks before the task has run.
        self.live.clear()

    def _tick(self, wire: Wire) -> None:
        """A connection may die without a word: one that is silent is asked."""
        if not self._stirred and self._pinged:
            wire.abort()
            return
        self._pinged = not self._stirred
        if self._pinged:
            wire.write(_PING)
        self._stirred = False
        self._timer = self._loop.call_later(self._quiet, self._tick, wire)

    # --- what is said --------------------------------------------------------------------------

    def _ask(self, *, subscribe: bool, channel: str) -> None:
        assert self._wire is not None
        verb = "SUBSCRIBE" if subscribe else "UNSUBSCRIBE"
        self._asked.append((subscribe, channel))
        self._wire.write(pack([self._prefix + verb, channel]))

    def _heard(self, reply: Any) -> None:
        self._stirred = True
        if isinstance(reply, hiredis.ReplyError):
            self._refused()
            return
        if not isinstance(reply, list) or len(reply) < 3:
            return  # the answer to a ping
        kind, name, payload = reply[:3]
        channel = bytes(name or b"").decode()
        if kind in {b"message", b"smessage"}:
            self._owner.message(channel, payload)
        elif kind in {b"subscribe", b"ssubscribe"}:
            self._answered()
            # A later word about the same channel may be under way.
            if channel in self.wanted and all(channel != c for _, c in self._asked):
                self.live.add(channel)
                self._owner.confirmed(channel)
        elif self._asked and self._asked[0] == (False, channel):
            self._answered()
        elif channel in self.wanted:
            # The server ends it by itself when the channel's slot goes elsewhere.
            self._give_up(channel)

    def _answered(self) -> None:
        if self._asked:
            self._asked.popleft()

    def _refused(self) -> None:
        if not self._asked:
            return
        subscribes, channel = self._asked.popleft()
        if subscribes and channel in self.wanted:
            self._give_up(channel)

    def _give_up(self, channel: str) -> None:
        self.wanted.discard(channel)
        self.live.discard(channel)
        self._owner.misplaced()

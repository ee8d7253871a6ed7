"""Channels that are listened to: any number of them over one connection per server.

A connection that breaks is made anew and its channels are subscribed to again; whoever listens is
then told that messages may have been missed. The same goes for a channel whose slot has moved to
another server of a cluster. redis-py's own cluster pub/sub is not used: it reads its servers in
turn and tells nobody what was missed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from tertulia.adapters.redis.address import Place
from tertulia.adapters.redis.listener import Listener
from tertulia.adapters.redis.servers import Servers
from tertulia.adapters.redis.wire import Wire
from tertulia.errors import Unavailable

#: Seconds that a subscription may take to be confirmed.
_CONFIRMED: Final = 5.0
#: Seconds until a channel that the only server refuses is tried again.
_AGAIN: Final = 1.0


class Channels:
    """``heard`` is called with channel and message; ``missed`` with a channel of which messages
    may have been lost, when it is listened to again. Both on the event loop; they must not
    raise. ``quiet``: seconds of silence after which a connection has to show that it lives.
    """

    def __init__(
        self,
        servers: Servers,
        *,
        heard: Callable[[str, bytes], None],
        missed: Callable[[str], None],
        quiet: float = 5.0,
        sharded: bool = True,
    ) -> None:
        self._servers = servers
        self._heard = heard
        self._missed = missed
        self._quiet = quiet
        self._sharded = sharded
        self._listeners: dict[Place | None, Listener] = {}
        #: Who listens to each channel.
        self._by: dict[str, Listener] = {}
        #: Channels that were confirmed once: from then on what is missed is told.
        self._confirmed: set[str] = set()
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}
        servers.moved.append(self._settle)

    async def follow(self, channel: str) -> None:
        """Listen to ``channel``, until `leave`. Returns when the server has confirmed it: what is
        published from now on is heard.

        Raises:
            Unavailable: not yet; it is tried on, and ``missed`` is called when it succeeds.
        """
        listener = self._by.get(channel)
        if listener is not None and channel in listener.live:
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(channel, []).append(done)
        if listener is None:
            if self._servers.address.cluster and self._servers.owner(channel) is None:
                self._servers.look_soon()
            self._place(channel)
        else:
            listener.hurry()
        try:
            async with asyncio.timeout(_CONFIRMED):
                await done
        except TimeoutError:
            raise self._unavailable() from None
        finally:
            if done in self._waiting.get(channel, ()):
                self._waiting[channel].remove(done)

    def leave(self, channel: str) -> None:
        listener = self._by.pop(channel, None)
        self._confirmed.discard(channel)
        for done in self._waiting.pop(channel, ()):
            if not done.done():
                self._refuse(done)
        if listener is not None:
            listener.drop(channel)

    def close(self) -> None:
        if self._settle in self._servers.moved:
            self._servers.moved.remove(self._settle)
        for channel in list(self._by):
            self.leave(channel)
        for listener in self._listeners.values():
            listener.close()
        self._listeners.clear()

    # --- as a listener sees it -----------------------------------------------------------------

    def message(self, channel: str, payload: bytes) -> None:
        if channel in self._by:
            self._heard(channel, payload)

    def confirmed(self, channel: str) -> None:
        known = channel in self._confirmed
        self._confirmed.add(channel)
        waiting = self._waiting.pop(channel, [])
        for done in waiting:
            if not done.done():
                done.set_result(None)
        if known or not waiting:
            self._missed(channel)

    def failed(self, listener: Listener) -> None:
        """The connection could not be made: those who wait for it need not wait on."""
        for channel in listener.wanted:
            for done in self._waiting.pop(channel, ()):
                if not done.done():
                    self._refuse(done)
        self._servers.look_soon()

    def misplaced(self) -> None:
        """A server refuses a channel, most likely since its slot is elsewhere."""
        if self._servers.address.cluster:
            self._servers.look_soon()  # which settles it
        else:
            asyncio.get_running_loop().call_later(_AGAIN, self._settle)

    async def connect(self, place: Place | None) -> Wire:
        return await self._servers.connect(place)

    # --- within --------------------------------------------------------------------------------

    def _place(self, channel: str) -> None:
        place = self._servers.owner(channel)
        listener = self._listeners.get(place)
        if listener is None:
            listener = self._listeners[place] = Listener(
                self, place, quiet=self._quiet, sharded=self._sharded
            )
        self._by[channel] = listener
        listener.add(channel)

    def _settle(self) -> None:
        """Move the channels whose slots have moved."""
        for channel, listener in list(self._by.items()):
            if self._servers.owner(channel) != listener.place or channel not in listener.wanted:
                listener.drop(channel)
                self._place(channel)
        for place, listener in list(self._listeners.items()):
            if not listener.wanted:
                del self._listeners[place]
                listener.close()

    def _refuse(self, done: asyncio.Future[None]) -> None:
        done.set_exception(self._unavailable())
        done.exception()  # who waited may be leaving just now, and then nobody else asks

    def _unavailable(self) -> Unavailable:
        return Unavailable(f"{self._servers.address.setting}: Redis cannot be listened to now")

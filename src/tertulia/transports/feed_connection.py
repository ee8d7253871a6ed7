"""One device's connection: its life from hello to close, and the clocks that watch over it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from tertulia.domain.ids import CONNECTION, new_id
from tertulia.domain.principal import Principal
from tertulia.domain.response import Response
from tertulia.ports.conversations import FeedPosition
from tertulia.transports import feed_messages as say
from tertulia.transports.feed_hub import UserFeed
from tertulia.transports.feed_messages import Close
from tertulia.transports.feed_writer import Writer, resumed
from tertulia.transports.presence import Presence
from tertulia.transports.recheck import no_longer
from tertulia.transports.services import Services


class Line(Protocol):
    """What carries the feed's messages: see `feed_socket.Socket`."""

    async def send(self, message: bytes) -> None: ...

    async def close(self, code: int, *, within: float) -> None: ...


class Connection:
    """A `Device` of its user's hub. ``answers``: whether it can say that it was pinged."""

    def __init__(
        self,
        services: Services,
        presence: Presence,
        principal: Principal,
        socket: Line,
        *,
        answers: bool = True,
    ) -> None:
        self.id = new_id(CONNECTION)
        self.principal = principal
        self.services = services
        self.presence = presence
        self.writer = Writer(services.parts, services.settings.feed, principal.user_id, self._send)
        self._settings = services.settings.feed
        self._socket = socket
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[Close] = self._loop.create_future()
        self._sending_since: float | None = None
        self._answers = answers
        self._awaits_pong = False
        self._doubted = asyncio.Event()
        self._feed: UserFeed | None = None
        #: Responses with ``store=false`` that were asked for here.
        self._unstored: list[Response] = []

    # --- as the hub sees it ------------------------------------------------------------------

    def stir(self) -> None:
        self.writer.stir()

    def post(self, message: bytes) -> None:
        self.writer.post(message)

    def offer(self, message: bytes) -> None:
        """Send this, or let it be when much waits already."""
        if not self.writer.crowded:
            self.writer.post(message)

    def recheck(self) -> None:
        self._doubted.set()

    def close(self, code: Close) -> None:
        """End the connection; the first reason stands."""
        if not self._over.done():
            self._over.set_result(code)

    # --- life --------------------------------------------------------------------------------

    async def run(
        self, known: FeedPosition | None, read: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        """Serve until the socket breaks or is closed. ``read`` handles what the device sends, and
        returns when it has left.

        Raises:
            Unavailable: the store does not answer, so the feed cannot begin.
        """
        feed = self.services.feed.join(self.services.parts.store, self.principal.user_id, self)
        self._feed = feed
        tasks: list[asyncio.Task[None]] = []
        try:
            await self._greet(feed, known)
            clocks = (self._pings(), self._watch_sending(), self._recheck())
            work = (read(), self.writer.run(), *clocks)
            tasks = [self._loop.create_task(each) for each in work]
            ends: list[asyncio.Future[Any]] = [self._over, *tasks]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.services.feed.leave(self.principal.user_id, self)
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            self.writer.close()
            for response in self._unstored:
                self.presence.left(response, ended=response.id in self.writer.ended)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, OSError):
                raise result
        if self._over.done():
            await self._socket.close(self._over.result(), within=self._settings.slow_seconds)

    async def _greet(self, feed: UserFeed, known: FeedPosition | None) -> None:
        position, offset = await resumed(feed, known)
        self.post(say.hello(self.id, position))
        if offset is None:
            self.post(say.RESYNC)
        self.writer.attach(feed, position.offset if offset is None else offset)

    async def _send(self, message: bytes) -> None:
        self._sending_since = self._loop.time()
        await self._socket.send(message)
        self._sending_since = None

    def bind(self, response: Response) -> None:
        """A response with ``store=false`` lives no longer than its connection."""
        if not response.store:
            self._unstored.append(response)
            self.presence.came(response)

    def tell_others(self, message: bytes) -> None:
        """Offer a message to the user's other devices."""
        if self._feed is not None:
            for device in self._feed.devices:
                if device is not self:
                    device.offer(message)

    def heard(self) -> None:
        """Whatever a device sends shows that it is there."""
        self._awaits_pong = False

    # --- clocks ------------------------------------------------------------------------------

    async def _pings(self) -> None:
        while True:
            await asyncio.sleep(self._settings.ping_seconds)
            if self._awaits_pong:
                self.close(Close.MISSED_PONG)
                return
            self._awaits_pong = self._answers
            self.post(say.PING)

    async def _watch_sending(self) -> None:
        """Close when the reader takes nothing for too long."""
        span = self._settings.slow_seconds
        while True:
            since = self._sending_since
            stuck = 0.0 if since is None else self._loop.time() - since
            if stuck >= span:
                self.close(Close.TOO_SLOW)
                return
            await asyncio.sleep(span - stuck)

    async def _recheck(self) -> None:
        error = await no_longer(self.services, lambda: self.principal, self._doubted)
        self.close(Close.REFRESH if error.code == "token_expired" else Close.BAD_TOKEN)

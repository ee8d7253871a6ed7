"""One device's connection: its life from hello to close, and the clock that watches over it.

Most connections are idle at most times, so an idle one is kept small: no task besides the
server's own, and no timer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Protocol

from tertulia.domain.ids import CONNECTION, new_id
from tertulia.domain.principal import Principal
from tertulia.domain.response import Response
from tertulia.errors import NotFound, Unauthorized, Unavailable
from tertulia.ports.conversations import FeedPosition
from tertulia.transports import feed_messages as say
from tertulia.transports.feed_hub import UserFeed
from tertulia.transports.feed_messages import Close
from tertulia.transports.feed_writer import Writer, resumed
from tertulia.transports.presence import Presence
from tertulia.transports.recheck import until_next
from tertulia.transports.services import Services


class Line(Protocol):
    """What carries the feed's messages: see `feed_socket.Socket`."""

    async def send(self, message: bytes) -> None: ...

    async def close(self, code: int, *, within: float) -> None: ...


class Connection:
    """A `Device` of its user's hub. ``answers``: whether it can say that it was pinged."""

    __slots__ = (
        *("_answers", "_awaits_pong", "_checking", "_doubted", "_feed", "_loop", "_over"),
        *("_ping_at", "_recheck_at", "_scope", "_sending_since", "_settings", "_socket"),
        *("_unstored", "id", "presence", "principal", "round", "services", "writer"),
    )

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
        self.writer = Writer(
            services.parts,
            services.settings.feed,
            principal.user_id,
            self._send,
            self._interrupt,
        )
        self._settings = services.settings.feed
        self._socket = socket
        self._loop = asyncio.get_running_loop()
        self._over: Close | None = None
        #: While the device is listened to; its end ends the listening.
        self._scope: asyncio.Timeout | None = None
        #: See `feed_clock.Watched`.
        self.round: int | None = None
        self._sending_since: float | None = None
        self._answers = answers
        self._awaits_pong = False
        now = self._loop.time()
        self._ping_at = now + self._settings.ping_seconds
        self._recheck_at = now + until_next(services, principal)
        self._checking: asyncio.Task[None] | None = None
        self._doubted = False
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
        self._doubted = True
        if self._checking is None:
            self._checking = self._loop.create_task(self._check())

    def close(self, code: Close) -> None:
        """End the connection; the first reason stands."""
        if self._over is None:
            self._over = code
            self._interrupt()

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
        try:
            await self._greet(feed, known)
            self.writer.start()
            self.tick()
            # Until the device has left, `close` was called or nothing can be written any more.
            scope = self._scope = asyncio.timeout(None)
            async with scope:
                if self._over is None and self.writer.fault is None:
                    await read()
        except TimeoutError:
            if self._scope is None or not self._scope.expired():
                raise
        except OSError:
            self._over = None  # the device is gone: nobody is there to be told why
        except NotFound:
            self._over = Close.BAD_TOKEN  # the user was removed
        finally:
            self._scope = None
            self.services.feed.leave(self.principal.user_id, self)
            self.presence.clock.forget(self)
            await self.writer.stop()
            faults: list[BaseException | None] = [self.writer.fault]
            if self._checking is not None:
                self._checking.cancel()
                faults += await asyncio.gather(self._checking, return_exceptions=True)
            for response in self._unstored:
                self.presence.left(response, ended=response.id in self.writer.ended)
        for fault in faults:
            if isinstance(fault, NotFound):
                self._over = Close.BAD_TOKEN
            elif isinstance(fault, Exception) and not isinstance(fault, OSError):
                raise fault
        if self._over is not None:
            await self._socket.close(self._over, within=self._settings.slow_seconds)

    def _interrupt(self) -> None:
        # One that is over and not yet left is not to be ended again.
        if self._scope is not None and not self._scope.expired():
            self._scope.reschedule(self._loop.time())

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

    def heard(self) -> None:
        """Whatever a device sends shows that it is there."""
        self._awaits_pong = False

    # --- the clock ---------------------------------------------------------------------------

    def tick(self) -> None:
        """Ping, look whether the reader takes what it is sent, ask whether it may stay."""
        now = self._loop.time()
        since = self._sending_since
        if since is not None and now - since >= self._settings.slow_seconds:
            self.close(Close.TOO_SLOW)
            return
        if now >= self._ping_at:
            if self._awaits_pong:
                self.close(Close.MISSED_PONG)
                return
            self._awaits_pong = self._answers
            self._ping_at = now + self._settings.ping_seconds
            self.post(say.PING)
        if now >= self._recheck_at:
            self._recheck_at = now + self._settings.recheck_seconds
            self.recheck()
        too_slow = (now if since is None else since) + self._settings.slow_seconds
        self.presence.clock.call(self, min(self._ping_at, self._recheck_at, too_slow))

    async def _check(self) -> None:
        """Whether the principal may still be connected, by now. A doubt that comes while that is
        asked is a doubt about the answer."""
        while self._doubted:
            self._doubted = False
            with suppress(Unavailable):
                try:
                    await self.services.accounts.recheck(self.principal)
                except Unauthorized as error:
                    expired = error.code == "token_expired"
                    self.close(Close.REFRESH if expired else Close.BAD_TOKEN)
                    return
        self._recheck_at = self._loop.time() + until_next(self.services, self.principal)
        self._checking = None

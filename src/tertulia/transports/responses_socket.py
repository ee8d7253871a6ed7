"""WebSocket mode of ``/v1/responses``: turns over one connection, events as JSON text messages.

Source: Open Responses, "WebSocket transport" (2026-04-24), and OpenAI's guide to WebSocket mode.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import ExitStack
from typing import Any

from starlette.requests import HTTPConnection
from starlette.routing import WebSocketRoute
from starlette.types import Receive, Scope, Send

from tertulia.domain.principal import Principal
from tertulia.errors import RateLimited, TertuliaError
from tertulia.transports.auth import principal_of
from tertulia.transports.errors import refuse, stopping
from tertulia.transports.feed_messages import Close as FeedClose
from tertulia.transports.feed_socket import Socket
from tertulia.transports.presence import Presence
from tertulia.transports.recheck import no_longer
from tertulia.transports.responses_socket_messages import Close, error_event, limit_reached
from tertulia.transports.responses_socket_turns import Turns
from tertulia.transports.services import Services, services_of
from tertulia.transports.wire_field import Field

#: Turns that may wait for the one that runs; together they are no larger than one body may be.
MAX_WAITING = 16

#: Messages a client may send at once, and a second.
BURST, RATE = 200, 50


class ResponsesSocket:
    """The ASGI endpoint."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = routes[0]  # for the log, as HTTP routes leave it there
        client = HTTPConnection(scope)
        services = services_of(client)
        presence: Presence = client.app.state.presence
        with ExitStack() as held:
            try:
                if services.draining():
                    raise stopping()
                principal = await principal_of(client)
                held.enter_context(presence.connection(principal.user_id, "websocket"))
            except TertuliaError as error:
                await refuse(error, scope, receive, send)
                return
            await receive()  # the handshake
            limits = services.settings.limits
            socket = Socket(receive, send, depth=limits.json_depth, max_bytes=limits.body_bytes)
            ours = client.headers.get("tertulia-events") == "1"
            turns = Turns(services, presence, principal, socket.send, ours=ours)
            try:
                await send({"type": "websocket.accept"})
                await Session(services, principal, socket, turns).run()
            except OSError:
                return  # the client is gone
            finally:
                turns.close()


class Session:
    """One connection's life. A `Device` of its user's hub, to hear of revocations and drains."""

    def __init__(
        self, services: Services, principal: Principal, socket: Socket, turns: Turns
    ) -> None:
        self._services = services
        self._principal = principal
        self._socket = socket
        self._turns = turns
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[tuple[Close, TertuliaError | None]] = self._loop.create_future()
        self._doubted = asyncio.Event()
        #: Turns that wait, each with its size.
        self._waiting: deque[tuple[dict[str, Any], int]] = deque()
        self._stirred = asyncio.Event()
        #: Set once the connection shall end after the turn that runs.
        self._leaving: tuple[Close, TertuliaError] | None = None
        self._budget = float(BURST)
        self._counted = self._loop.time()

    # --- as the hub sees it ------------------------------------------------------------------

    @property
    def id(self) -> str:
        return self._turns.connection_id

    def stir(self) -> None:
        """The feed is not for this connection."""

    def post(self, message: bytes) -> None:
        """Nor are its messages."""

    def offer(self, message: bytes) -> None:
        """Nor these."""

    def recheck(self) -> None:
        self._doubted.set()

    def close(self, code: FeedClose) -> None:
        """The server is about to stop. What runs goes on as long as the server does."""
        del code
        self._leave(Close.DRAINING, stopping())

    # --- life --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve until the client leaves or has to.

        Raises:
            OSError: the client is gone.
        """
        hub, user_id = self._services.feed, self._principal.user_id
        hub.join(self._services.parts.store, user_id, self)
        work = (self._read(), self._take_turns(), self._recheck(), self._limit())
        tasks = [self._loop.create_task(each) for each in work]
        ends: list[asyncio.Future[Any]] = [self._over, *tasks]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            hub.leave(user_id, self)
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result
        if self._over.done():
            await self._end(*self._over.result())

    async def _end(self, code: Close, error: TertuliaError | None) -> None:
        within = self._services.settings.feed.slow_seconds
        try:
            async with asyncio.timeout(within):
                if error is not None:
                    await self._socket.send(error_event(error))
        except TimeoutError:
            return  # it reads nothing, so it will not read this
        await self._socket.close(code, within=within)

    def _stop(self, code: Close, error: TertuliaError | None = None) -> None:
        """End the connection; the first reason stands."""
        if not self._over.done():
            self._over.set_result((code, error))

    def _leave(self, code: Close, error: TertuliaError) -> None:
        """End the connection after the turn that runs."""
        self._leaving = self._leaving or (code, error)
        self._stirred.set()

    async def _recheck(self) -> None:
        error = await no_longer(self._services, lambda: self._principal, self._doubted)
        self._stop(Close.REFUSED, error)
        await self._over

    async def _limit(self) -> None:
        settings = self._services.settings
        await asyncio.sleep(settings.limits.socket_seconds)
        error = limit_reached(settings.limits.socket_seconds)
        self._leave(Close.LIMIT, error)
        await asyncio.sleep(settings.turns.running_seconds)  # of a client that does not read
        self._stop(Close.LIMIT, error)
        await self._over

    # --- what the client sends ---------------------------------------------------------------

    async def _read(self) -> None:
        while True:
            try:
                message = await self._socket.receive()
                if message is None:
                    return
                self._queue(dict(message))
            except TertuliaError as error:
                await self._socket.send(error_event(error))
            if not self._affords():
                self._stop(Close.REFUSED, RateLimited("Too many messages; slow down."))
                await self._over

    def _queue(self, message: dict[str, Any]) -> None:
        kind = Field(message).get("type")
        if kind.text() != "response.create":
            raise kind.wrong("must be response.create; to cancel a response, POST to its /cancel")
        size = self._socket.received
        most = self._services.settings.limits.body_bytes
        waiting = sum(each for _, each in self._waiting)
        if self._waiting and (len(self._waiting) >= MAX_WAITING or waiting + size > most):
            raise RateLimited(
                "Too many turns wait on this connection already, of which one runs at a time.",
                code="too_many_in_flight",
            )
        self._waiting.append((message, size))
        self._stirred.set()

    def _affords(self) -> bool:
        now = self._loop.time()
        self._budget = min(BURST, self._budget + (now - self._counted) * RATE)
        self._counted = now
        self._budget -= 1
        return self._budget >= 0

    # --- turns -------------------------------------------------------------------------------

    async def _take_turns(self) -> None:
        while self._leaving is None:
            if self._waiting:
                message, _ = self._waiting.popleft()
                await self._turns.run(message)
                continue
            self._stirred.clear()
            await self._stirred.wait()
        code, error = self._leaving
        for _ in range(len(self._waiting)):  # each is answered, none is begun
            await self._socket.send(error_event(error))
        tell = code is Close.LIMIT and not self._waiting
        self._stop(code, error if tell else None)
        await self._over


routes = [WebSocketRoute("/v1/responses", ResponsesSocket(), name="responses_socket")]

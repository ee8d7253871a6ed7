"""The turns of one WebSocket of ``/v1/responses``: one after the other, as the standard says.

What is kept between them is which response with ``store=false`` may be gone on from: the latest,
unless a turn from it has failed. Their content lies in the store like any other's, bound to the
connection, and is erased with it; so does what the latest of them builds upon.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

from tertulia.domain.ids import CONNECTION, new_id
from tertulia.domain.principal import Principal
from tertulia.domain.response import Response
from tertulia.errors import InvalidInput, NotFound, TertuliaError
from tertulia.transports import wire
from tertulia.transports.auth import limit_creation
from tertulia.transports.own_events import attempt_event, position_event
from tertulia.transports.presence import Presence
from tertulia.transports.reading import Reading
from tertulia.transports.responses import accept
from tertulia.transports.responses_socket_messages import NO_PREVIOUS, error_event
from tertulia.transports.responses_warmup import WarmUp, warm_up
from tertulia.transports.services import Services
from tertulia.transports.wire_field import Field

#: Fields that belong to a message of this transport and not to what is asked.
_ENVELOPE = frozenset({"type", "stream", "stream_options", "background", "generate"})


class Turns:
    """``send`` gives one message to the socket and returns when it has room for the next; ``ours``:
    with the events of Tertulia's own among the standard's."""

    def __init__(
        self,
        services: Services,
        presence: Presence,
        principal: Principal,
        send: Callable[[bytes], Awaitable[None]],
        *,
        ours: bool,
    ) -> None:
        self._services = services
        self._presence = presence
        self._principal = principal
        self._send = send
        self._ours = ours
        self.connection_id = new_id(CONNECTION)
        #: Responses with ``store=false`` that were made here, and the one to go on from.
        self._unstored: set[str] = set()
        self._latest: str | None = None
        self._warm: WarmUp | None = None
        self._running: Response | None = None
        self._ended: Response | None = None

    async def run(self, message: dict[str, Any]) -> None:
        """One ``response.create``, to its last event or its error.

        Raises:
            OSError: the client is gone.
        """
        previous: list[Any] = [message.get("previous_response_id")]
        try:
            body = self._body(Field(message))
            previous.append(body.get("previous_response_id"))
            if message.get("generate") is False:
                await self._warm_up(body)
                return
            response = await self._begin(body)
            good = await self._stream(response)
        except TertuliaError as error:
            good = False
            self._leave()
            await self._send(error_event(error))
        if not good:
            self._evict(previous)

    def close(self) -> None:
        """The socket is gone, and with it what was bound to it."""
        self._leave()
        if self._ended is not None:
            self._presence.came(self._ended)
            self._presence.left(self._ended, ended=True)  # takes all of the connection's with it

    def _leave(self) -> None:
        """Nobody reads what runs any more: a stored response goes on, another is cancelled."""
        if self._running is not None:
            self._presence.came(self._running)
            self._presence.left(self._running, ended=False)
            self._running = None

    def _evict(self, previous: list[Any]) -> None:
        """Nobody may go on from what a turn has failed to go on from; so the standard."""
        if self._latest in previous:
            self._latest = None
        if self._warm is not None and self._warm.id in previous:
            self._warm = None

    # --- before ------------------------------------------------------------------------------

    def _body(self, message: Field) -> dict[str, Any]:
        """The body as ``POST`` would take it."""
        stream, background = message.get("stream"), message.get("background")
        # Clients that share one body between transports send it; it says what happens anyway.
        if not stream.missing and not stream.boolean():
            raise stream.wrong("cannot be false: a WebSocket streams", "unsupported_parameter")
        if not background.missing and background.boolean():
            raise background.wrong("is for POST only", "unsupported_parameter")
        generate = message.get("generate")
        if not generate.missing:
            generate.boolean()
        lane = message.get("stream_id")
        if not lane.missing:
            raise lane.wrong(
                "is not known here: the turns of one connection run one after the other; open "
                "another connection for what shall run beside them",
                "unsupported_parameter",
            )
        body = {name: value for name, value in message.object().items() if name not in _ENVELOPE}
        if self._warm is not None:
            body = self._warm.applied(body)
        return body

    async def _warm_up(self, body: dict[str, Any]) -> None:
        """``generate: false``: nothing is generated, and what was sent is gone on from."""
        create = wire.parse_create(body, self._services.settings.limits)
        if create.ask.conversation_id is not None:
            raise Field(body).get("conversation").wrong("has no place in a warm-up")
        await limit_creation(self._services, self._principal)
        previous = create.ask.parent
        if previous is not None:
            self._may_go_on_from(previous, store=create.ask.store)
            try:
                await self._services.parts.store.get(self._principal.user_id, previous)
            except NotFound:
                raise _no_previous(previous) from None
        self._warm, frames = warm_up(self._services.parts, self._principal, create, body)
        for frame in frames:
            await self._send(frame.data)

    async def _begin(self, body: dict[str, Any]) -> Response:
        create = wire.parse_create(body, self._services.settings.limits)
        ask = create.ask
        if ask.parent is not None:
            self._may_go_on_from(ask.parent, store=ask.store)
        if not ask.store:
            bound = dataclasses.replace(ask, connection_id=self.connection_id)
            create = dataclasses.replace(create, ask=bound)
        submitted = await accept(self._services, self._principal, create, key=None, body=b"")
        response = submitted.response
        if not response.store:
            self._unstored.add(response.id)
            self._running = response
        return response

    def _may_go_on_from(self, previous: str, *, store: bool) -> None:
        if previous not in self._unstored:
            return  # the store knows
        if previous != self._latest:
            raise _no_previous(previous)
        if store:
            raise NotFound(
                f"The response {previous} is not stored, so no stored one can go on from it; "
                "send `store: false`.",
                code=NO_PREVIOUS,
                param="previous_response_id",
            )

    # --- while it runs -----------------------------------------------------------------------

    async def _stream(self, response: Response) -> bool:
        """Send its events; False when it has failed."""
        kind = ""
        reading = Reading(
            self._services.parts, response.user_id, response.id, None, places=self._ours
        )
        async with reading:
            await reading.open(None)
            while (frames := await reading.next()) is not None:
                for frame in frames:
                    if self._ours and frame.continues is not None:
                        await self._send(attempt_event(frame))
                    await self._send(frame.data)
                    kind = frame.kind
                prospect = reading.moved()
                if prospect is not None:
                    await self._send(position_event(reading.position, prospect))
        if not response.store:
            self._running, self._ended = None, response
            self._latest = response.id
        return kind != "response.failed"


def _no_previous(response_id: str) -> InvalidInput:
    return InvalidInput(
        f"There is no response {response_id} to go on from.",
        code=NO_PREVIOUS,
        param="previous_response_id",
    )

"""A response's stream as server-sent events: bare ASGI, the log's bytes unchanged.

Source: the HTML standard, "Server-sent events", and what the official ``openai`` SDK reads.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.responses import Response as HttpResponse
from starlette.types import Receive, Scope, Send

from tertulia.domain.frame import Frame
from tertulia.domain.response import Response
from tertulia.errors import TertuliaError
from tertulia.transports.errors import error_object
from tertulia.transports.own_events import ATTEMPT, POSITION, attempt_event, position_event
from tertulia.transports.presence import Presence
from tertulia.transports.reading import Reading
from tertulia.transports.reply import encode
from tertulia.turns.parts import Parts

#: Proxies and clients take a connection for dead after half a minute or so.
SILENCE_SECONDS = 15.0

_PING = b": ping\n\n"
_DONE = b"data: [DONE]\n\n"


class EventStream(HttpResponse):
    """Streams ``response`` from after number ``after``.

    A reader that is slow reads the log at its own pace; one that leaves cancels nothing that can
    be fetched later. ``ours``: with the events of Tertulia's own among the standard's.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        parts: Parts,
        presence: Presence,
        response: Response,
        *,
        after: int | None = None,
        ours: bool = False,
    ) -> None:
        super().__init__(
            headers={"cache-control": "no-cache", "x-accel-buffering": "no"},
        )
        del self.headers["content-length"]
        self._parts = parts
        self._presence = presence
        self._response = response
        self._after = after
        self._ours = ours

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        response = self._response
        self._presence.came(response)
        ended = False
        try:
            with self._presence.connection(response.user_id, "sse"):
                reading = Reading(
                    self._parts,
                    response.user_id,
                    response.id,
                    receive,
                    silence=SILENCE_SECONDS,
                    places=self._ours,
                )
                async with reading:
                    await reading.open(self._after)
                    await self._stream(reading, send)
                    ended = reading.ended
        finally:
            self._presence.left(response, ended=ended)

    async def _stream(self, reading: Reading, send: Send) -> None:
        await send(
            {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        )
        try:
            while (frames := await reading.next()) is not None:
                body = self._encoded(frames) if frames else _sign_of_life(reading)
                if reading.ended:
                    await send({"type": "http.response.body", "body": body + _DONE})
                    return
                await send({"type": "http.response.body", "body": body, "more_body": True})
        except TertuliaError as error:
            await send({"type": "http.response.body", "body": _failed(error, reading.position)})
            return
        body = _DONE if reading.ended else b""
        await send({"type": "http.response.body", "body": body})

    def _encoded(self, frames: Iterable[Frame]) -> bytes:
        out = []
        for frame in frames:
            if self._ours and frame.continues is not None:
                out.append(_event(ATTEMPT, attempt_event(frame)))
            out.append(_event(frame.kind, frame.data))
        return b"".join(out)


def _sign_of_life(reading: Reading) -> bytes:
    prospect = reading.moved()
    if prospect is None:
        return _PING
    return _event(POSITION, position_event(reading.position, prospect))


def _event(kind: str, data: bytes) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)


def _failed(error: TertuliaError, position: int | None) -> bytes:
    """The standard's ``error`` event: the stream cannot go on, though it has begun."""
    number = 0 if position is None else position + 1
    body = {"type": "error", "sequence_number": number, "error": error_object(error)}
    return _event("error", encode(body))

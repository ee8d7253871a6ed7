"""A chat completion as it is written: ``chat.completion.chunk`` events, made from the log's frames.

Source: the official ``openai`` SDK's ``ChatCompletionChunk`` types, and how OpenAI's server uses
them. The status waits for the first sign of an answer, so that a model that is down or a
conversation that is too long is an error with its status, which clients understand and try again;
after `SILENCE_SECONDS` it waits no longer, and what fails then is an ``error`` event, as is what
breaks off in the middle. Only a whole answer ends with ``[DONE]``.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from starlette.responses import Response as HttpResponse
from starlette.types import Receive, Scope, Send

from tertulia.domain.frame import Frame
from tertulia.domain.response import Response
from tertulia.errors import PositionLost, TertuliaError
from tertulia.transports.chat_completions_answer import end_of, envelope
from tertulia.transports.errors import error_object
from tertulia.transports.presence import Presence
from tertulia.transports.reading import Reading
from tertulia.transports.reply import encode
from tertulia.turns.parts import Parts

#: How long the status waits for a sign of life, and a client for the next; shorter than any
#: proxy's patience.
SILENCE_SECONDS = 10.0

_PING = b": ping\n\n"
_DONE = b"data: [DONE]\n\n"


class _Delta(msgspec.Struct):
    """Of a delta event only what differs; its text stays as it is encoded."""

    output_index: int
    delta: msgspec.Raw


class _Item(msgspec.Struct):
    type: str
    call_id: str = ""
    name: str = ""


class _Added(msgspec.Struct):
    output_index: int
    item: _Item


_delta = msgspec.json.Decoder(_Delta)
_added = msgspec.json.Decoder(_Added)


class Chunks:
    """Encodes a response's frames. What all chunks have in common is encoded once."""

    def __init__(self, response: Response, *, usage: bool) -> None:
        shared = encode(envelope(response, "chat.completion.chunk"))[:-1]
        self._head = b"data: %b" % shared
        self._choice = b'%b,"choices":[{"index":0,"delta":' % self._head
        self._usage = usage
        #: While chunks with usage are asked for, all others say that they have none.
        self._close = (b',"usage":null' if usage else b"") + b"}\n\n"
        self._go_on = b',"logprobs":null,"finish_reason":null}]%b' % self._close
        self._text = self._choice + b'{"content":'
        self._thought = self._choice + b'{"reasoning_content":'
        #: Numbers of the calls by the places of their items.
        self._calls: dict[int, int] = {}
        #: Whether the client was shown anything.
        self.begun = False

    def encode(self, frames: Iterable[Frame]) -> tuple[bytes, TertuliaError | None]:
        """The chunks, and why there are no more where the answer broke off."""
        out: list[bytes] = []
        for frame in frames:
            kind = frame.kind
            if kind == "response.output_text.delta":
                out.append(b"%b%b}%b" % (self._text, _delta.decode(frame.data).delta, self._go_on))
            elif kind == "response.output_item.added":
                self._add(frame, out)
            elif kind == "response.function_call_arguments.delta":
                self._arguments(frame, out)
            elif kind == "response.reasoning.delta":
                raw = _delta.decode(frame.data).delta
                out.append(b"%b%b}%b" % (self._thought, raw, self._go_on))
            elif frame.terminal:
                try:
                    self._end(frame, out)
                except TertuliaError as error:
                    return b"".join(out), error
        return b"".join(out), None

    def begin(self, content: bytes = b'""') -> bytes:
        """The first chunk; nothing when it was sent. ``content`` is JSON."""
        if self.begun:
            return b""
        self.begun = True
        role = b'{"role":"assistant","content":%b,"refusal":null}' % content
        return self._choice + role + self._go_on

    def _add(self, frame: Frame, out: list[bytes]) -> None:
        added = _added.decode(frame.data)
        item = added.item
        if item.type != "function_call":
            out.append(self.begin())
        elif added.output_index not in self._calls:  # else announced once more
            out.append(self.begin(b"null"))
            number = self._calls[added.output_index] = len(self._calls)
            function = {"name": item.name, "arguments": ""}
            call = {"index": number, "id": item.call_id, "type": "function", "function": function}
            out.append(self._choice + encode({"tool_calls": [call]}) + self._go_on)

    def _arguments(self, frame: Frame, out: list[bytes]) -> None:
        told = _delta.decode(frame.data)
        out.append(
            b'%b{"tool_calls":[{"index":%d,"function":{"arguments":%b}}]}%b'
            % (self._choice, self._calls[told.output_index], told.delta, self._go_on)
        )

    def _end(self, frame: Frame, out: list[bytes]) -> None:
        end = end_of(frame)
        reason = end.finish_reason(calls=bool(self._calls)).encode()
        out.append(self.begin())
        out.append(
            b'%b{},"logprobs":null,"finish_reason":"%b"}]%b' % (self._choice, reason, self._close)
        )
        if self._usage:
            told = encode(end.completion_usage())
            out.append(b'%b,"choices":[],"usage":%b}\n\n' % (self._head, told))
        out.append(_DONE)


class ChatStream(HttpResponse):
    """Streams a response's chat completion; one that is left is cancelled some time later."""

    media_type = "text/event-stream"

    def __init__(
        self, parts: Parts, presence: Presence, response: Response, *, usage: bool
    ) -> None:
        super().__init__(headers={"cache-control": "no-cache", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._parts = parts
        self._presence = presence
        self._response = response
        self._chunks = Chunks(response, usage=usage)
        self._ended = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = self._response
        self._presence.came(response)
        try:
            with self._presence.connection(response.user_id, "sse"):
                while await self._lost(receive, send):
                    pass  # the log was begun anew; so are we, having shown nothing
            if not self._chunks.begun:
                # To nobody; the number is nginx's.
                await HttpResponse(status_code=499)(scope, receive, send)
        finally:
            self._presence.left(response, ended=self._ended)

    async def _lost(self, receive: Receive, send: Send) -> bool:
        """Read to the end, or until the client is gone; true where it must be read anew.

        Raises:
            TertuliaError: there is no answer, and no status was sent.
        """
        response = self._response
        reading = Reading(
            self._parts, response.user_id, response.id, receive, silence=SILENCE_SECONDS
        )
        async with reading:
            try:
                await reading.open(None)
                await self._stream(reading, send)
            except TertuliaError as error:
                if self._chunks.begun:
                    await self._break_off(error, send)
                elif isinstance(error, PositionLost):
                    return True
                else:
                    raise
            finally:
                self._ended = reading.ended
        return False

    async def _stream(self, reading: Reading, send: Send) -> None:
        while (frames := await reading.next()) is not None:
            begun = self._chunks.begun
            body, error = self._chunks.encode(frames)
            if not frames:
                body = _PING if begun else self._chunks.begin()
            if body:
                if not begun:
                    await send(
                        {
                            "type": "http.response.start",
                            "status": self.status_code,
                            "headers": self.raw_headers,
                        }
                    )
                await send({"type": "http.response.body", "body": body, "more_body": True})
            if error is not None:
                raise error
        if self._chunks.begun:
            await send({"type": "http.response.body", "body": b""})

    async def _break_off(self, error: TertuliaError, send: Send) -> None:
        body = b"data: %b\n\n" % encode({"error": error_object(error)})
        await send({"type": "http.response.body", "body": body})

"""The feed's messages to a device, and the codes it closes with. See the page "The wire"."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from tertulia.domain.frame import Frame
from tertulia.errors import TertuliaError
from tertulia.ports.conversations import FeedEntry, FeedPosition
from tertulia.transports.errors import error_object
from tertulia.transports.own_events import attempt_event, position_event
from tertulia.transports.reply import encode

#: Longest message of a client, in bytes; longer ones go by POST.
MAX_FRAME = 64 * 1024

#: Characters of text in one page of a snapshot.
PAGE_CHARS = 64 * 1024

PING = encode({"type": "ping"})
RESYNC = encode({"type": "resync"})


class Close(IntEnum):
    """What a close code tells the client to do."""

    #: Do not reconnect.
    BAD_TOKEN = 4001
    FORBIDDEN = 4003
    TOO_MANY = 4004
    NO_AUTH = 4009
    TOO_BIG = 4013
    #: Reconnect with back-off.
    OVERLOADED = 4100
    TOO_SLOW = 4108
    RATE_LIMITED = 4129
    #: Reconnect now.
    DRAINING = 4200
    MISSED_PONG = 4201
    REFRESH = 4202


def hello(connection_id: str, position: FeedPosition) -> bytes:
    return encode(
        {
            "type": "hello",
            "connection_id": connection_id,
            "feed": {"epoch": position.epoch, "offset": position.offset},
            "limits": {"max_frame": MAX_FRAME},
        }
    )


def ack(request_id: str, response_id: str, conversation_id: str | None) -> bytes:
    return encode(
        {
            "type": "ack",
            "request_id": request_id,
            "response_id": response_id,
            "conversation_id": conversation_id,
        }
    )


def feed(entry: FeedEntry) -> bytes:
    return encode({"type": "feed", "offset": entry.offset, "event": entry.event})


def typing(conversation_id: str) -> bytes:
    return encode({"type": "typing", "conversation_id": conversation_id})


def goaway(in_ms: int) -> bytes:
    return encode({"type": "goaway", "in_ms": in_ms})


def close(code: int) -> bytes:
    """Server-sent events only: the code that a WebSocket would be closed with."""
    return encode({"type": "close", "code": code})


def error(
    failure: TertuliaError, *, request_id: str | None = None, response_id: str | None = None
) -> bytes:
    """Names what it answers: the request, or the response."""
    about = {"request_id": request_id, "response_id": response_id}
    known = {name: value for name, value in about.items() if value is not None}
    return encode({"type": "error", **known, "error": error_object(failure)})


class Events:
    """Messages with the events of one response: only the event itself differs between them."""

    __slots__ = ("_head",)

    def __init__(self, response_id: str) -> None:
        self._head = b'{"type":"event","response_id":%b,"event":' % encode(response_id)

    def frames(self, frame: Frame) -> list[bytes]:
        """The frame, its bytes unchanged; before it the word of a takeover, if it is one."""
        out = []
        if frame.continues is not None:
            out.append(self._wrapped(attempt_event(frame)))
        out.append(self._wrapped(frame.data))
        return out

    def position(self, after: int | None, place: int) -> bytes:
        """``tertulia:position``; unnumbered and unstored, as what it tells of passes."""
        return self._wrapped(position_event(after, place))

    def snapshot(self, after: int, pages: list[list[dict[str, Any]]]) -> list[bytes]:
        """``tertulia:snapshot``, a message a page; the next frame follows number ``after``."""
        return [
            self._wrapped(
                encode(
                    {
                        "type": "tertulia:snapshot",
                        "after": after,
                        "page": index,
                        "pages": len(pages),
                        "output": page,
                    }
                )
            )
            for index, page in enumerate(pages)
        ]

    def _wrapped(self, data: bytes) -> bytes:
        return b"%b%b}" % (self._head, data)

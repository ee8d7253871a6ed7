"""The feed's messages to a device, and the codes it closes with. See the page "The wire"."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from tertulia.domain.frame import Frame
from tertulia.domain.prospect import Prospect
from tertulia.errors import TertuliaError
from tertulia.ports.conversations import FeedEntry, FeedPosition
from tertulia.transports.described import Described
from tertulia.transports.errors import error_object
from tertulia.transports.own_events import SNAPSHOT, attempt_event, position_event
from tertulia.transports.reply import encode

#: Longest message of a client, in bytes; longer ones go by POST.
MAX_FRAME = 64 * 1024

#: Characters of text in one page of a snapshot.
PAGE_CHARS = 64 * 1024

PING = encode({"type": "ping"})
RESYNC = encode({"type": "resync"})


#: What the server says on a feed.
MESSAGES = {
    "hello": Described(
        "`connection_id`, `feed: {epoch, offset}`, `limits`",
        "First of all: where the feed stands. Keep both numbers to come back to.",
    ),
    "resync": Described(
        "", "The feed's history no longer reaches back to the device: fetch all state again."
    ),
    "feed": Described(
        "`offset`, `event`", "The next entry of the user's feed; offsets have no gaps."
    ),
    "ack": Described(
        "`request_id`, `response_id`, `conversation_id`",
        "A `response.create` is stored and followed from its first event.",
    ),
    "event": Described("`response_id`, `event`", "An event of a response that is followed."),
    "error": Described(
        "`request_id?`, `response_id?`, `error`",
        "What was asked could not be done, or a response can no longer be followed.",
    ),
    "typing": Described("`conversation_id`", "The user types there, on another device."),
    "ping": Described(
        "", "Answer `pong`. Over server-sent events a comment, which needs no answer."
    ),
    "goaway": Described("`in_ms`", "The server stops: connect again within this time."),
    "close": Described(
        "`code`", "Server-sent events only: the code that a WebSocket is closed with."
    ),
}

#: What happens in a user's feed.
ENTRIES = {
    "conversation.created": Described("`conversation`", "A conversation was made."),
    "conversation.updated": Described("`conversation`", "Its title, time or metadata changed."),
    "conversation.deleted": Described("`conversation_id`", "It was deleted; it can be restored."),
    "conversation.restored": Described("`conversation`", "It is back."),
    "head.changed": Described(
        "`conversation_id`, `head`", "Another branch is shown and continued, or the same has grown."
    ),
    "response.started": Described(
        "`response_id`, `conversation_id`, `previous_response_id`", "A response was accepted."
    ),
    "response.ended": Described("`response_id`, `conversation_id`, `status`", "It has ended."),
}


class Close(IntEnum):
    """What a close code tells the client; its hundreds tell what to do."""

    BAD_TOKEN = 4001
    FORBIDDEN = 4003
    TOO_MANY = 4004
    NO_AUTH = 4009
    TOO_BIG = 4013
    OVERLOADED = 4100
    TOO_SLOW = 4108
    RATE_LIMITED = 4129
    DRAINING = 4200
    MISSED_PONG = 4201
    REFRESH = 4202

    @property
    def do(self) -> str:
        return _DO[self // 100]


_DO = {
    40: "Do not reconnect before something has changed.",
    41: "Reconnect with back-off and full jitter.",
    42: "Reconnect now.",
}

CLOSES = {
    Close.BAD_TOKEN: "The token is wrong, expired or revoked, or the first message is no `auth`.",
    Close.FORBIDDEN: "A later `auth` came with another user's token.",
    Close.TOO_MANY: "The user has too many connections.",
    Close.NO_AUTH: "No `auth` came in time.",
    Close.TOO_BIG: f"A message was larger than {MAX_FRAME // 1024} KiB; long ones go by POST.",
    Close.OVERLOADED: "A part of the server does not answer.",
    Close.TOO_SLOW: "The device took nothing for too long.",
    Close.RATE_LIMITED: "The device sent too many messages, or its address too many requests.",
    Close.DRAINING: "The server stops.",
    Close.MISSED_PONG: "A ping was not answered before the next.",
    Close.REFRESH: "The token has expired: come back with a fresh one.",
}


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

    def position(self, after: int | None, prospect: Prospect) -> bytes:
        """``tertulia:position``; unnumbered and unstored, as what it tells of passes."""
        return self._wrapped(position_event(after, prospect))

    def snapshot(self, after: int, pages: list[list[dict[str, Any]]]) -> list[bytes]:
        """``tertulia:snapshot``, a message a page; the next frame follows number ``after``."""
        return [
            self._wrapped(
                encode(
                    {
                        "type": SNAPSHOT,
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

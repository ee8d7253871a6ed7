"""What a WebSocket of ``/v1/responses`` says beside the events of its responses.

Source: Open Responses, ``WebSocketErrorEvent``, and OpenAI's guide to WebSocket mode, which gives
the status of each error.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import Any

from tertulia.errors import InvalidInput, TertuliaError
from tertulia.transports.errors import error_object
from tertulia.transports.reply import encode

#: The standard knows no 404 of it, on this transport.
NO_PREVIOUS = "previous_response_not_found"


class Close(IntEnum):
    """Codes of RFC 6455 and its registry; SDKs reconnect by themselves on 1001 and 1012."""

    LIMIT = 1001
    NOT_UTF8 = 1007
    REFUSED = 1008
    TOO_BIG = 1009
    DRAINING = 1012


#: What the client should do, for the reference page.
CLOSES = {
    Close.LIMIT: "The connection has lasted as long as one may. Open another.",
    Close.NOT_UTF8: "A text message was not UTF-8. Do not send it again.",
    Close.REFUSED: "The token was revoked or has expired, or the client sent messages too fast; "
    "an `error` event before it says which. Do not come back with the same token.",
    Close.TOO_BIG: "A message was more than twice as large as a request body may be. "
    "Do not send it again.",
    Close.DRAINING: "The server is about to stop. Reconnect now; retrieve what was cut off.",
}


def error_event(error: TertuliaError) -> bytes:
    """The standard's envelope."""
    detail: dict[str, Any] = error_object(error)
    if error.retry_after is not None:
        detail["headers"] = {"retry-after": str(max(1, math.ceil(error.retry_after)))}
    status = 400 if error.code == NO_PREVIOUS else error.status
    return encode({"type": "error", "status": status, "error": detail})


def limit_reached(seconds: float) -> InvalidInput:
    span = f"{seconds / 60:g} minutes" if seconds >= 60 else f"{seconds:g} seconds"
    return InvalidInput(
        f"A WebSocket connection lasts {span} at most, and this one has; open another to go on.",
        code="websocket_connection_limit_reached",
    )

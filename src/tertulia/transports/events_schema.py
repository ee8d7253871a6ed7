"""Events and messages in the OpenAPI document, from the tables that describe them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tertulia.transports import feed_commands, feed_messages, own_events, standard_events
from tertulia.transports.described import Described
from tertulia.transports.shapes import (
    COUNT,
    NULLABLE_STRING,
    OBJECT,
    STRING,
    Schema,
    any_of,
    array,
    const,
    ref,
    said,
    shape,
)

_POSITION = shape(epoch=STRING, offset=COUNT)
_NULLABLE_COUNT: Schema = {"type": ["integer", "null"]}

#: What a field holds wherever it is named.
_FIELDS: dict[str, Schema] = {
    "response": ref("Response"),
    "item": ref("Item"),
    "part": ref("ContentPart"),
    "error": ref("ErrorDetail"),
    "conversation": ref("ConversationResource"),
    "output": array(ref("Item")),
    "logprobs": array(OBJECT),
    "feed": _POSITION,
    "limits": shape(max_frame=COUNT),
    "token": NULLABLE_STRING,
    "head": NULLABLE_STRING,
    "previous_response_id": NULLABLE_STRING,
    "expected_wait_ms": _NULLABLE_COUNT,
    "after": _NULLABLE_COUNT,
    **dict.fromkeys(
        (
            *("output_index", "content_index", "position", "attempt", "page", "pages", "offset"),
            *("in_ms", "code", "starting_after"),
        ),
        COUNT,
    ),
}
#: A response may stand outside all conversations.
_OUTSIDE = {"ack", "response.started", "response.ended"}

#: `name`, `name?` or `name: {…}`.
_FIELD = re.compile(r"`(\w+)(\??)(?::[^`]*)?`")


def _schemas(table: Mapping[str, Described], suffix: str, **more: Schema) -> dict[str, Schema]:
    """A component for each row; ``more`` are fields of all of them."""
    made: dict[str, Schema] = {}
    for kind, row in table.items():
        known: dict[str, Schema] = {"type": const(kind), **more}
        required = list(known)
        for name, missing in _FIELD.findall(row.fields):
            known[name] = _FIELDS.get(name, STRING)
            if name == "conversation_id" and kind in _OUTSIDE:
                known[name] = NULLABLE_STRING
            if not missing:
                required.append(name)
        name = "".join(word.capitalize() for word in re.split(r"[.:_]", kind)) + suffix
        made[name] = said(shape(*required, **known), row.says)
    return made


_STANDARD = _schemas(standard_events.STANDARD, "Event", sequence_number=COUNT)
_OURS = _schemas(own_events.OURS, "Event")
_ENTRIES = _schemas(feed_messages.ENTRIES, "Entry")


def _union(schemas: Mapping[str, Schema], description: str) -> Schema:
    return said(any_of(*map(ref, schemas)), description)


_MESSAGES = _schemas(
    {kind: row for kind, row in feed_messages.MESSAGES.items() if kind not in ("event", "feed")},
    "Message",
)
_COMMANDS = _schemas(feed_commands.COMMANDS, "Command")
_COMMANDS["ResponseCreateCommand"] = said(
    {
        "allOf": [
            ref("CreateResponse"),
            shape(type=const("response.create"), request_id=STRING),
        ]
    },
    feed_commands.COMMANDS["response.create"].says,
)

SCHEMAS: dict[str, Schema] = {
    **_STANDARD,
    **_OURS,
    **_ENTRIES,
    **{f"Feed{name}": schema for name, schema in (_MESSAGES | _COMMANDS).items()},
    "FeedEventMessage": said(
        shape(
            type=const("event"),
            response_id=STRING,
            event=any_of(ref("ResponseEvent"), ref("TertuliaEvent")),
        ),
        feed_messages.MESSAGES["event"].says,
    ),
    "FeedEntryMessage": said(
        shape(type=const("feed"), offset=COUNT, event=ref("FeedEntry")),
        feed_messages.MESSAGES["feed"].says,
    ),
    "ResponseEvent": _union(_STANDARD, "An event of a response, as the standard has it."),
    "TertuliaEvent": _union(_OURS, "An event of Tertulia's own, sent where it was asked for."),
    "FeedEntry": _union(_ENTRIES, "What happens in a user's feed."),
    "FeedMessage": said(
        any_of(
            *(ref(f"Feed{name}") for name in _MESSAGES),
            ref("FeedEventMessage"),
            ref("FeedEntryMessage"),
        ),
        "What the server says on a feed.",
    ),
    "FeedCommand": said(
        any_of(*(ref(f"Feed{name}") for name in _COMMANDS)),
        "What a device says on a feed's WebSocket.",
    ),
    "SocketError": said(
        shape(type=const("error"), status=COUNT, error=ref("ErrorDetail")),
        "What was wrong with a message on a WebSocket of `/v1/responses`.",
    ),
    "SocketCreate": said(
        {"allOf": [ref("CreateResponse"), shape(type=const("response.create"))]},
        "What a client says on a WebSocket of `/v1/responses`.",
    ),
}


def stream(*events: str) -> Schema:
    """Server-sent events, each of which holds one of these components."""
    return shape(
        "data",
        event=STRING,
        data=any_of(
            {
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": any_of(*map(ref, events)),
            },
            const("[DONE]"),
        ),
    )

"""Events of a response, encoded once, in the vocabulary of Open Responses.

Source: the standard's ``*StreamingEvent`` schemas. Each function gives the frame of one event. The
events of an answer's text are the hot path: their unchanging beginning is encoded once per part.
"""

from __future__ import annotations

from typing import Any

import msgspec

from tertulia.domain.frame import Frame
from tertulia.domain.item import FunctionCall, Item, Message, OutputText, Part, Reasoning
from tertulia.domain.response import Response, resource

_json = msgspec.json.Encoder()

#: The terminal event of each terminal status. The standard has none for a cancelled response: it
#: ends with `response.incomplete`, whose ``response.status`` is ``cancelled``.
TERMINAL_EVENT = {
    "completed": "response.completed",
    "failed": "response.failed",
    "incomplete": "response.incomplete",
    "cancelled": "response.incomplete",
}


def encode(value: Any) -> bytes:
    """JSON, UTF-8, by the one encoder of events."""
    return _json.encode(value)


def frame(number: int, kind: str, body: dict[str, Any], continues: int | None = None) -> Frame:
    """A frame of event ``kind``; ``body`` holds what comes after type and number."""
    data = _json.encode({"type": kind, "sequence_number": number, **body})
    return Frame(number, kind, data, continues)


def opening_frames(response: Response) -> tuple[Frame, Frame]:
    """``response.created`` (0) and ``response.queued`` (1) of a response just accepted."""
    shown = {"response": resource(response)}
    return frame(0, "response.created", shown), frame(1, "response.queued", shown)


def terminal_frame(response: Response, output: tuple[Item, ...]) -> Frame:
    """The last frame, derived from a terminal row and its output items alone.

    Raises:
        ValueError: the response is not terminal.
    """
    if response.last_sequence_number is None or not response.terminal:
        raise ValueError(f"{response.id} is {response.status}: it has no terminal frame")
    return frame(
        response.last_sequence_number,
        TERMINAL_EVENT[response.status],
        {"response": resource(response, output)},
    )


class DeltaEncoder:
    """Frames of one kind of delta of one part: only number and text differ between them."""

    __slots__ = ("_head", "_kind", "_middle", "_tail")

    def __init__(self, kind: str, place: dict[str, Any], tail: bytes = b"}") -> None:
        self._kind = kind
        self._head = b'{"type":' + _json.encode(kind) + b',"sequence_number":'
        self._middle = b"," + _json.encode(place)[1:-1] + b',"delta":'
        self._tail = tail

    def __call__(self, number: int, delta: str) -> Frame:
        data = b"%b%d%b%b%b" % (self._head, number, self._middle, _json.encode(delta), self._tail)
        return Frame(number, self._kind, data)


def text_deltas(item_id: str, output_index: int, content_index: int) -> DeltaEncoder:
    """Encoder of ``response.output_text.delta``."""
    place = {"item_id": item_id, "output_index": output_index, "content_index": content_index}
    return DeltaEncoder("response.output_text.delta", place, b',"logprobs":[]}')


def reasoning_deltas(item_id: str, output_index: int) -> DeltaEncoder:
    """Encoder of ``response.reasoning.delta``."""
    place = {"item_id": item_id, "output_index": output_index, "content_index": 0}
    return DeltaEncoder("response.reasoning.delta", place)


def argument_deltas(item_id: str, output_index: int) -> DeltaEncoder:
    """Encoder of ``response.function_call_arguments.delta``."""
    place = {"item_id": item_id, "output_index": output_index}
    return DeltaEncoder("response.function_call_arguments.delta", place)


def done_events(item: Item, output_index: int) -> list[tuple[str, dict[str, Any]]]:
    """The events (kind, body) that end an item, in order; ``item`` as it stands at its end."""
    place: dict[str, Any] = {"item_id": item.id, "output_index": output_index}
    events: list[tuple[str, dict[str, Any]]] = []
    if isinstance(item, Message):
        for index, part in enumerate(item.content):
            at = {**place, "content_index": index}
            events += _part_done(part, at)
    elif isinstance(item, Reasoning):
        for index, text in enumerate(item.content):
            at = {**place, "content_index": index}
            events.append(("response.reasoning.done", {**at, "text": text.text}))
            events.append(("response.content_part.done", {**at, "part": text}))
    elif isinstance(item, FunctionCall):
        events.append(
            ("response.function_call_arguments.done", {**place, "arguments": item.arguments})
        )
    events.append(("response.output_item.done", {"output_index": output_index, "item": item}))
    return events


def _part_done(part: Part, at: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    done: list[tuple[str, dict[str, Any]]] = []
    if isinstance(part, OutputText):
        done.append(("response.output_text.done", {**at, "text": part.text, "logprobs": ()}))
    done.append(("response.content_part.done", {**at, "part": part}))
    return done

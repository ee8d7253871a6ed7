"""Items and their parts, as Open Responses writes them.

Source: the standard's ``ItemField`` and content schemas. The structures encode to exactly the
wire's JSON (msgspec), and the same bytes, sealed, are what the store keeps.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

ItemStatus = Literal["in_progress", "completed", "incomplete"]
Role = Literal["user", "assistant", "system", "developer"]


class _Tagged(msgspec.Struct, frozen=True, tag_field="type", kw_only=True):
    pass


class InputText(_Tagged, frozen=True, tag="input_text"):
    text: str


class InputImage(_Tagged, frozen=True, tag="input_image"):
    """One of the two is set: a ``data:`` URL, or the id of an uploaded file."""

    image_url: str | None = None
    #: Left out when there is none: the standard does not know it, OpenAI's API does.
    file_id: str | msgspec.UnsetType = msgspec.UNSET
    detail: Literal["low", "high", "auto"] = "auto"


class OutputText(_Tagged, frozen=True, tag="output_text"):
    text: str
    annotations: tuple[dict[str, Any], ...] = ()
    logprobs: tuple[dict[str, Any], ...] = ()


class Refusal(_Tagged, frozen=True, tag="refusal"):
    refusal: str


class ReasoningText(_Tagged, frozen=True, tag="reasoning_text"):
    text: str


class SummaryText(_Tagged, frozen=True, tag="summary_text"):
    text: str


Part = InputText | InputImage | OutputText | Refusal


class Message(_Tagged, frozen=True, tag="message"):
    id: str
    role: Role
    content: tuple[Part, ...]
    status: ItemStatus = "completed"

    @property
    def text(self) -> str:
        """All text of the message, parts joined."""
        return "".join(p.text for p in self.content if isinstance(p, InputText | OutputText))


class FunctionCall(_Tagged, frozen=True, tag="function_call"):
    id: str
    call_id: str
    name: str
    arguments: str
    status: ItemStatus = "completed"


class FunctionCallOutput(_Tagged, frozen=True, tag="function_call_output"):
    id: str
    call_id: str
    output: str | tuple[Part, ...]
    status: ItemStatus = "completed"

    @property
    def text(self) -> str:
        if isinstance(self.output, str):
            return self.output
        return "".join(p.text for p in self.output if isinstance(p, InputText | OutputText))


class Reasoning(_Tagged, frozen=True, tag="reasoning"):
    id: str
    summary: tuple[SummaryText, ...] = ()
    content: tuple[ReasoningText, ...] = ()
    #: Left out when there is none: the standard knows no null here.
    encrypted_content: str | msgspec.UnsetType = msgspec.UNSET
    status: ItemStatus = "completed"


Item = Message | FunctionCall | FunctionCallOutput | Reasoning


class ItemReference(_Tagged, frozen=True, tag="item_reference"):
    """Stands in a request's input for an item that is stored: no item itself, never stored."""

    id: str


#: What a request's input is made of.
Given = Item | ItemReference

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Item] = msgspec.json.Decoder(Item)


def images_of(item: Given) -> tuple[InputImage, ...]:
    """The images of a message or of a tool's output."""
    parts: str | tuple[Part, ...] = ()
    if isinstance(item, Message):
        parts = item.content
    elif isinstance(item, FunctionCallOutput):
        parts = item.output
    return tuple(part for part in parts if isinstance(part, InputImage))


def length_of(items: Iterable[Item]) -> int:
    """Characters of what makes items long: texts, images, arguments."""
    return sum(map(_length, items))


def _length(item: Item) -> int:
    if isinstance(item, FunctionCall):
        return len(item.arguments)
    if isinstance(item, FunctionCallOutput) and isinstance(item.output, str):
        return len(item.output)
    if isinstance(item, Reasoning):
        return sum(len(part.text) for part in item.content)
    parts = item.content if isinstance(item, Message) else item.output
    return sum(map(_part_length, parts))


def _part_length(part: Part | str) -> int:
    if isinstance(part, InputText | OutputText):
        return len(part.text)
    return len(part.image_url or "") if isinstance(part, InputImage) else 0


def encode_item(item: Item) -> bytes:
    """The item's JSON, as it goes over the wire and, sealed, into the store."""
    return _encoder.encode(item)


def decode_item(data: bytes) -> Item:
    """The inverse of :func:`encode_item`."""
    return _decoder.decode(data)

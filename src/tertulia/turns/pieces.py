"""From stored items to what a model is told, each piece knowing where it comes from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeGuard

from tertulia.domain import budget
from tertulia.domain.item import FunctionCall, FunctionCallOutput, InputImage, Item
from tertulia.domain.item import Message as MessageItem
from tertulia.domain.promise import is_object
from tertulia.ports.model import (
    Declared,
    Entry,
    ImagePart,
    Message,
    TextPart,
    ToolCall,
    ToolOutput,
)
from tertulia.ports.turns import Node
from tertulia.turns import images


@dataclass(frozen=True, slots=True)
class Origin:
    """An item, and the response that it is input or output of."""

    response_id: str
    item_id: str


@dataclass(frozen=True, slots=True)
class Piece:
    """One entry of a call. Of several items where a continued answer is one message."""

    entry: Entry
    origins: tuple[Origin, ...] = ()


@dataclass(frozen=True, slots=True)
class Turn:
    """A response with its input, and those that continue it."""

    response_id: str
    pieces: list[Piece] = field(default_factory=list)


def own(node: Node, model: Declared) -> list[Piece]:
    """The input of the present response."""
    return _pieces(node, node.input, model)


def turns(nodes: Sequence[Node], model: Declared) -> list[Turn]:
    """The past turns; a response without input goes on its parent's answer, so the two are one
    turn and their texts one message."""
    found: list[Turn] = []
    for node in nodes:
        pieces = _pieces(node, (*node.input, *node.output), model)
        if node.input or not found:
            found.append(Turn(node.response.id, pieces))
            continue
        said = found[-1].pieces
        for piece in pieces:
            last = said[-1] if said else None
            if last is not None and is_answer(last.entry) and is_answer(piece.entry):
                parts = (*last.entry.parts, *piece.entry.parts)
                said[-1] = Piece(Message("assistant", parts), (*last.origins, *piece.origins))
            else:
                said.append(piece)
    return found


def continued(past: list[Turn], present: list[Piece]) -> tuple[list[Turn], Piece | None]:
    """A response without input continues its parent: the parent's text is its beginning."""
    if present or not past or not past[-1].pieces:
        return past, None
    last = past[-1]
    if not is_answer(last.pieces[-1].entry):
        return past, None
    return [*past[:-1], replace(last, pieces=last.pieces[:-1])], last.pieces[-1]


def is_answer(entry: Entry) -> TypeGuard[Message]:
    return isinstance(entry, Message) and entry.role == "assistant"


def instructs(entry: Entry) -> bool:
    return isinstance(entry, Message) and entry.role in ("system", "developer")


def first_needed(past: Sequence[Turn], present: Sequence[Piece]) -> int:
    """How many of the past turns may be left out: not the one whose calls are answered now."""
    answered = {p.entry.call_id for p in present if isinstance(p.entry, ToolOutput)}
    answered -= {p.entry.call_id for p in present if isinstance(p.entry, ToolCall)}
    for index, turn in enumerate(past if answered else ()):
        if any(isinstance(p.entry, ToolCall) and p.entry.call_id in answered for p in turn.pieces):
            return index
    return len(past)


def paired(pieces: Sequence[Piece]) -> list[Piece]:
    """A tool's output whose call was left out would be refused by every server, and so would a
    call that nobody answered."""
    called = {p.entry.call_id for p in pieces if isinstance(p.entry, ToolCall)}
    answered = {p.entry.call_id for p in pieces if isinstance(p.entry, ToolOutput)}
    both = called & answered
    return [
        piece
        for piece in pieces
        if not isinstance(piece.entry, ToolCall | ToolOutput) or piece.entry.call_id in both
    ]


def tokens(model: Declared, pieces: Iterable[Piece]) -> int:
    return sum(_tokens(model, piece.entry) for piece in pieces)


def _pieces(node: Node, items: Sequence[Item], model: Declared) -> list[Piece]:
    """The images that tools have put out come after the last of neighbouring outputs."""
    pieces: list[Piece] = []
    shown: list[Piece] = []
    for item in items:
        origin = (Origin(node.response.id, item.id),)
        if isinstance(item, FunctionCallOutput):
            said, more = images.output(item, model)
            pieces.append(Piece(said, origin))
            shown += [Piece(entry, origin) for entry in more]
        else:
            pieces += [*shown, *(Piece(entry, origin) for entry in _plain(item, model))]
            shown = []
    return pieces + shown


def _plain(item: Item, model: Declared) -> list[Entry]:
    """Reasoning is not sent back: models do not take each other's."""
    if isinstance(item, MessageItem):
        parts = tuple(
            images.part(p, model)
            if isinstance(p, InputImage)
            else TextPart(getattr(p, "text", "") or getattr(p, "refusal", ""))
            for p in item.content
        )
        return [Message(item.role, parts)] if any(_kept(p) for p in parts) else []
    if isinstance(item, FunctionCall):
        if item.status == "incomplete":
            return []
        return [ToolCall(item.call_id, item.name, _readable(item.arguments))]
    return []


def _kept(part: TextPart | ImagePart) -> bool:
    return isinstance(part, ImagePart) or bool(part.text)


def _readable(arguments: str) -> str:
    """A model may have written arguments that are no JSON, and servers whose templates read them
    would refuse the whole conversation for it."""
    if not arguments.strip():
        return "{}"
    return arguments if is_object(arguments) else json.dumps({"unreadable": arguments})


def _tokens(model: Declared, entry: Entry) -> int:
    if isinstance(entry, Message):
        seen = sum(images.tokens(p) for p in entry.parts if isinstance(p, ImagePart))
        return budget.MESSAGE_OVERHEAD + model.count_tokens(entry.text) + seen
    if isinstance(entry, ToolCall):
        return budget.MESSAGE_OVERHEAD + model.count_tokens(entry.name + entry.arguments)
    return budget.MESSAGE_OVERHEAD + model.count_tokens(entry.output)

"""What a response sent to its model, and why: told from the stored items and a small note.

Items never change once they are stored. What was decided over them, and what the model declared
then, is noted when the call is made (`domain.sent.Sent`), so the same plan comes out of them later,
whatever the settings have become. What was erased since is not told any more: it is gone. Tokens of
the single pieces are counted when they are asked for, by the same tokenizer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from tertulia.domain.continuation import PROMPT
from tertulia.domain.item import Item
from tertulia.domain.item import Message as MessageItem
from tertulia.domain.response import Response
from tertulia.domain.sent import Sent
from tertulia.errors import NotFound
from tertulia.ports.model import (
    Declared,
    Entry,
    ImagePart,
    Message,
    Model,
    ModelInfo,
    TextPart,
    ToolCall,
    ToolOutput,
)
from tertulia.ports.turns import Node
from tertulia.turns import pieces
from tertulia.turns.context import Plan, plan, too_long, tool_tokens
from tertulia.turns.parts import Parts
from tertulia.turns.pieces import Origin, Piece

#: ``memory`` and ``summary`` are for what is yet to come.
Kind = Literal["instructions", "tools", "item", "continuation", "memory", "summary"]
#: ``server``: words of our own, which ask a model to go on.
Source = Literal["request", "model", "history", "input", "answer", "server"]
#: Why something was left out: it did not fit; a call without its output or the reverse; nothing of
#: it is for models (reasoning, a call that was cut off, an empty message); all was too long.
Reason = Literal["budget", "unpaired", "not_for_models", "context_length_exceeded"]


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was sent, or was not."""

    kind: Kind
    source: Source
    #: What it was made of; items of other responses are found there.
    origins: tuple[Origin, ...] = ()
    type: str | None = None
    role: str | None = None
    #: None: the model that counts is no longer there.
    tokens: int | None = 0
    reason: Reason | None = None
    #: As it was sent; None for what was left out.
    text: str | None = None
    images: int = 0
    #: How well it fitted the question, of what is found by likeness.
    score: float | None = None

    @property
    def included(self) -> bool:
        return self.reason is None


@dataclass(frozen=True, slots=True)
class Explained:
    response: Response
    plan: Plan
    #: None: no call was made, or its note was lost with its attempt; the plan is the present one.
    sent: Sent | None
    #: It is too long to be sent.
    refused: bool
    lines: Sequence[Line]


async def explain(parts: Parts, user_id: str, response_id: str) -> Explained:
    """Raises `NotFound`: no such response; or its model is gone and nothing was noted."""
    branch = await parts.store.branch(user_id, response_id)
    sent = await parts.store.sent(user_id, response_id)
    response = branch[-1].response
    model: Model | None = None
    try:
        model = parts.models.get(response.request.model, admin=True)
    except NotFound:
        if sent is None:
            raise
    counting = _Then(model, response.request.model, sent)
    written = _text_of(branch[-1].output)[: sent.written] if sent is not None else ""
    made = plan(response, branch, counting, written, sent)
    lines = list(_lines(made, branch, counting))
    refused = sent is None and too_long(made, response, counting) is not None
    if refused:
        lines = [
            replace(line, reason=line.reason or "context_length_exceeded", text=None)
            for line in lines
        ]
    if model is None:
        lines = [replace(line, tokens=None) for line in lines]
    return Explained(response, made, sent, refused, lines)


class _Then:
    """A model as it was when the call was made, as far as contexts depend on it."""

    def __init__(self, model: Model | None, model_id: str, sent: Sent | None) -> None:
        self._model = model
        info = model.info if model else ModelInfo(model_id, model_id, "", context_window=0)
        if sent is not None:
            info = replace(
                info,
                context_window=sent.window,
                images=sent.images,
                tools=sent.tools,
                prefill=sent.prefill,
                max_output_tokens=sent.max_output_tokens,
                instructions=sent.instructions,
            )
        self.info = info

    def count_tokens(self, text: str) -> int:
        return self._model.count_tokens(text) if self._model is not None else 0


def _lines(made: Plan, branch: Sequence[Node], model: Declared) -> Iterator[Line]:
    """In the order in which they were sent; what was left out stands where it would have been."""
    request = branch[-1].response.request
    source: Source = "request" if request.instructions else "model"
    for piece in made.instructions:
        yield _line(piece, "instructions", source, model)
    if request.tools and model.info.tools:
        names = ", ".join(str(tool["name"]) for tool in request.tools)
        yield Line("tools", "request", tokens=tool_tokens(request, model), text=names)
    yield from _items(made, branch, model)
    if made.begun:
        whole = made.continues is not None
        yield Line(
            "continuation",
            "history" if whole else "answer",
            origins=made.continues.origins if made.continues is not None else (),
            type="message",
            role="assistant",
            tokens=_of_begun(made, model),
            text=made.begun,
        )
        if not model.info.prefill:
            asked = Piece(Message("user", (TextPart(PROMPT),)))
            yield _line(asked, "continuation", "server", model)


def _of_begun(made: Plan, model: Declared) -> int:
    if model.info.prefill:
        return model.count_tokens(made.begun)
    return pieces.tokens(model, [Piece(Message("assistant", (TextPart(made.begun),)))])


def _items(made: Plan, branch: Sequence[Node], model: Declared) -> Iterator[Line]:
    places: dict[Origin, int] = {}
    by_place: list[tuple[int, Line]] = []
    seen: set[Origin] = set(made.continues.origins) if made.continues is not None else set()
    stored = [(node, item) for node in branch for item in _of(node, branch[-1])]
    for place, (node, item) in enumerate(stored):
        places[Origin(node.response.id, item.id)] = place
    kept = {id(piece) for piece in made.kept}
    place = 0
    for piece, dropped, source in _planned(made):
        place = max(place, places[piece.origins[0]])
        seen.update(piece.origins)
        line = _line(piece, "item", source, model)
        if dropped or id(piece) not in kept:
            line = replace(line, reason="budget" if dropped else "unpaired", text=None)
        by_place.append((place, line))
    for node, item in stored:
        origin = Origin(node.response.id, item.id)
        if origin not in seen:
            by_place.append((places[origin], _unsaid(origin, item, node is branch[-1])))
    by_place.sort(key=lambda each: each[0])
    return (line for _, line in by_place)


def _planned(made: Plan) -> Iterator[tuple[Piece, bool, Source]]:
    for index, turn in enumerate(made.past):
        for piece in turn.pieces:
            yield piece, index < made.dropped, "history"
    for piece in made.own:
        yield piece, False, "input"


def _of(node: Node, last: Node) -> Sequence[Item]:
    """The present response's own output is what came of it."""
    return node.input if node is last else (*node.input, *node.output)


def _unsaid(origin: Origin, item: Item, own: bool) -> Line:
    return Line(
        "item",
        "input" if own else "history",
        (origin,),
        type=item.__struct_config__.tag if isinstance(item.__struct_config__.tag, str) else None,
        role=item.role if isinstance(item, MessageItem) else None,
        reason="not_for_models",
    )


def _line(piece: Piece, kind: Kind, source: Source, model: Declared) -> Line:
    entry = piece.entry
    tokens = pieces.tokens(model, [piece])
    if isinstance(entry, Message):
        shown = sum(isinstance(part, ImagePart) for part in entry.parts)
        return Line(
            kind, source, piece.origins, "message", entry.role, tokens, None, entry.text, shown
        )
    return Line(kind, source, piece.origins, _type_of(entry), None, tokens, None, _said(entry))


def _type_of(entry: Entry) -> str:
    return "function_call" if isinstance(entry, ToolCall) else "function_call_output"


def _said(entry: ToolCall | ToolOutput) -> str:
    return entry.arguments if isinstance(entry, ToolCall) else entry.output


def _text_of(output: Sequence[Item]) -> str:
    """Of the last message, which is the one that attempts go on from."""
    for item in reversed(output):
        if isinstance(item, MessageItem):
            return item.text
    return ""

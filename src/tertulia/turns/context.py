"""What one response sends to the model, and nothing else: instructions, memory, the message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from tertulia.domain import budget
from tertulia.domain.continuation import PROMPT
from tertulia.domain.item import FunctionCall, FunctionCallOutput, InputImage, Item
from tertulia.domain.item import Message as MessageItem
from tertulia.domain.response import Request, Response
from tertulia.errors import ContextTooLong, InvalidInput
from tertulia.ports.model import (
    Call,
    Entry,
    ImagePart,
    Message,
    Model,
    TextPart,
    Tool,
    ToolCall,
    ToolOutput,
)
from tertulia.ports.turns import Node
from tertulia.turns import images


@dataclass(frozen=True, slots=True)
class Context:
    """A call ready to be made."""

    call: Call
    #: Estimated tokens of what is sent.
    tokens: int
    #: Past turns left out because they did not fit.
    dropped: int
    #: Set when the model was asked in words to go on from this text.
    repeated: str = ""


def assemble(response: Response, branch: Sequence[Node], model: Model, written: str) -> Context:
    """The context of ``response``, the last node of ``branch``; ``written`` is what its earlier
    attempts have written of the open message.

    Raises:
        ContextTooLong: it does not fit and the request forbids truncation, or the present
            message alone does not fit.
    """
    request = response.request
    own = _entries(branch[-1].input, model)
    past = _turns(branch[:-1], model)
    past, begun = _continued(past, own)
    begun += written
    instructions = _instructions(request, model, [*past, own])
    fixed_entries = instructions + own
    fixed = sum(_tokens(model, e) for e in fixed_entries)
    fixed += model.count_tokens(begun) if begun else 0
    fixed += sum(model.count_tokens(str(tool)) for tool in request.tools)
    sizes = [sum(_tokens(model, e) for e in entries) for entries in past]
    window = model.info.context_window
    asked = request.max_output_tokens or model.info.max_output_tokens
    packed = budget.pack(window, budget.answer_reserve(window, asked), fixed, sizes)
    dropped = len(past) - packed.kept
    if not packed.fits or (dropped and request.truncation == "disabled"):
        raise ContextTooLong(
            f"The conversation has about {fixed + sum(sizes)} tokens; {model.info.id} takes "
            f"{window}. Start a new chat, or send truncation=auto to leave out the oldest turns."
        )
    kept = [e for entries in past[dropped:] for e in entries]
    entries = instructions + _without_orphans(kept + own)
    if len(entries) == len(instructions) and not begun:
        raise InvalidInput("There is nothing to answer: the conversation is empty.", param="input")
    prefix, repeated = begun, ""
    if begun and not model.info.prefill:
        entries += [
            Message("assistant", (TextPart(begun),)),
            Message("user", (TextPart(PROMPT),)),
        ]
        prefix, repeated = "", begun
    call = _call(response, entries, prefix, asked, model.count_tokens(written) if written else 0)
    return Context(call, packed.tokens, dropped, repeated)


def _offered(request: Request) -> tuple[list[Tool], str]:
    """The tools the model may call, and the choice it has among them, as `Call` writes it."""
    choice = request.tool_choice
    names = {tool["name"] for tool in request.tools}
    if isinstance(choice, dict):
        if choice["type"] == "allowed_tools":
            names = {tool["name"] for tool in choice["tools"]}
            choice = str(choice["mode"])
        else:
            choice = str(choice["name"])
    tools = [
        Tool(t["name"], t.get("description"), t.get("parameters"), t.get("strict"))
        for t in request.tools
        if t["name"] in names
    ]
    return tools, choice


def _call(
    response: Response, entries: list[Entry], prefix: str, asked: int | None, spent: int
) -> Call:
    request = response.request
    tools, choice = _offered(request)
    fmt = request.text_format
    schema: Any = {"json_object": {}, "json_schema": fmt.get("schema")}.get(fmt["type"])
    return Call(
        model=request.model,
        entries=entries,
        prefix=prefix,
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=request.parallel_tool_calls,
        json_schema=schema,
        json_schema_name=fmt.get("name", "answer"),
        max_output_tokens=None if asked is None else max(1, asked - spent),
        temperature=request.temperature,
        top_p=request.top_p,
        presence_penalty=request.presence_penalty,
        frequency_penalty=request.frequency_penalty,
        stop=request.stop,
        seed=request.seed,
        logit_bias=request.logit_bias,
        reasoning_effort=(request.reasoning or {}).get("effort"),
        response_id=response.id,
        attempt=response.attempt,
    )


def _turns(nodes: Sequence[Node], model: Model) -> list[list[Entry]]:
    """The entries of each past turn; a response without input goes on its parent's answer, so
    the two are one turn and their texts one message."""
    turns: list[list[Entry]] = []
    for node in nodes:
        entries = _entries((*node.input, *node.output), model)
        if node.input or not turns:
            turns.append(entries)
            continue
        turn = turns[-1]
        for entry in entries:
            last = turn[-1] if turn else None
            if _is_answer(last) and _is_answer(entry):
                turn[-1] = Message("assistant", (*last.parts, *entry.parts))
            else:
                turn.append(entry)
    return turns


def _continued(past: list[list[Entry]], own: list[Entry]) -> tuple[list[list[Entry]], str]:
    """A response without input continues its parent: the parent's text is its beginning."""
    if own or not past or not past[-1]:
        return past, ""
    last = past[-1][-1]
    if not _is_answer(last):
        return past, ""
    return [*past[:-1], past[-1][:-1]], last.text


def _is_answer(entry: Entry | None) -> TypeGuard[Message]:
    return isinstance(entry, Message) and entry.role == "assistant"


def _instructions(request: Request, model: Model, said: list[list[Entry]]) -> list[Entry]:
    """The request's own; the model's only where nothing ``said`` tells it how to answer."""
    text = request.instructions
    if not text and not any(_instructs(entry) for entries in said for entry in entries):
        text = model.info.instructions
    return [Message("system", (TextPart(text),))] if text else []


def _instructs(entry: Entry) -> bool:
    return isinstance(entry, Message) and entry.role in ("system", "developer")


def _entries(items: Sequence[Item], model: Model) -> list[Entry]:
    """The images that tools have put out come after the last of neighbouring outputs."""
    entries: list[Entry] = []
    shown: list[Entry] = []
    for item in items:
        if isinstance(item, FunctionCallOutput):
            said, more = images.output(item, model)
            entries.append(said)
            shown += more
        else:
            entries += [*shown, *_plain(item, model)]
            shown = []
    return entries + shown


def _plain(item: Item, model: Model) -> list[Entry]:
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
        return [ToolCall(item.call_id, item.name, item.arguments)]
    return []


def _kept(part: TextPart | ImagePart) -> bool:
    return isinstance(part, ImagePart) or bool(part.text)


def _without_orphans(entries: list[Entry]) -> list[Entry]:
    """A tool's output whose call was left out would be refused by every server."""
    called = {e.call_id for e in entries if isinstance(e, ToolCall)}
    return [e for e in entries if not isinstance(e, ToolOutput) or e.call_id in called]


def _tokens(model: Model, entry: Entry) -> int:
    if isinstance(entry, Message):
        seen = sum(images.tokens(p) for p in entry.parts if isinstance(p, ImagePart))
        return budget.MESSAGE_OVERHEAD + model.count_tokens(entry.text) + seen
    if isinstance(entry, ToolCall):
        return budget.MESSAGE_OVERHEAD + model.count_tokens(entry.name + entry.arguments)
    return budget.MESSAGE_OVERHEAD + model.count_tokens(entry.output)

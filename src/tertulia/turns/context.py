"""What one response sends to the model, and nothing else: instructions, memory, the message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tertulia.domain import budget
from tertulia.domain.continuation import PROMPT
from tertulia.domain.response import Request, Response
from tertulia.domain.sent import Sent
from tertulia.errors import ContextTooLong, InvalidInput
from tertulia.ports.model import Call, Declared, Entry, Message, TextPart, Tool
from tertulia.ports.turns import Node
from tertulia.turns import pieces
from tertulia.turns.history import unknown_output
from tertulia.turns.pieces import Piece, Turn


@dataclass(frozen=True, slots=True)
class Context:
    """A call ready to be made."""

    call: Call
    #: Estimated tokens of what is sent.
    tokens: int
    #: Past turns left out because they did not fit.
    dropped: int
    #: What to note of it once it is sent.
    sent: Sent
    #: Set when the model was asked in words to go on from this text.
    repeated: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What of the past is sent beside what must be, and its sizes in tokens."""

    instructions: list[Piece]
    past: list[Turn]
    #: The present input.
    own: list[Piece]
    #: What the answer begins with: a parent's text that it continues, earlier attempts' words.
    begun: str
    continues: Piece | None
    window: int
    reserve: int
    #: The oldest so many turns are left out.
    dropped: int
    tokens: int
    #: Without leaving anything out.
    whole: int
    #: False: even so it is too long, or what was left out is needed.
    fits: bool

    @property
    def kept(self) -> list[Piece]:
        """Of past and present, what is sent."""
        past = [piece for turn in self.past[self.dropped :] for piece in turn.pieces]
        return pieces.paired(past + self.own)


def plan(
    response: Response,
    branch: Sequence[Node],
    model: Declared,
    written: str,
    then: Sent | None = None,
) -> Plan:
    """For ``response``, the last node of ``branch``; ``written`` is what its earlier attempts have
    written of the open message.

    ``then``: what was noted when it was sent; the plan is that one's, whatever would fit now.
    """
    own = pieces.own(branch[-1], model)
    past, continues = pieces.continued(pieces.turns(branch[:-1], model), own)
    begun = written
    if continues is not None and isinstance(continues.entry, Message):
        begun = continues.entry.text + written
    instructions = _instructions(response.request, model, past, own)
    fixed = pieces.tokens(model, [*instructions, *own])
    fixed += _begun_tokens(begun, model) if begun else 0
    fixed += tool_tokens(response.request, model)
    sizes = [pieces.tokens(model, turn.pieces) for turn in past]
    window = model.info.context_window
    reserve = budget.answer_reserve(window, _asked(response.request, model))
    packed = budget.pack(window, reserve, fixed, sizes)
    dropped, tokens = len(past) - packed.kept, packed.tokens
    fits = packed.fits and dropped <= pieces.first_needed(past, own)
    if then is not None:
        kept = [i for i, turn in enumerate(past) if turn.response_id == then.history_from]
        window, reserve, tokens, fits = then.window, then.reserve, then.tokens, True
        dropped = kept[0] if kept else len(past)
    whole = fixed + sum(sizes)
    return Plan(
        instructions, past, own, begun, continues, window, reserve, dropped, tokens, whole, fits
    )


def too_long(made: Plan, response: Response, model: Declared) -> ContextTooLong | None:
    """The error, if ``response`` cannot be answered so."""
    if made.fits and not (made.dropped and response.request.truncation == "disabled"):
        return None
    return ContextTooLong(
        f"The conversation has about {made.whole} tokens; {model.info.id} takes {made.window}. "
        "Start a new chat, or send truncation=auto to leave out the oldest turns.",
        param="input",
    )


def assemble(response: Response, branch: Sequence[Node], model: Declared, written: str) -> Context:
    """The context of ``response``; for the arguments see `plan`.

    Raises:
        ContextTooLong: it does not fit and the request forbids truncation, or the present
            message alone does not fit.
        InvalidInput: a tool's output answers no call, or there is nothing to answer.
    """
    unknown = unknown_output(branch)
    if unknown is not None:
        raise unknown
    made = plan(response, branch, model, written)
    error = too_long(made, response, model)
    if error is not None:
        raise error
    said = [piece.entry for piece in made.kept]
    if not said and not made.begun:
        raise InvalidInput("There is nothing to answer: the conversation is empty.", param="input")
    entries = [*(piece.entry for piece in made.instructions), *said]
    prefix, repeated = made.begun, ""
    if made.begun and not model.info.prefill:
        entries += [
            Message("assistant", (TextPart(made.begun),)),
            Message("user", (TextPart(PROMPT),)),
        ]
        prefix, repeated = "", made.begun
    spent = model.count_tokens(written) if written else 0
    asked = _asked(response.request, model)
    call = _call(response, model, entries, prefix, asked, spent)
    noted = _noted(made, response, model, len(written))
    return Context(call, made.tokens, made.dropped, noted, repeated)


def tool_tokens(request: Request, model: Declared) -> int:
    """Of the functions' descriptions, which a model that calls none is not sent."""
    if not model.info.tools:
        return 0
    return sum(model.count_tokens(str(tool)) for tool in request.tools)


def _begun_tokens(begun: str, model: Declared) -> int:
    if model.info.prefill:
        return model.count_tokens(begun)
    asked = [Piece(Message("user", (TextPart(text),))) for text in (begun, PROMPT)]
    return pieces.tokens(model, asked)


def _asked(request: Request, model: Declared) -> int | None:
    return request.max_output_tokens or model.info.max_output_tokens


def _noted(made: Plan, response: Response, model: Declared, written: int) -> Sent:
    info = model.info
    first = made.past[made.dropped].response_id if made.dropped < len(made.past) else None
    own = response.request.instructions
    return Sent(
        attempt=response.attempt,
        window=made.window,
        reserve=made.reserve,
        tokens=made.tokens,
        left_out=made.whole - made.tokens,
        history_from=first,
        written=written,
        images=info.images,
        tools=info.tools,
        prefill=info.prefill,
        max_output_tokens=info.max_output_tokens,
        instructions=info.instructions if made.instructions and not own else None,
    )


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
    response: Response,
    model: Declared,
    entries: list[Entry],
    prefix: str,
    asked: int | None,
    spent: int,
) -> Call:
    request = response.request
    tools, choice = _offered(request) if model.info.tools else ([], "auto")
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
        json_schema_strict=bool(fmt.get("strict")),
        max_output_tokens=None if asked is None else max(1, asked - spent),
        temperature=request.temperature,
        top_p=request.top_p,
        presence_penalty=request.presence_penalty,
        frequency_penalty=request.frequency_penalty,
        stop=request.stop,
        seed=request.seed,
        logit_bias=request.logit_bias,
        reasoning_effort=(request.reasoning or {}).get("effort"),
        verbosity=request.verbosity,
        safety_identifier=request.safety_identifier,
        prompt_cache_key=request.prompt_cache_key,
        response_id=response.id,
        attempt=response.attempt,
    )


def _instructions(
    request: Request, model: Declared, past: Sequence[Turn], own: Sequence[Piece]
) -> list[Piece]:
    """The request's own; the model's only where nothing that was said tells it how to answer."""
    text = request.instructions
    said = [*(piece for turn in past for piece in turn.pieces), *own]
    if not text and not any(pieces.instructs(piece.entry) for piece in said):
        text = model.info.instructions
    return [Piece(Message("system", (TextPart(text),)))] if text else []

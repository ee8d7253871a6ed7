"""Whether a request fits its model's window, told before it is accepted where that is cheap.

What is clearly short is not counted at all: no token is shorter than a byte. A past that is clearly
short is not read either: what its last call took in and gave out is known.
"""

from __future__ import annotations

from collections.abc import Sequence

from tertulia.domain import budget
from tertulia.domain.item import FunctionCall, FunctionCallOutput, Item, Message, images_of
from tertulia.domain.principal import Principal
from tertulia.domain.response import Request, Response
from tertulia.errors import ContextTooLong, NotFound
from tertulia.ports.model import Declared
from tertulia.ports.turns import Node
from tertulia.turns.ask import Ask
from tertulia.turns.context import plan, too_long
from tertulia.turns.count import before
from tertulia.turns.images import tokens_of
from tertulia.turns.parts import Parts

#: Other counts of the same past, by a server or for another model, may be half of ours.
_APART = 2


def check_own(request: Request, items: tuple[Item, ...], model: Declared) -> None:
    """Raises `ContextTooLong` when the input exceeds the window by itself."""
    window = model.info.context_window
    if _most(request, items) + budget.LEAST_ANSWER <= window:
        return
    made = plan(_response(request), [Node(_response(request), items, ())], model, "")
    if not made.fits:
        raise ContextTooLong(
            f"The input has about {made.whole} tokens; {model.info.id} takes {window}. Shorten it "
            "or choose a model with a larger window.",
            param="input",
        )


def room(ask: Ask, items: tuple[Item, ...], model: Declared) -> int | None:
    """How many tokens the parent's call may have had so that the past clearly fits; None: whatever
    it had, there is nothing to refuse."""
    request = ask.request
    if request.truncation == "auto" or ask.parent is None or ask.regenerate_of is not None:
        return None
    window = model.info.context_window
    asked = request.max_output_tokens or model.info.max_output_tokens
    left = window - budget.answer_reserve(window, asked) - _most(request, items)
    return max(0, left // _APART)


async def past_too_long(
    parts: Parts, principal: Principal, ask: Ask, items: tuple[Item, ...], model: Declared
) -> ContextTooLong | None:
    """The error of a request that forbids to leave anything out, its past read and counted."""
    try:
        branch = await before(parts.store, principal.user_id, ask)
    except NotFound:  # the submission itself says of what
        return None
    response = _response(ask.request)
    made = plan(response, [*branch, Node(response, items, ())], model, "")
    return too_long(made, response, model)


def _response(request: Request) -> Response:
    """One that is only asked what it would send."""
    return Response(id="", user_id="", request=request, status="queued", created_at=0.0)


def _most(request: Request, items: Sequence[Item]) -> int:
    """No fewer tokens than there can be."""
    most = sum(budget.MESSAGE_OVERHEAD + _bytes(text) for text in map(_text, items))
    most += sum(tokens_of(shown) for item in items for shown in images_of(item))
    most += budget.MESSAGE_OVERHEAD + _bytes(request.instructions or "")
    return most + sum(_bytes(str(tool)) for tool in request.tools)


def _text(item: Item) -> str:
    if isinstance(item, Message | FunctionCallOutput):
        return item.text
    return item.name + item.arguments if isinstance(item, FunctionCall) else ""


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))

"""How many tokens a request would send, counted by the very assembly that would send it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tertulia.domain.item import Item
from tertulia.domain.principal import Principal
from tertulia.domain.response import Response
from tertulia.errors import NotFound
from tertulia.ports.store import Store
from tertulia.ports.turns import HEAD, Node
from tertulia.turns.ask import Ask
from tertulia.turns.context import plan
from tertulia.turns.given import check_images, resolve
from tertulia.turns.parts import Parts


async def count_input(parts: Parts, principal: Principal, ask: Ask) -> int:
    """Tokens of what ``ask`` would send: with truncation ``auto`` of what would be left, else of
    all, also where that is more than the model takes. Nothing is made of it.

    Raises:
        NotFound: model, conversation, parent, ``regenerate_of``, or what the input refers to.
        InvalidInput: images for a model that sees none.
    """
    model = parts.models.get(ask.request.model or None, admin=principal.admin)
    items: tuple[Item, ...] = await resolve(parts.store, principal.user_id, ask.input)
    check_images(items, model)
    branch = await before(parts.store, principal.user_id, ask)
    if ask.regenerate_of is not None:
        *branch, original = branch
        items = original.input
    response = Response(
        id="",
        user_id=principal.user_id,
        request=msgspec.structs.replace(ask.request, model=model.info.id),
        status="queued",
        created_at=0.0,
    )
    made = plan(response, [*branch, Node(response, items, ())], model, "")
    return made.tokens if ask.request.truncation == "auto" else made.whole


async def before(store: Store, user_id: str, ask: Ask) -> Sequence[Node]:
    """What the response would go on from; for a sibling, with the response that it repeats."""
    head = None
    if ask.conversation_id is not None:
        head = (await store.conversation(user_id, ask.conversation_id)).head
    if ask.regenerate_of is not None:
        missing = NotFound(
            f"There is no response {ask.regenerate_of} to regenerate.", param="regenerate_of"
        )
        return await _branch(store, user_id, ask.regenerate_of, ask, missing)
    parent = head if ask.parent == HEAD else ask.parent
    if parent is None:
        return ()
    missing = NotFound(
        f"There is no response {parent} to go on from.",
        code="previous_response_not_found",
        param="previous_response_id",
    )
    return await _branch(store, user_id, parent, ask, missing)


async def _branch(
    store: Store, user_id: str, response_id: str, ask: Ask, missing: NotFound
) -> Sequence[Node]:
    """Whatever may not be built upon is not there either, as in `Turns.submit`."""
    try:
        branch = await store.branch(user_id, response_id)
        last = branch[-1].response
        if last.conversation_id is not None:
            await store.conversation(user_id, last.conversation_id)  # it may have been deleted
    except NotFound:
        raise missing from None
    if not last.store or ask.conversation_id not in (None, last.conversation_id):
        raise missing
    return branch

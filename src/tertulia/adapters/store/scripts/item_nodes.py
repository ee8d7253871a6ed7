"""Items that no model made, and single items taken out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy import and_, bindparam, delete, exists, literal_column, or_, select

from tertulia.adapters.store.schema import conversations, items, responses
from tertulia.adapters.store.scripts.conversation_rows import (
    announce_conversation,
    announce_head,
    lock_conversation,
    move_conversation,
)
from tertulia.adapters.store.scripts.items import INPUT, OUTPUT, open_item, put_items
from tertulia.adapters.store.scripts.log_rows import erase_log
from tertulia.adapters.store.scripts.records import INSERT, ITEMS, lock_response, new_row
from tertulia.adapters.store.scripts.sealer import Sealer
from tertulia.adapters.store.scripts.user_lock import Committed, UserLock, lock_user
from tertulia.adapters.store.statement import Script, Statement
from tertulia.domain.conversation import Conversation
from tertulia.domain.ids import RESPONSE, new_id
from tertulia.domain.item import Item
from tertulia.domain.response import Request, Response
from tertulia.errors import Conflict, NotFound
from tertulia.ports.turns import Node

_r = responses.c
_holds = or_(
    and_(items.c.side == INPUT, _r.input_of == items.c.response_id),
    and_(items.c.side == OUTPUT, _r.id == items.c.response_id),
)
_FIND = Statement(
    select(items.c.response_id, items.c.side, items.c.position)
    .where(items.c.item_id == bindparam("item_id"), items.c.user_id == bindparam("user_id"))
    .where(
        exists().where(
            _holds, _r.conversation_id == bindparam("conversation_id"), _r.erased_at.is_(None)
        )
    )
)
_REMOVE = Statement(
    delete(items).where(
        items.c.response_id == bindparam("response_id"),
        items.c.side == bindparam("side"),
        items.c.position == bindparam("position"),
    )
)


_visible = exists().where(
    _holds,
    _r.store == literal_column("1"),
    _r.erased_at.is_(None),
    ~exists().where(
        conversations.c.id == _r.conversation_id, conversations.c.deleted_at.is_not(None)
    ),
)
_NAMED = Statement(
    select(
        items.c.item_id, items.c.response_id, items.c.side, items.c.position, items.c.body
    ).where(
        items.c.item_id.in_(bindparam("item_ids", expanding=True)),
        items.c.user_id == bindparam("user_id"),
        _visible,
    )
)


def find_items(item_ids: Sequence[str], *, sealer: Sealer) -> Script[Mapping[str, Item]]:
    """See `ports.turns.Turns.find_items`."""
    rows = yield _NAMED, {"item_ids": list(item_ids), "user_id": sealer.user_id}
    return {item_id: open_item(sealer, *at, body=body) for item_id, *at, body in rows}


def put_node(
    lock: UserLock, conversation: Conversation, content: Sequence[Item], now: float
) -> Script[tuple[Conversation, Node]]:
    """A finished node after the head, which it becomes."""
    response = Response(
        id=new_id(RESPONSE, now_ms=int(now * 1000)),
        user_id=lock.user_id,
        request=Request(model=""),
        status="completed",
        created_at=now,
        completed_at=now,
        conversation_id=conversation.id,
        previous_response_id=conversation.head,
    )
    row = new_row(
        response, lock.sealer, ordinal=lock.next_ordinal(), kind=ITEMS, input_of=response.id
    )
    yield INSERT, row
    yield from put_items(lock.sealer, response.id, INPUT, content)
    conversation = msgspec.structs.replace(conversation, head=response.id, updated_at=now)
    yield from move_conversation(conversation)
    return conversation, Node(response, tuple(content), ())


def add_items(
    conversation_id: str, content: Sequence[Item], *, now: float, sealer: Sealer
) -> Script[Committed[Node]]:
    lock = yield from lock_user(sealer)
    conversation = yield from lock_conversation(lock, conversation_id)
    if conversation.head is not None:
        head = yield from lock_response(conversation.head)
        if head is not None and head.completed_at is None:
            # Whatever followed would have to wait for a response that this node hides.
            raise Conflict(
                "The conversation's last response is being generated. Add the items when it has "
                "ended, or cancel it.",
                code="response_in_progress",
            )
    conversation, node = yield from put_node(lock, conversation, content, now)
    announce_conversation(lock, conversation)
    announce_head(lock, conversation)
    yield from lock.save()
    return Committed(node, lock.fed)


def delete_item(conversation_id: str, item_id: str, *, sealer: Sealer) -> Script[Committed[None]]:
    lock = yield from lock_user(sealer)
    conversation = yield from lock_conversation(lock, conversation_id)
    rows = yield (
        _FIND,
        {"item_id": item_id, "user_id": lock.user_id, "conversation_id": conversation_id},
    )
    if not rows:
        raise NotFound(f"There is no item {item_id} in this conversation.", param="item_id")
    for response_id, side, position in rows:
        yield _REMOVE, {"response_id": response_id, "side": side, "position": position}
        if side == OUTPUT:
            # The frames tell the same; a later reader is served from the items that are left.
            yield from erase_log(response_id)
    announce_conversation(lock, conversation)
    yield from lock.save()
    return Committed(None, lock.fed)

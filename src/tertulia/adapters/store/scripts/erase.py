"""Erasing content: responses one by one, and what has outlived its time.

A response that others were made from leaves a tombstone, a row without content, so that the way
to the root stays whole. It goes with the last of them. Usage rows and the ledger of attempts stay:
they hold no content.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import bindparam, delete, select, update

from tertulia.adapters.store.schema import items, responses
from tertulia.adapters.store.scripts.conversation_rows import (
    announce_conversation,
    announce_head,
    lock_conversation,
    save_conversation,
)
from tertulia.adapters.store.scripts.items import INPUT, OUTPUT
from tertulia.adapters.store.scripts.log_rows import erase_log
from tertulia.adapters.store.scripts.records import ANSWER, Record, lock_response
from tertulia.adapters.store.scripts.sealer import Sealer
from tertulia.adapters.store.scripts.user_lock import Committed, lock_user
from tertulia.adapters.store.statement import Script, Statement
from tertulia.errors import Conflict, NotFound

_r = responses.c
_this = _r.id == bindparam("id")

_ERASE_ITEMS = Statement(
    delete(items).where(items.c.response_id == bindparam("id"), items.c.side == bindparam("side"))
)
_READERS_OF_INPUT = Statement(
    # Locked: of two that are erased at once, the second is to see that it is the last one.
    select(_r.id)
    .where(_r.input_of == bindparam("id"), _r.erased_at.is_(None))
    .limit(1)
    .with_for_update()
)
_CHILDREN = Statement(select(_r.id).where(_r.previous_response_id == bindparam("id")).limit(1))
_BURY = Statement(
    update(responses)
    .where(_this)
    .values(request=None, error=None, sent=None, erased_at=bindparam("now"))
)
_REMOVE = Statement(delete(responses).where(_this))


def delete_response(response_id: str, *, now: float, sealer: Sealer) -> Script[Committed[None]]:
    lock = yield from lock_user(sealer)
    record = yield from lock_response(response_id)
    if (
        record is None
        or record.user_id != lock.user_id
        or record.kind != ANSWER
        or record.erased_at is not None
    ):
        raise NotFound(f"There is no response {response_id}.", param="response_id")
    if record.completed_at is None:
        raise Conflict(
            f"The response {response_id} is being generated. Cancel it first.",
            code="response_in_progress",
        )
    if record.conversation_id is not None:
        # An unknown one to the user while its conversation is deleted.
        conversation = yield from lock_conversation(lock, record.conversation_id)
        if conversation.head == record.id:
            head = yield from _nearest_alive(record.previous_response_id)
            conversation = msgspec.structs.replace(conversation, head=head)
            yield from save_conversation(lock, conversation)
            announce_head(lock, conversation)
        announce_conversation(lock, conversation)
    yield from erase_response(record, now)
    yield from lock.save()
    return Committed(None, lock.fed)


def _nearest_alive(response_id: str | None) -> Script[str | None]:
    while response_id is not None:
        record = yield from lock_response(response_id)
        if record is None or record.erased_at is None:
            return response_id if record else None
        response_id = record.previous_response_id
    return None


def erase_response(record: Record, now: float) -> Script[None]:
    """Content, log and, unless others were made from it, the row and the tombstones above it."""
    yield _BURY, {"id": record.id, "now": now}
    yield _ERASE_ITEMS, {"id": record.id, "side": OUTPUT}
    # The input is erased with the last response that reads it, which may be another one.
    readers = yield _READERS_OF_INPUT, {"id": record.input_of}
    if not readers:
        yield _ERASE_ITEMS, {"id": record.input_of, "side": INPUT}
    yield from erase_log(record.id)
    at: Record | None = record
    while at is not None:
        children = yield _CHILDREN, {"id": at.id}
        if children:
            return
        yield _REMOVE, {"id": at.id}
        if at.previous_response_id is None:
            return
        parent = yield from lock_response(at.previous_response_id)
        at = parent if parent is not None and parent.erased_at is not None else None

"""Rows of `conversations`: locked, opened, written, told of."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import msgspec
from sqlalchemy import Select, bindparam, select, update

from tertulia.adapters.store.schema import conversations
from tertulia.adapters.store.scripts.sealer import Sealer
from tertulia.adapters.store.scripts.user_lock import UserLock
from tertulia.adapters.store.statement import Params, Row, Script, Statement
from tertulia.domain.conversation import Conversation
from tertulia.errors import NotFound

_decode_metadata = msgspec.json.Decoder(dict[str, str]).decode
_encode = msgspec.json.Encoder().encode


class ConversationRecord(NamedTuple):
    """One row; the fields are the columns, in this order."""

    id: str
    user_id: str
    created_at: float
    updated_at: float
    title: bytes | None
    title_source: str | None
    metadata: bytes | None
    head: str | None
    deleted_at: float | None


def conversation_records() -> Select[Any]:
    """A select of whole rows, to be narrowed."""
    return select(*(conversations.c[name] for name in ConversationRecord._fields))


_of_user = (
    conversation_records()
    .where(conversations.c.id == bindparam("id"))
    .where(conversations.c.user_id == bindparam("user_id"))
)
_FIND = Statement(_of_user)
_LOCK = Statement(_of_user.with_for_update())
_SAVE = Statement(
    update(conversations)
    .where(conversations.c.id == bindparam("id"))
    .values(
        {
            name: bindparam(name)
            for name in ("updated_at", "title", "title_source", "metadata", "head", "deleted_at")
        }
    )
)
_MOVE = Statement(
    update(conversations)
    .where(conversations.c.id == bindparam("id"))
    .values(updated_at=bindparam("updated_at"), head=bindparam("head"))
)


def not_found(conversation_id: str) -> NotFound:
    return NotFound(f"There is no conversation {conversation_id}.", param="conversation")


def find_conversation(sealer: Sealer, conversation_id: str) -> Script[Conversation]:
    """Raises `NotFound`, also for one that is deleted."""
    rows = yield _FIND, {"id": conversation_id, "user_id": sealer.user_id}
    if not rows or rows[0][-1] is not None:
        raise not_found(conversation_id)
    return open_conversation(rows[0], sealer)


def lock_conversation(
    lock: UserLock, conversation_id: str, *, deleted: bool = False
) -> Script[Conversation]:
    """For change. ``deleted``: wanted is one that is deleted. Raises `NotFound`."""
    rows = yield _LOCK, {"id": conversation_id, "user_id": lock.user_id}
    if not rows or (rows[0][-1] is not None) != deleted:
        raise not_found(conversation_id)
    return open_conversation(rows[0], lock.sealer)


def save_conversation(
    lock: UserLock, conversation: Conversation, *, deleted_at: float | None = None
) -> Script[None]:
    row = conversation_row(conversation, lock.sealer, deleted_at)
    yield (
        _SAVE,
        {name: row[name] for name in row if name not in ("user_id", "created_at")},
    )


def move_conversation(conversation: Conversation) -> Script[None]:
    """Write its time and its head, when nothing else has changed."""
    values = {"updated_at": conversation.updated_at, "head": conversation.head}
    yield _MOVE, {"id": conversation.id, **values}


def announce_conversation(
    lock: UserLock, conversation: Conversation, what: str = "conversation.updated"
) -> None:
    event = {"type": what, "conversation": conversation.resource()}
    lock.announce(event, conversation.id)


def announce_head(lock: UserLock, conversation: Conversation) -> None:
    event = {
        "type": "head.changed",
        "conversation_id": conversation.id,
        "head": conversation.head,
    }
    lock.announce(event, conversation.id)


def open_conversation(row: Row, sealer: Sealer) -> Conversation:
    record = ConversationRecord._make(row)
    sealed = record.metadata
    return Conversation(
        id=record.id,
        user_id=record.user_id,
        created_at=record.created_at,
        updated_at=record.updated_at,
        title=sealer.open_text("conversations", record.id, "title", record.title),
        title_source=cast("Any", record.title_source),
        metadata={} if sealed is None else open_metadata(sealer, record.id, sealed),
        head=record.head,
    )


def open_metadata(sealer: Sealer, conversation_id: str, sealed: bytes) -> dict[str, str]:
    return _decode_metadata(sealer.open("conversations", conversation_id, "metadata", sealed))


def conversation_row(
    conversation: Conversation, sealer: Sealer, deleted_at: float | None = None
) -> Params:
    """The row, sealed."""
    metadata = None
    if conversation.metadata:
        plain = _encode(conversation.metadata)
        metadata = sealer.seal("conversations", conversation.id, "metadata", plain)
    return ConversationRecord(
        id=conversation.id,
        user_id=conversation.user_id,
        created_at=conversation.created_at,
        updated_at=conversation.updated_at,
        title=sealer.seal_text("conversations", conversation.id, "title", conversation.title),
        title_source=conversation.title_source,
        metadata=metadata,
        head=conversation.head,
        deleted_at=deleted_at,
    )._asdict()

"""Conversations: made, listed, changed, hidden and restored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy import Integer, and_, bindparam, insert, or_, select

from tertulia.adapters.store.schema import conversations, responses
from tertulia.adapters.store.scripts.conversation_rows import (
    announce_conversation,
    announce_head,
    conversation_row,
    find_conversation,
    lock_conversation,
    open_metadata,
    save_conversation,
)
from tertulia.adapters.store.scripts.idempotency import first_result
from tertulia.adapters.store.scripts.item_nodes import put_node
from tertulia.adapters.store.scripts.records import lock_response
from tertulia.adapters.store.scripts.sealer import Sealer
from tertulia.adapters.store.scripts.user_lock import Committed, lock_user
from tertulia.adapters.store.statement import Rows, Script, Statement
from tertulia.domain.conversation import TITLE_STRENGTH, Conversation, TitleSource
from tertulia.domain.item import Item
from tertulia.errors import NotFound
from tertulia.ports.conversations import Page
from tertulia.ports.turns import Idempotency

_c = conversations.c
_of_user = and_(_c.user_id == bindparam("user_id"), _c.deleted_at.is_(None))

_INSERT = Statement(insert(conversations))
# Of a row as few columns as make a conversation: each is fetched hundreds of times.
_newest = (
    select(_c.id, _c.created_at, _c.updated_at, _c.title, _c.title_source, _c.metadata, _c.head)
    .where(_of_user)
    .order_by(_c.updated_at.desc(), _c.id.desc())
)
_FIRST_PAGE = Statement(_newest.limit(bindparam("limit", type_=Integer)))
_LATER_PAGE = Statement(
    _newest.where(
        # The first condition is what an index can seek to.
        _c.updated_at <= bindparam("updated_at"),
        or_(_c.updated_at < bindparam("updated_at"), _c.id < bindparam("id")),
    ).limit(bindparam("limit", type_=Integer))
)
_TITLES = Statement(
    select(_c.id, _c.title)
    .where(_of_user, _c.title.is_not(None))
    .order_by(_c.updated_at.desc(), _c.id.desc())
)
_UNFINISHED = Statement(
    select(responses.c.id)
    .where(responses.c.conversation_id == bindparam("id"), responses.c.completed_at.is_(None))
    .order_by(responses.c.ordinal)
)


def create(
    wanted: Conversation,
    items: Sequence[Item],
    asked: Idempotency | None,
    *,
    now: float,
    sealer: Sealer,
) -> Script[Committed[Conversation]]:
    lock = yield from lock_user(sealer)
    first = yield from first_result(sealer.user_id, asked, wanted.id, now)
    if first is not None:
        return Committed((yield from find_conversation(sealer, first)))
    conversation = msgspec.structs.replace(wanted, created_at=now, updated_at=now, head=None)
    yield _INSERT, conversation_row(conversation, sealer)
    if items:
        conversation, _ = yield from put_node(lock, conversation, items, now)
    announce_conversation(lock, conversation, "conversation.created")
    yield from lock.save()
    return Committed(conversation, lock.fed)


def page(limit: int, after: str | None, *, sealer: Sealer) -> Script[Page]:
    if after is None:
        rows = yield _FIRST_PAGE, {"user_id": sealer.user_id, "limit": limit + 1}
    else:
        last = yield from find_conversation(sealer, after)
        rows = yield (
            _LATER_PAGE,
            {
                "user_id": sealer.user_id,
                "updated_at": last.updated_at,
                "id": last.id,
                "limit": limit + 1,
            },
        )
    return Page(_opened(rows[:limit], sealer), len(rows) > limit)


def _opened(rows: Rows, sealer: Sealer) -> tuple[Conversation, ...]:
    user_id = sealer.user_id
    titled = [(row[0], row[3]) for row in rows if row[3] is not None]
    titles = iter(sealer.open_all("conversations", "title", titled))
    return tuple(
        [
            Conversation(
                id=identifier,
                user_id=user_id,
                created_at=created,
                updated_at=updated,
                title=None if title is None else next(titles).decode(),
                title_source=source,
                metadata={} if metadata is None else open_metadata(sealer, identifier, metadata),
                head=head,
            )
            for identifier, created, updated, title, source, metadata, head in rows
        ]
    )


def titles(*, sealer: Sealer) -> Script[Sequence[tuple[str, str]]]:
    rows = yield _TITLES, {"user_id": sealer.user_id}
    return [(i, sealer.open("conversations", i, "title", t).decode()) for i, t in rows]


def change(
    conversation_id: str,
    *,
    title: str | None,
    title_source: TitleSource,
    metadata: Mapping[str, str] | None,
    sealer: Sealer,
) -> Script[Committed[Conversation]]:
    """``updated_at`` stays: the sidebar is ordered by talk, not by housekeeping."""
    lock = yield from lock_user(sealer)
    found = yield from lock_conversation(lock, conversation_id)
    changed = found
    if title is not None and TITLE_STRENGTH[title_source] >= TITLE_STRENGTH[found.title_source]:
        changed = msgspec.structs.replace(changed, title=title, title_source=title_source)
    if metadata is not None:
        changed = msgspec.structs.replace(changed, metadata=dict(metadata))
    if changed != found:
        yield from save_conversation(lock, changed)
        announce_conversation(lock, changed)
        yield from lock.save()
    return Committed(changed, lock.fed)


def hide(conversation_id: str, *, now: float, sealer: Sealer) -> Script[Committed[Sequence[str]]]:
    lock = yield from lock_user(sealer)
    conversation = yield from lock_conversation(lock, conversation_id)
    yield from save_conversation(lock, conversation, deleted_at=now)
    event = {"type": "conversation.deleted", "conversation_id": conversation_id}
    lock.announce(event, conversation_id)
    yield from lock.save()
    rows = yield _UNFINISHED, {"id": conversation_id}
    return Committed([response_id for (response_id,) in rows], lock.fed)


def restore(conversation_id: str, *, sealer: Sealer) -> Script[Committed[Conversation]]:
    lock = yield from lock_user(sealer)
    try:
        conversation = yield from lock_conversation(lock, conversation_id, deleted=True)
    except NotFound:
        # One that is there needs no restoring.
        return Committed((yield from lock_conversation(lock, conversation_id)))
    yield from save_conversation(lock, conversation)
    announce_conversation(lock, conversation, "conversation.restored")
    yield from lock.save()
    return Committed(conversation, lock.fed)


def set_head(
    conversation_id: str, response_id: str | None, *, sealer: Sealer
) -> Script[Committed[Conversation]]:
    lock = yield from lock_user(sealer)
    conversation = yield from lock_conversation(lock, conversation_id)
    if response_id is not None:
        record = yield from lock_response(response_id)
        if (
            record is None
            or record.conversation_id != conversation_id
            or record.erased_at is not None
        ):
            raise NotFound(
                f"There is no response {response_id} in this conversation.", param="response_id"
            )
    if conversation.head != response_id:
        conversation = msgspec.structs.replace(conversation, head=response_id)
        yield from save_conversation(lock, conversation)
        announce_head(lock, conversation)
        yield from lock.save()
    return Committed(conversation, lock.fed)

"""What has outlived its time: found by reading, then erased in small transactions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from sqlalchemy import bindparam, delete, exists, func, literal_column, or_, select, update

from tertulia.adapters.store.schema import conversations, feed, idempotency, responses, users
from tertulia.adapters.store.scripts.erase import erase_response
from tertulia.adapters.store.scripts.records import Record, lock_response, records
from tertulia.adapters.store.scripts.sealer import Sealer
from tertulia.adapters.store.scripts.user_lock import lock_user
from tertulia.adapters.store.statement import Script, Statement

#: Rows of one kind found in one pass; one passes again until nothing is found.
BATCH: Final = 256
#: `connection_id` of a response whose connection was closed before it ended.
CLOSED: Final = ""

_encode = msgspec.json.Encoder().encode

_r = responses.c
_c = conversations.c

_EPHEMERAL = Statement(
    select(_r.id)
    .where(
        # Written out: an index of such rows alone serves no parameter.
        _r.store == literal_column("0"),
        _r.completed_at.is_not(None),
        _r.erased_at.is_(None),
        or_(_r.completed_at <= bindparam("before"), _r.connection_id == CLOSED),
    )
    .limit(BATCH)
)
_unfinished = exists().where(_r.conversation_id == _c.id, _r.completed_at.is_(None))
_DELETED = Statement(
    select(_c.id, _c.user_id)
    .where(_c.deleted_at.is_not(None), _c.deleted_at <= bindparam("before"), ~_unfinished)
    .limit(BATCH)
)
_LONG_FEEDS = Statement(
    select(users.c.id)
    .where(
        exists().where(
            feed.c.user_id == users.c.id,
            feed.c.number <= users.c.feed_offset - bindparam("history"),
        )
    )
    .limit(BATCH)
)
_old_entry = (feed.c.user_id == bindparam("user_id"), feed.c.number <= bindparam("number"))
_COUNT_OLD = Statement(select(func.count()).select_from(feed).where(*_old_entry))
_CUT = Statement(delete(feed).where(*_old_entry))
_OFFSET = Statement(select(users.c.feed_offset).where(users.c.id == bindparam("user_id")))

_spent = idempotency.c.expires_at <= bindparam("now")
_COUNT_SPENT = Statement(select(func.count()).select_from(idempotency).where(_spent))
_FORGET = Statement(delete(idempotency).where(_spent))

_NODES = Statement(
    records()
    .where(_r.conversation_id == bindparam("id"))
    .order_by(_r.ordinal.desc())
    .with_for_update()
)
_LOCK = Statement(
    select(_c.id)
    .where(_c.id == bindparam("id"), _c.deleted_at <= bindparam("before"))
    .with_for_update()
)
_REMOVE = Statement(delete(conversations).where(_c.id == bindparam("id")))
_TOLD = Statement(
    select(feed.c.number).where(
        feed.c.user_id == bindparam("user_id"), feed.c.conversation_id == bindparam("id")
    )
)
_UNTELL = Statement(
    update(feed)
    .where(feed.c.user_id == bindparam("user_id"), feed.c.number == bindparam("number"))
    .values(body=bindparam("body"), conversation_id=None)
)

_BOUND = Statement(
    records()
    .where(_r.connection_id == bindparam("connection_id"), _r.store == 0)
    .order_by(_r.ordinal.desc())
    .with_for_update()
)
_UNBIND = Statement(update(responses).where(_r.id == bindparam("id")).values(connection_id=CLOSED))


@dataclass(frozen=True, slots=True)
class Outlived:
    ephemeral: tuple[str, ...]
    #: (conversation, user)
    deleted: tuple[tuple[str, str], ...]
    #: Users whose feed is longer than it is kept.
    long_feeds: tuple[str, ...]


def look(*, ephemeral_before: float, deleted_before: float, feed_history: int) -> Script[Outlived]:
    ephemeral = yield _EPHEMERAL, {"before": ephemeral_before}
    deleted = yield _DELETED, {"before": deleted_before}
    feeds = yield _LONG_FEEDS, {"history": feed_history}
    return Outlived(
        tuple(r for (r,) in ephemeral),
        tuple((c, u) for c, u in deleted),
        tuple(u for (u,) in feeds),
    )


def erase_ephemeral(response_ids: Sequence[str], now: float) -> Script[int]:
    erased = 0
    for response_id in response_ids:
        record = yield from lock_response(response_id)
        if record is not None and record.erased_at is None:
            yield from erase_response(record, now)
            erased += 1
    return erased


def erase_connection(connection_id: str, now: float) -> Script[int]:
    rows = yield _BOUND, {"connection_id": connection_id}
    erased = 0
    for record in map(Record._make, rows):
        if record.completed_at is None:
            yield _UNBIND, {"id": record.id}
        elif record.erased_at is None:
            yield from erase_response(record, now)
            erased += 1
    return erased


def erase_conversation(
    conversation_id: str, *, deleted_before: float, now: float, sealer: Sealer
) -> Script[int]:
    """The conversation, its responses, and what the feed has said of it."""
    yield from lock_user(sealer)
    found = yield _LOCK, {"id": conversation_id, "before": deleted_before}
    if not found:  # restored since it was seen
        return 0
    # Children before parents, so that no tombstones are made only to be removed.
    rows = yield _NODES, {"id": conversation_id}
    for record in map(Record._make, rows):
        yield from erase_response(record, now)
    yield _REMOVE, {"id": conversation_id}
    # The feed's numbers have no gaps, so its entries about the conversation are emptied.
    event = _encode({"type": "conversation.deleted", "conversation_id": conversation_id})
    told = yield _TOLD, {"user_id": sealer.user_id, "id": conversation_id}
    for (number,) in told:
        body = sealer.seal("feed", str(number), "body", event)
        yield _UNTELL, {"user_id": sealer.user_id, "number": number, "body": body}
    return 1 + len(rows)


def cut_feed(user_id: str, history: int) -> Script[int]:
    rows = yield _OFFSET, {"user_id": user_id}
    if not rows:  # the user was removed since
        return 0
    old = {"user_id": user_id, "number": rows[0][0] - history}
    counted = yield _COUNT_OLD, old
    yield _CUT, old
    return int(counted[0][0])


def forget_keys(now: float) -> Script[int]:
    counted = yield _COUNT_SPENT, {"now": now}
    if counted[0][0]:
        yield _FORGET, {"now": now}
    return int(counted[0][0])

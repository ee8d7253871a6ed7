"""Removing a user: the transaction that ends them, and those that erase what they leave.

No index names a user's responses, since none but this would use it. They are found by their usage,
of which each that has ended has one row, and nodes that no model made by their conversation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import BindParameter, Column, bindparam, delete, insert, select, update

from tertulia.adapters.store.schema import (
    api_keys,
    attempts,
    conversations,
    feed,
    files,
    idempotency,
    items,
    logins,
    removals,
    responses,
    shares,
    usage,
    users,
)
from tertulia.adapters.store.scripts.many import Inserts
from tertulia.adapters.store.statement import Script, Statement
from tertulia.domain.response import Usage

#: Responses erased in one transaction.
BATCH: Final = 64

_r = responses.c
_user_id: BindParameter[str] = bindparam("user_id")

_LOCK = Statement(
    select(users.c.id).where(users.c.id == bindparam("id")).with_for_update(), lane="id"
)
_BEGIN = Statement(insert(removals))
_OPEN = Statement(
    select(_r.id, _r.model, _r.worker_id)
    .where(_r.completed_at.is_(None), _r.user_id == _user_id)
    # In the order in which leases are renewed, so that no two wait for each other.
    .order_by(_r.id)
    .with_for_update()
)
_END = Statement(
    update(responses)
    .where(_r.id == bindparam("id"))
    .values(
        status="cancelled",
        completed_at=bindparam("now"),
        worker_id=None,
        lease_until=None,
        rung_at=None,
    )
)
_USAGE = Inserts(usage)
_NOTHING = msgspec.structs.astuple(Usage())
_REMOVE = tuple(
    Statement(delete(table).where(column == _user_id))
    for table, column in (
        (logins, logins.c.user_id),
        (api_keys, api_keys.c.user_id),
        (users, users.c.id),
    )
)

_BEGUN = Statement(select(removals.c.user_id).order_by(removals.c.begun_at, removals.c.user_id))
_USED = Statement(select(usage.c.response_id).where(usage.c.user_id == _user_id).limit(BATCH))
_NODES = Statement(
    select(_r.id)
    .select_from(conversations.join(responses, _r.conversation_id == conversations.c.id))
    .where(conversations.c.user_id == _user_id)
    .limit(BATCH)
)
_ERASE = tuple(
    Statement(delete(column.table).where(column.in_(bindparam("ids", expanding=True))))
    # What it is found by goes last.
    for column in (items.c.response_id, attempts.c.response_id, _r.id, usage.c.response_id)
)


class _Rest:
    """Rows of one table, ``batch`` in a transaction."""

    def __init__(self, key: Column[Any], batch: int) -> None:
        of_user = key.table.c.user_id == _user_id
        self._some = Statement(select(key).where(of_user).limit(batch))
        self._erase = Statement(delete(key.table).where(key.in_(bindparam("ids", expanding=True))))

    def some(self, user_id: str) -> Script[list[Any]]:
        rows = yield self._some, {"user_id": user_id}
        return [key for (key,) in rows]

    def erase(self, keys: Sequence[Any]) -> Script[None]:
        yield self._erase, {"ids": keys}


#: Found by reading, since to look for them with locks would hold up everybody's.
RESTS: Final = (
    _Rest(files.c.id, 16),
    _Rest(conversations.c.id, 256),
    _Rest(idempotency.c.key_hash, 256),
)
_LAST = tuple(
    Statement(delete(table).where(table.c.user_id == _user_id))
    for table in (feed, attempts, shares, removals)
)


def begin(user_id: str, *, now: float) -> Script[Sequence[str] | None]:
    """See `ports.removals.Removals.begin_removal`. Who may run on the places that become free is
    found by the next sweep."""
    if not (yield _LOCK, {"id": user_id}):
        return None
    yield _BEGIN, {"user_id": user_id, "begun_at": now}
    rows = yield _OPEN, {"user_id": user_id}
    for response_id, _, _ in rows:
        yield _END, {"id": response_id, "now": now}
    yield from _USAGE.put([(each, user_id, model, now, *_NOTHING) for each, model, _ in rows])
    for statement in _REMOVE:
        yield statement, {"user_id": user_id}
    return [response_id for response_id, _, worker_id in rows if worker_id is not None]


def begun() -> Script[Sequence[str]]:
    rows = yield _BEGUN, {}
    return [user_id for (user_id,) in rows]


def left_of(user_id: str) -> Script[Sequence[str]]:
    rows = yield _USED, {"user_id": user_id}
    if not rows:
        rows = yield _NODES, {"user_id": user_id}
    return [response_id for (response_id,) in rows]


def erase_left(response_ids: Sequence[str]) -> Script[None]:
    for statement in _ERASE:
        yield statement, {"ids": response_ids}


def end(user_id: str) -> Script[None]:
    for statement in _LAST:
        yield statement, {"user_id": user_id}

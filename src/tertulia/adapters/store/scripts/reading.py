"""Responses with their items, read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    bindparam,
    exists,
    literal_column,
    select,
)

from tertulia.adapters.store.schema import conversations, responses, users
from tertulia.adapters.store.scripts.items import items_of, nodes
from tertulia.adapters.store.scripts.records import ANSWER, Record, open_sent, records
from tertulia.adapters.store.scripts.sealer import Sealer
from tertulia.adapters.store.statement import Params, Script, Statement
from tertulia.domain.sent import Sent
from tertulia.errors import NotFound
from tertulia.ports.turns import Node

_r = responses.c
_mine = _r.user_id == bindparam("user_id")
_this = and_(_r.id == bindparam("id"), _mine)
_hidden = exists().where(
    conversations.c.id == _r.conversation_id, conversations.c.deleted_at.is_not(None)
)


def _way() -> Select[Any]:
    """Ids from a response to its root, with their distance."""
    way = (
        select(_r.id, _r.previous_response_id, literal_column("0").label("distance"))
        .where(_this)
        .cte("way", recursive=True)
    )
    parent = responses.alias("parent")
    further = select(
        parent.c.id, parent.c.previous_response_id, way.c.distance + literal_column("1")
    ).where(parent.c.id == way.c.previous_response_id, parent.c.user_id == bindparam("user_id"))
    way = way.union_all(further)
    return select(way.c.id, way.c.distance)


def _content(where: ColumnElement[bool]) -> Select[Any]:
    """What `items_of` takes: responses that still have content."""
    return select(_r.id, _r.input_of).where(where, _r.erased_at.is_(None))


_owned = exists().where(users.c.id == _r.user_id)
_ONE = Statement(
    records().where(_this, _r.kind == ANSWER, _r.erased_at.is_(None), ~_hidden, _owned)
)
NODE_ITEMS = Statement(items_of(_content(_this)))

_SENT = Statement(select(_r.sent).where(_this))

_steps = _way().subquery("steps")
_BRANCH = Statement(records().join(_steps, _steps.c.id == _r.id).order_by(_steps.c.distance.desc()))
_BRANCH_ITEMS = Statement(items_of(_content(_r.id.in_(select(_way().subquery().c.id)))))


def get(response_id: str, *, sealer: Sealer) -> Script[Node]:
    found = yield from _nodes(_ONE, NODE_ITEMS, {"id": response_id}, sealer)
    if not found:
        raise NotFound(f"There is no response {response_id}.", param="response_id")
    return found[0]


def branch(response_id: str, *, sealer: Sealer) -> Script[Sequence[Node]]:
    found = yield from _nodes(_BRANCH, _BRANCH_ITEMS, {"id": response_id}, sealer)
    if not found:
        raise NotFound(f"There is no response {response_id}.", param="response_id")
    return found


def sent(response_id: str, *, sealer: Sealer) -> Script[Sent | None]:
    """See `ports.turns.Turns.sent`."""
    rows = yield _SENT, {"id": response_id, "user_id": sealer.user_id}
    return open_sent(response_id, rows[0][0], sealer) if rows else None


def _nodes(
    rows_of: Statement, items_of: Statement, where: Params, sealer: Sealer
) -> Script[list[Node]]:
    where = {**where, "user_id": sealer.user_id}
    rows = yield rows_of, where
    if not rows:
        return []
    item_rows = yield items_of, where
    return nodes([Record._make(row) for row in rows], item_rows, sealer)

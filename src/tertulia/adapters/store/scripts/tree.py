"""A conversation whole: as few columns as will do, and no item taken apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

import msgspec
from sqlalchemy import Select, and_, bindparam, literal_column, select
from sqlalchemy.sql.elements import ColumnElement

from tertulia.adapters.store.schema import items, responses
from tertulia.adapters.store.scripts.conversation_rows import find_conversation
from tertulia.adapters.store.scripts.items import INPUT, OUTPUT, row_of
from tertulia.adapters.store.scripts.records import ANSWER, open_error
from tertulia.adapters.store.scripts.sealer import Sealer
from tertulia.adapters.store.statement import Row, Rows, Script, Statement
from tertulia.domain.conversation import Conversation
from tertulia.domain.response import Usage
from tertulia.domain.tree import TreeNode

#: Items by the ordinal of their response, each as its JSON.
Content = Mapping[int, list[msgspec.Raw]]

_r = responses.c
_here = and_(_r.conversation_id == bindparam("conversation_id"), _r.user_id == bindparam("user_id"))
_TREE = Statement(
    select(
        _r.ordinal,
        _r.id,
        _r.input_of,
        _r.kind,
        _r.status,
        _r.model,
        _r.created_at,
        _r.completed_at,
        _r.previous_response_id,
        _r.regenerate_of,
        _r.incomplete_reason,
        _r.error,
        _r.last_sequence_number,
        _r.input_tokens,
        _r.output_tokens,
        _r.cached_tokens,
        _r.reasoning_tokens,
    )
    .where(_here)
    .order_by(_r.ordinal)
)


def _items(side: int, holder: ColumnElement[Any]) -> Select[Any]:
    """Of all responses but tombstones. A response is named by its ordinal: a number is fetched
    faster than an id."""
    at = and_(items.c.response_id == holder, items.c.side == literal_column(str(side)))
    return (
        select(_r.ordinal, items.c.position, items.c.body)
        .select_from(responses.join(items, at))
        .where(_here, _r.erased_at.is_(None))
    )


_INPUT = Statement(_items(INPUT, _r.input_of))
_OUTPUT = Statement(_items(OUTPUT, _r.id))


def tree(
    conversation_id: str, *, sealer: Sealer
) -> Script[tuple[Conversation, Sequence[TreeNode]]]:
    """See `ports.conversations.Conversations.tree`."""
    conversation = yield from find_conversation(sealer, conversation_id)
    where = {"conversation_id": conversation_id, "user_id": sealer.user_id}
    rows = yield _TREE, where
    if not rows:
        return conversation, []
    given = _opened((yield _INPUT, where), INPUT, {row[0]: row[2] for row in rows}, sealer)
    said = _opened((yield _OUTPUT, where), OUTPUT, {row[0]: row[1] for row in rows}, sealer)
    return conversation, [_node(row, given, said, sealer) for row in rows]


def _opened(rows: Rows, side: int, holders: Mapping[int, str], sealer: Sealer) -> Content:
    """``holders``: the response that each one's items of this side are stored with."""
    content: dict[int, list[msgspec.Raw]] = {ordinal: [] for ordinal in holders}
    rows.sort(key=itemgetter(1))
    sealed = [(row_of(holders[row[0]], side, row[1]), row[2]) for row in rows]
    for row, body in zip(rows, sealer.open_all("items", "body", sealed), strict=True):
        content[row[0]].append(msgspec.Raw(body))
    return content


def _node(row: Row, given: Content, said: Content, sealer: Sealer) -> TreeNode:
    ordinal, identifier, _, kind, status, model, created, completed, *more = row
    parent, again, reason, error, last, asked, answered, cached, reasoned = more
    ended = completed is not None
    usage: dict[str, Any] | None = None
    if ended and kind == ANSWER:
        usage = Usage(asked, answered, cached, reasoned).resource()
    return TreeNode(
        id=identifier,
        status=status,
        model=model,
        created_at=int(created),
        completed_at=int(completed) if ended else None,
        previous_response_id=parent,
        regenerate_of=again,
        incomplete_details={"reason": reason} if reason else None,
        error=None if error is None else open_error(identifier, error, sealer),
        usage=usage,
        input=given[ordinal],
        output=said[ordinal],
        last_sequence_number=last if ended else None,
    )

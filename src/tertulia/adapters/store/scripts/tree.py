"""A conversation whole: as few columns as will do, and no item taken apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, cast

import msgspec
from sqlalchemy import and_, bindparam, select

from tertulia.adapters.store.schema import responses
from tertulia.adapters.store.scripts.conversation_rows import find_conversation
from tertulia.adapters.store.scripts.items import INPUT, OUTPUT, items_of, open_body
from tertulia.adapters.store.scripts.records import ANSWER, open_error
from tertulia.adapters.store.scripts.sealer import Sealer
from tertulia.adapters.store.statement import Row, Rows, Script, Statement
from tertulia.domain.conversation import Conversation
from tertulia.domain.response import Usage
from tertulia.domain.tree import TreeNode

_r = responses.c
_here = and_(_r.conversation_id == bindparam("conversation_id"), _r.user_id == bindparam("user_id"))
_TREE = Statement(
    select(
        _r.id,
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
        _r.cost_micros,
    )
    .where(_here)
    .order_by(_r.ordinal)
)
_ITEMS = Statement(items_of(select(_r.id, _r.input_of).where(_here, _r.erased_at.is_(None))))


def tree(
    conversation_id: str, *, sealer: Sealer
) -> Script[tuple[Conversation, Sequence[TreeNode]]]:
    """See `ports.conversations.Conversations.tree`."""
    conversation = yield from find_conversation(sealer, conversation_id)
    where = {"conversation_id": conversation_id, "user_id": sealer.user_id}
    rows = yield _TREE, where
    content = _opened((yield _ITEMS, where), sealer) if rows else {}
    return conversation, [_node(row, content, sealer) for row in rows]


def _opened(rows: Rows, sealer: Sealer) -> dict[tuple[str, int], list[msgspec.Raw]]:
    content: dict[tuple[str, int], list[msgspec.Raw]] = defaultdict(list)
    for response_id, holder, side, position, body in sorted(rows, key=_position):
        opened = open_body(sealer, holder, side, position, body)
        content[response_id, side].append(msgspec.Raw(opened))
    return content


def _position(row: Row) -> int:
    return cast("int", row[3])


def _node(row: Row, content: dict[tuple[str, int], list[msgspec.Raw]], sealer: Sealer) -> TreeNode:
    identifier, kind, status, model, created, completed, parent, again, reason, error, last = row[
        :11
    ]
    ended = completed is not None
    usage: dict[str, Any] | None = None
    if ended and kind == ANSWER:
        usage = Usage(*row[11:]).resource()
    return TreeNode(
        id=identifier,
        status=status,
        model=model,
        created_at=int(created),
        completed_at=int(completed) if ended else None,
        previous_response_id=parent,
        regenerate_of=again,
        incomplete_details={"reason": reason} if reason else None,
        error=open_error(identifier, error, sealer),
        usage=usage,
        input=content.get((identifier, INPUT), []),
        output=content.get((identifier, OUTPUT), []),
        last_sequence_number=last if ended else None,
    )

"""The user's feed, read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Integer, bindparam, select

from tertulia.adapters.store.schema import feed, users
from tertulia.adapters.store.scripts.deployment import noted
from tertulia.adapters.store.scripts.sealer import Sealer
from tertulia.adapters.store.statement import Script, Statement
from tertulia.errors import NotFound, PositionLost
from tertulia.ports.conversations import FeedEntry

_OFFSET = Statement(select(users.c.feed_offset).where(users.c.id == bindparam("user_id")))
_AFTER = Statement(
    select(feed.c.number, feed.c.body)
    .where(feed.c.user_id == bindparam("user_id"), feed.c.number > bindparam("number"))
    .order_by(feed.c.number)
    .limit(bindparam("limit", type_=Integer))
)

_decode = msgspec.json.Decoder(dict[str, Any]).decode


def epoch(fresh: str) -> Script[str]:
    """The name of this database's feeds; ``fresh`` if it has none yet."""
    return (yield from noted("epoch", fresh))


def offset(user_id: str) -> Script[int]:
    rows = yield _OFFSET, {"user_id": user_id}
    if not rows:
        raise NotFound(f"There is no user {user_id}.", code="user_erased")
    return int(rows[0][0])


def after(number: int, limit: int, *, sealer: Sealer) -> Script[Sequence[FeedEntry]]:
    newest = yield from offset(sealer.user_id)
    if number == newest:
        return ()
    rows = yield _AFTER, {"user_id": sealer.user_id, "number": number, "limit": limit}
    # Numbers have no gaps: what does not begin with the next one was cut, and a number beyond
    # the newest is of a database that was set back to an earlier time.
    if not rows or rows[0][0] != number + 1:
        raise PositionLost("The feed's history does not reach back to this position.")
    return [FeedEntry(n, _decode(sealer.open("feed", str(n), "body", body))) for n, body in rows]

"""How much is to be done, of all users: for those who watch, and for those who scale workers."""

from __future__ import annotations

from sqlalchemy import and_, func, select

from tertulia.adapters.store.schema import responses
from tertulia.adapters.store.statement import Script, Statement
from tertulia.ports.turns import Backlog

_r = responses.c
_claimed = _r.worker_id.is_not(None)
#: Counts without `filter`, which MariaDB lacks: NULL is not counted.
_BACKLOG = Statement(
    select(
        func.count(_r.created_at).label("open"),
        func.count(_r.admitted_at).label("admitted"),
        func.count(_r.worker_id).label("running"),
    ).where(_r.completed_at.is_(None))
)
_OLDEST = Statement(
    select(func.min(_r.created_at)).where(and_(_r.completed_at.is_(None), ~_claimed))
)


def backlog(now: float) -> Script[Backlog]:
    rows = yield _BACKLOG, {}
    unfinished, admitted, running = rows[0]
    oldest = None
    if unfinished > running:
        rows = yield _OLDEST, {}
        oldest = rows[0][0]
    return Backlog(
        waiting=unfinished - admitted,
        admitted=admitted - running,
        running=running,
        oldest_seconds=0.0 if oldest is None else max(0.0, now - oldest),
    )

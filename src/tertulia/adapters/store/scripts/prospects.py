"""What waits before a response, and how soon it may begin: the numbers, for the domain's rule."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import and_, bindparam, func, literal_column, select

from tertulia.adapters.store.schema import responses, usage
from tertulia.adapters.store.scripts.admission import THE_TURN, Load, next_turn
from tertulia.adapters.store.statement import Rows, Script, Statement
from tertulia.domain.admission import Limits, Turns
from tertulia.domain.prospect import (
    Prospect,
    Queued,
    Standing,
    newcomer_wait,
    prospect,
    retry_when_full,
)

#: How many of a user's last turns tell how long theirs take.
_LAST: Final = 8

_r = responses.c
_open = _r.completed_at.is_(None)
_admitted = _r.admitted_at.is_not(None)
_waiting = and_(_open, _r.admitted_at.is_(None))
_unbegun = _r.attempt == literal_column("0")
_mine = _r.user_id == bindparam("user_id")
_before = _r.ordinal < bindparam("ordinal")


def _count(*where: Any) -> Any:
    return select(func.count()).select_from(responses).where(_open, *where).scalar_subquery()


_ONE = Statement(
    select(_r.ordinal, _r.tier, _r.admitted_at).where(
        _r.id == bindparam("id"), _mine, _open, _unbegun
    )
)
_AROUND = Statement(
    select(
        _count(_mine, _admitted, _unbegun, _before),
        _count(_mine, _r.admitted_at.is_(None), _before),
        _count(_mine, _admitted),
        _count(_admitted),
    )
)
_QUEUED = Statement(
    select(_r.user_id, _r.tier, func.count(), func.max(next_turn(_r.user_id)))
    .where(_waiting)
    .group_by(_r.user_id, _r.tier)
)
_THE_TURNS = Statement(select(next_turn(bindparam("user_id")), THE_TURN))

_last = (
    select(usage.c.response_id)
    .where(usage.c.user_id == bindparam("user_id"))
    .order_by(usage.c.ended_at.desc())
    .limit(_LAST)
    .subquery("last")
)
_PACE = Statement(
    select(_r.admitted_at, _r.completed_at)
    .join(_last, _last.c.response_id == _r.id)
    .where(_admitted, _r.completed_at.is_not(None))
)


def place(user_id: str, response_id: str, limits: Limits) -> Script[Prospect | None]:
    """See `ports.turns.Turns.place`."""
    found = yield _ONE, {"id": response_id, "user_id": user_id}
    if not found:
        return None
    ordinal, tier, admitted_at = found[0]
    rows = yield _AROUND, {"user_id": user_id, "ordinal": ordinal}
    admitted_before, waiting_before, running, admitted = rows[0]
    standing = Standing(
        user_id,
        tier,
        waits=admitted_at is None,
        admitted_before=admitted_before,
        waiting_before=waiting_before,
        running=running,
        free=limits.capacity - admitted,
    )
    if admitted_at is not None or not limits.scarce(standing.free):
        return prospect(standing, (), Turns(), limits)
    queued, turns = yield from _others(user_id)
    return prospect(standing, queued, turns, limits)


def wait_of_newcomer(user_id: str, tier: str, found: Load, limits: Limits) -> Script[float | None]:
    """How long a response that is to be accepted now would wait for others' slots."""
    if limits.turn_seconds is None:
        return None
    standing = Standing(
        user_id,
        tier,
        waits=True,
        admitted_before=0,
        waiting_before=found.waiting,
        running=found.running,
        free=found.free(limits),
    )
    queued, turns = yield from _others(user_id)
    return newcomer_wait(standing, queued, turns, limits)


def retry_after(user_id: str, limits: Limits) -> Script[float]:
    """Seconds until one of the user's places becomes free."""
    rows = yield _PACE, {"user_id": user_id}
    return retry_when_full([ended - begun for begun, ended in rows], limits)


def _others(user_id: str) -> Script[tuple[list[Queued], Turns]]:
    rows: Rows = yield _QUEUED, {}
    own, now = (yield _THE_TURNS, {"user_id": user_id})[0]
    nexts = {row[0]: row[3] for row in rows if row[3] is not None}
    if own is not None:
        nexts[user_id] = own
    return [Queued(*row[:3]) for row in rows], Turns(now or 0.0, nexts)

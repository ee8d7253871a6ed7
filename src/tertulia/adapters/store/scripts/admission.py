"""Admission in a transaction: the numbers, the rule of the domain, and the marks.

Invariant: while slots are free, whoever may run has been admitted. So a change by one user
concerns the responses of others only when all slots were taken, and the usual case looks at one
user's few rows. The sweeper restores the invariant should limits have changed.

Where many transactions run at once, two that count the same free place would both take it, and one
that finds none would not see it become free. So where places are few they are counted under a lock
that all take. It is the last one taken, and candidates that others have locked are left alone, so
that no two wait for each other; the sweeper finds what was left.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    bindparam,
    exists,
    func,
    literal_column,
    select,
    update,
)

from tertulia.adapters.store.schema import meta, responses
from tertulia.adapters.store.statement import Script, Statement
from tertulia.domain.admission import Limits, Waiting, admit

#: Places are few when fewer than so many are free, or than this part of all: more than there are
#: transactions at once.
_FEW: Final = 64
_FEW_PART: Final = 8
#: How many of the oldest eligible are weighed against each other when slots were scarce.
_WINDOW: Final = 256

_r = responses.c
_open = _r.completed_at.is_(None)
_running = and_(_open, _r.admitted_at.is_not(None))
_waiting = and_(_open, _r.admitted_at.is_(None))
_mine = _r.user_id == bindparam("user_id")


def _count(where: ColumnElement[bool]) -> Any:
    return select(func.count()).select_from(responses).where(where).scalar_subquery()


def _eligible() -> Select[Any]:
    parent = responses.alias("parent")
    blocked = exists().where(
        parent.c.id == _r.previous_response_id, parent.c.completed_at.is_(None)
    )
    return select(_r.id, _r.user_id, _r.tier).where(_waiting, ~blocked)


_COUNTS = Statement(
    select(_count(_running), _count(and_(_running, _mine)), _count(and_(_waiting, _mine)))
)
_MINE = Statement(_eligible().where(_mine).order_by(_r.ordinal))
_busy_users = (
    select(_r.user_id)
    .where(_running)
    .group_by(_r.user_id)
    .having(func.count() >= bindparam("running"))
)
_ALL = Statement(
    _eligible()
    .where(_r.user_id.not_in(_busy_users))
    .order_by(_r.created_at, _r.ordinal)
    .limit(_WINDOW)
    .with_for_update(skip_locked=True)
)
#: Only servers have this row: SQLite lets nobody else write meanwhile.
_SLOTS = Statement(
    select(meta.c.name).where(meta.c.name == literal_column("'slots'")).with_for_update()
)
_RUNNING_BY_USER = Statement(select(_r.user_id, func.count()).where(_running).group_by(_r.user_id))
_MARK = Statement(
    update(responses)
    .where(_r.id == bindparam("id"), _waiting)
    .values(admitted_at=bindparam("now"), rung_at=bindparam("now"))
)


class Load(NamedTuple):
    """Of unfinished responses: admitted of all users, admitted and waiting of one."""

    admitted: int
    running: int
    waiting: int

    def allows(self, waiting: Sequence[Waiting], user_id: str, limits: Limits) -> list[str]:
        """Who of one user's eligible responses may run."""
        others = self.admitted - self.running
        return admit(waiting, {user_id: self.running, "": others}, limits)


def load(user_id: str, capacity: int) -> Script[Load]:
    """Right until the end of the transaction as far as ``capacity`` is concerned, and of the user
    whose row is locked."""
    rows = yield _COUNTS, {"user_id": user_id}
    if rows[0][0] + max(_FEW, capacity // _FEW_PART) > capacity and (yield _SLOTS, {}):
        rows = yield _COUNTS, {"user_id": user_id}
    return Load(*rows[0])


def admit_after(user_id: str, limits: Limits, now: float, *, freed: int) -> Script[tuple[str, ...]]:
    """Admit who may run now that a response of this user has ended. ``freed``: slots it held."""
    found = yield from load(user_id, limits.capacity)
    if found.admitted >= limits.capacity:
        return ()
    if found.admitted + freed >= limits.capacity:
        return (yield from admit_all(limits, now))
    if not found.waiting:
        return ()
    rows = yield _MINE, {"user_id": user_id}
    chosen = found.allows([Waiting(*row) for row in rows], user_id, limits)
    return (yield from _mark(chosen, now))


def admit_all(limits: Limits, now: float) -> Script[tuple[str, ...]]:
    """Admit whoever may run, of all users."""
    yield _SLOTS, {}
    chosen: list[str] = []
    while True:
        counts = yield _RUNNING_BY_USER, {}
        running: dict[str, int] = dict(counts)
        if sum(running.values()) >= limits.capacity:
            return tuple(chosen)
        rows = yield _ALL, {"running": limits.running}
        some = yield from _mark(admit([Waiting(*r) for r in rows], running, limits), now)
        chosen += some
        if not some or len(rows) < _WINDOW:
            return tuple(chosen)


def _mark(chosen: Sequence[str], now: float) -> Script[tuple[str, ...]]:
    for response_id in chosen:
        yield _MARK, {"id": response_id, "now": now}
    return tuple(chosen)

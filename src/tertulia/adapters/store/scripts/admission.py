"""Admission in a transaction: the numbers, the rule of the domain, and the marks.

Invariant: while more slots are free than are reserved, whoever may run has been admitted, and while
any is free, whoever has nothing running. So a change by one user concerns the responses of others
only when slots were scarce, and the usual case looks at one user's few rows and at nobody's turn.
The sweeper restores the invariant should limits have changed.

Where many transactions run at once, two that count the same free place would both take it, and one
that finds none would not see it become free. So where places are few they are counted under a lock
that all take, and only who has it moves a turn. It is the last one taken, and candidates that
others have locked are left alone, so that no two wait for each other; the sweeper finds what was
left.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    bindparam,
    delete,
    exists,
    func,
    literal_column,
    or_,
    select,
    update,
)

from tertulia.adapters.store.schema import meta, responses, shares
from tertulia.adapters.store.scripts.many import Inserts
from tertulia.adapters.store.statement import Script, Statement
from tertulia.domain.admission import Admission, Limits, Turns, Waiting, admit

#: Places are few when fewer than so many are free, or than this part of all: more than there are
#: transactions at once.
_FEW: Final = 64
_FEW_PART: Final = 8
#: How many of the eligible whose turn comes first are weighed against each other.
_WINDOW: Final = 256
#: In place of a user: the row that tells where the last turn began.
ALL: Final = ""

_r = responses.c
_open = _r.completed_at.is_(None)
_running = and_(_open, _r.admitted_at.is_not(None))
_waiting = and_(_open, _r.admitted_at.is_(None))
_mine = _r.user_id == bindparam("user_id")


def _count(where: ColumnElement[bool]) -> Any:
    return select(func.count()).select_from(responses).where(where).scalar_subquery()


def next_turn(user_id: Any) -> Any:
    """A scalar: NULL for who begins where all are."""
    return select(shares.c.next_turn).where(shares.c.user_id == user_id).scalar_subquery()


#: The same for all.
THE_TURN: Final = next_turn(literal_column("''"))


def _eligible(*more: Any) -> Select[Any]:
    parent = responses.alias("parent")
    blocked = exists().where(
        parent.c.id == _r.previous_response_id, parent.c.completed_at.is_(None)
    )
    return select(_r.id, _r.user_id, _r.tier, *more).where(_waiting, ~blocked)


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
_TURN: Final = func.coalesce(next_turn(_r.user_id), literal_column("0.0"))
_ALL = Statement(
    _eligible(_TURN, THE_TURN)
    .where(_r.user_id.not_in(_busy_users))
    .order_by(_TURN, _r.created_at, _r.ordinal)
    .limit(_WINDOW)
    .with_for_update(skip_locked=True)
)
#: Only servers have this row: SQLite lets nobody else write meanwhile.
_SLOTS = Statement(
    select(meta.c.name).where(meta.c.name == literal_column("'slots'")).with_for_update()
)
_ADMITTED = Statement(select(_count(_running)))
_RUNNING_BY_USER = Statement(select(_r.user_id, func.count()).where(_running).group_by(_r.user_id))
_MARK = Statement(
    update(responses)
    .where(_r.id == bindparam("id"), _waiting)
    .values(admitted_at=bindparam("now"), rung_at=bindparam("now"))
)
#: Who is not ahead of all begins where all are, and needs no row.
_FORGET_TURNS = Statement(
    delete(shares).where(
        or_(
            shares.c.next_turn <= bindparam("turn"),
            shares.c.user_id.in_(bindparam("users", expanding=True)),
        )
    )
)
_PUT_TURNS = Inserts(shares)


class Load(NamedTuple):
    """Of unfinished responses: admitted of all users, admitted and waiting of one."""

    admitted: int
    running: int
    waiting: int

    def free(self, limits: Limits) -> int:
        return limits.capacity - self.admitted

    def allows_one(self, limits: Limits) -> bool:
        """Whether a response that the user has just submitted may run at once."""
        return limits.allow(self.running, self.free(limits))


def load(user_id: str, limits: Limits) -> Script[Load]:
    """Right until the end of the transaction as far as the capacity is concerned, and of the user
    whose row is locked."""
    rows = yield _COUNTS, {"user_id": user_id}
    few = limits.reserve + max(_FEW, limits.capacity // _FEW_PART)
    if rows[0][0] + few > limits.capacity and (yield _SLOTS, {}):
        rows = yield _COUNTS, {"user_id": user_id}
    return Load(*rows[0])


def admit_after(user_id: str, limits: Limits, now: float, *, freed: int) -> Script[tuple[str, ...]]:
    """Admit who may run now that a response of this user has ended. ``freed``: slots it held."""
    found = yield from load(user_id, limits)
    if found.free(limits) <= 0:
        return ()
    if limits.scarce(found.free(limits) - freed):
        return (yield from _give_out(limits, now, found.admitted))
    if not found.waiting:
        return ()
    rows = yield _MINE, {"user_id": user_id}
    running = {user_id: found.running, ALL: found.admitted - found.running}
    admission = admit([Waiting(*row) for row in rows], running, limits, Turns())
    yield from _mark(admission.chosen, now)
    return admission.chosen


def admit_all(limits: Limits, now: float) -> Script[tuple[str, ...]]:
    """Admit whoever may run, of all users."""
    yield _SLOTS, {}
    counted = yield _ADMITTED, {}
    return (yield from _give_out(limits, now, counted[0][0]))


def _give_out(limits: Limits, now: float, admitted: int) -> Script[tuple[str, ...]]:
    """The slots that are free, in turns; counted under the lock."""
    chosen: list[str] = []
    running: dict[str, int] = {}
    while (free := limits.capacity - admitted - len(chosen)) > 0:
        # Of the reserve only who has nothing running is a candidate.
        bar = 1 if limits.scarce(free) else limits.running
        rows = yield _ALL, {"running": bar}
        if not rows:
            break
        if not running:
            running.update((yield _RUNNING_BY_USER, {}))
        turns = Turns(rows[0][4] or 0.0, {row[1]: row[3] for row in rows})
        admission = admit([Waiting(*row[:3]) for row in rows], running, limits, turns)
        yield from _mark(admission.chosen, now)
        yield from _move_turns(admission)
        chosen += admission.chosen
        owners = {row[0]: row[1] for row in rows}
        for response_id in admission.chosen:
            running[owners[response_id]] = running.get(owners[response_id], 0) + 1
        if not admission.chosen or len(rows) < _WINDOW:
            break
    return tuple(chosen)


def _mark(chosen: Sequence[str], now: float) -> Script[None]:
    for response_id in chosen:
        yield _MARK, {"id": response_id, "now": now}


def _move_turns(admission: Admission) -> Script[None]:
    if not admission.chosen:
        return
    yield _FORGET_TURNS, {"turn": admission.now, "users": [ALL, *admission.moved]}
    ahead = [(user, turn) for user, turn in admission.moved.items() if turn > admission.now]
    yield from _PUT_TURNS.put([(ALL, admission.now), *ahead])

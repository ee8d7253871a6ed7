"""The sweeper's look, and what it does about what it saw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, or_, select, update

from tertulia.adapters.store.schema import responses
from tertulia.adapters.store.scripts import leases, workers
from tertulia.adapters.store.scripts.admission import admit_all
from tertulia.adapters.store.statement import Script, Statement
from tertulia.domain.admission import Limits
from tertulia.domain.fleet import Fleet

#: Responses expired in one pass; the next pass takes more.
_BATCH: Final = 256

_r = responses.c
_open = _r.completed_at.is_(None)
_due = (
    _r.admitted_at.is_not(None),
    _r.worker_id.is_(None),
    or_(_r.rung_at.is_(None), _r.rung_at <= bindparam("rung_before")),
)

_OVERDUE = Statement(
    select(_r.id, _r.user_id)
    .where(_open, _r.attempt == 0, _r.created_at <= bindparam("submitted_before"))
    .order_by(_r.created_at, _r.ordinal)
    .limit(_BATCH)
)
_ANYTHING = Statement(
    select(_r.id)
    .where(
        _open,
        or_(
            _r.admitted_at.is_(None),
            _r.lease_until < bindparam("leased_before"),
            _r.worker_id.is_(None)
            & or_(_r.rung_at.is_(None), _r.rung_at <= bindparam("rung_before")),
        ),
    )
    .limit(1)
)
_DUE = Statement(
    # Locked ones are being claimed or ended, or another sweeper is at them.
    select(_r.id)
    .where(_open, *_due)
    .order_by(_r.admitted_at, _r.ordinal)
    .with_for_update(skip_locked=True)
)
_RUNG = Statement(
    update(responses)
    .where(_r.id.in_(bindparam("ids", expanding=True)))
    .values(rung_at=bindparam("now"))
)


@dataclass(frozen=True, slots=True)
class Seen:
    #: (response, user) that nobody claimed in time.
    overdue: tuple[tuple[str, str], ...]
    #: Whether `restore` would find something to do.
    work: bool
    fleet: Fleet


def look(
    *, now: float, waiting_seconds: float, take_over: bool, ring_after_seconds: float
) -> Script[Seen]:
    """Reads only: most passes find nothing, and then nothing is written."""
    overdue = yield _OVERDUE, {"submitted_before": now - waiting_seconds}
    work = yield (
        _ANYTHING,
        {
            "leased_before": now if take_over else 0.0,
            "rung_before": now - ring_after_seconds,
        },
    )
    live = yield from workers.fleet(now)
    return Seen(tuple((r, u) for r, u in overdue), bool(work), live)


def restore(
    limits: Limits, *, now: float, take_over: bool, ring_after_seconds: float
) -> Script[tuple[tuple[str, ...], int]]:
    """End expired leases, admit, and tell whom to ring for: (responses, leases ended)."""
    ended = (yield from leases.end_expired(now)) if take_over else 0
    admitted = yield from admit_all(limits, now)
    due = yield _DUE, {"rung_before": now - ring_after_seconds}
    if due:
        yield _RUNG, {"ids": [r for (r,) in due], "now": now}
    late = [r for (r,) in due if r not in set(admitted)]
    return (*admitted, *late), ended

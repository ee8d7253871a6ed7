"""Which workers there are. Each keeps its row as it keeps its leases; one that died drops out."""

from __future__ import annotations

from sqlalchemy import bindparam, delete, func, insert, select, update

from tertulia.adapters.store.schema import workers
from tertulia.adapters.store.statement import Script, Statement
from tertulia.domain.fleet import Fleet, Report

_w = workers.c
_this = _w.id == bindparam("worker_id")

_KNOWN = Statement(select(_w.id).where(_this).with_for_update())
_JOIN = Statement(insert(workers))
_STAY = Statement(
    update(workers)
    .where(_this)
    .values(
        slots=bindparam("new_slots"),
        turn_seconds=bindparam("new_turn_seconds"),
        expires_at=bindparam("new_expires_at"),
    )
)
_LEAVE = Statement(delete(workers).where(_this))
_LIVE = Statement(select(_w.id, _w.slots, _w.turn_seconds).where(_w.expires_at > bindparam("now")))
_gone = _w.expires_at <= bindparam("now")
_COUNT_GONE = Statement(select(func.count()).select_from(workers).where(_gone))
_FORGET = Statement(delete(workers).where(_gone))


def enlist(report: Report, until: float) -> Script[None]:
    known = yield _KNOWN, {"worker_id": report.worker_id}
    if known:
        yield (
            _STAY,
            {
                "worker_id": report.worker_id,
                "new_slots": report.slots,
                "new_turn_seconds": report.turn_seconds,
                "new_expires_at": until,
            },
        )
        return
    yield (
        _JOIN,
        {
            "id": report.worker_id,
            "slots": report.slots,
            "turn_seconds": report.turn_seconds,
            "expires_at": until,
        },
    )


def dismiss(worker_id: str) -> Script[None]:
    yield _LEAVE, {"worker_id": worker_id}


def fleet(now: float) -> Script[Fleet]:
    rows = yield _LIVE, {"now": now}
    return Fleet.of(Report(*row) for row in rows)


def forget_gone(now: float) -> Script[int]:
    counted = yield _COUNT_GONE, {"now": now}
    if counted[0][0]:
        yield _FORGET, {"now": now}
    return int(counted[0][0])

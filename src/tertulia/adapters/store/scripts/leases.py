"""Claims and their leases. The attempt is the fence: each claim raises it by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import bindparam, func, select, update

from tertulia.adapters.store.journal import Journal
from tertulia.adapters.store.schema import responses
from tertulia.adapters.store.scripts import ledger
from tertulia.adapters.store.scripts.reading import NODE_ITEMS
from tertulia.adapters.store.scripts.records import Record, lock_response, opened
from tertulia.adapters.store.scripts.sealer import Sealer
from tertulia.adapters.store.scripts.user_lock import Committed
from tertulia.adapters.store.statement import Rows, Script, Statement
from tertulia.domain.compose import Composer
from tertulia.domain.frame import Frame
from tertulia.domain.response import Response, Usage
from tertulia.ports.turns import Renewal

_r = responses.c
_open = _r.completed_at.is_(None)
_this = _r.id == bindparam("id")
_of_worker = _r.worker_id == bindparam("worker_id")

_CLAIM = Statement(
    update(responses)
    .where(_this)
    .values(
        status="in_progress",
        attempt=bindparam("attempt"),
        worker_id=bindparam("worker_id"),
        lease_until=bindparam("lease_until"),
    )
)
_HELD = Statement(
    select(_r.id, _r.attempt, _r.cancel_requested_at)
    .where(_r.id.in_(bindparam("ids", expanding=True)), _open, _of_worker)
    # In one order, so that no two wait for each other.
    .order_by(_r.id)
    .with_for_update()
)
_RENEW = Statement(
    update(responses)
    .where(_r.id.in_(bindparam("ids", expanding=True)))
    .values(lease_until=bindparam("lease_until"))
)
_CANCELS = Statement(
    select(_r.id).where(_open, _of_worker, _r.cancel_requested_at.is_not(None)).order_by(_r.id)
)
_GIVE_BACK = Statement(
    update(responses)
    .where(_this)
    .values(
        worker_id=None,
        lease_until=None,
        rung_at=bindparam("now"),
        **{name: bindparam(name) for name in ledger.TOKENS},
    )
)
_LEASED = Statement(
    select(func.count()).select_from(responses).where(_open, _r.worker_id.is_not(None))
)
_EXPIRED = Statement(
    # Locked ones are being renewed or ended, or another sweeper is at them.
    select(_r.id, _r.attempt, _r.user_id, _r.worker_id)
    .where(_open, _r.lease_until < bindparam("now"))
    .with_for_update(skip_locked=True)
)
_crashed = {
    "worker_id": None,
    "lease_until": None,
    "crashes": _r.crashes + 1,
    "rung_at": None,
}
_VOID = Statement(update(responses).where(_open, _r.worker_id.is_not(None)).values(_crashed))
_TAKE_OVER = Statement(update(responses).where(_this).values(_crashed))


class Taken(NamedTuple):
    """What a claim has read."""

    record: Record
    #: The record opened, and the frames of its log, once the log is opened for this attempt.
    response: Response | None = None
    held: tuple[Frame, ...] | None = None
    #: Items of the response, for `items.nodes`, where it is all there is of its branch.
    items: Rows | None = None


def claim(
    response_id: str,
    worker_id: str,
    lease_seconds: float,
    *,
    now: float,
    known: Callable[[str], Sealer | None],
    journal: Journal | None,
    fetched: bool,
) -> Script[Committed[Taken | str | None]]:
    """A first attempt, whose log holds nothing but how it opened, needs no look at it.

    A user's id: nothing was claimed, since that user's keys are not at hand. They are to be
    fetched first (``fetched``): where they cannot be, no attempt is spent on it.
    """
    record = yield from lock_response(response_id)
    if (
        record is None
        or record.completed_at is not None
        or record.admitted_at is None
        # An expired lease too is another's until the sweeper has ended it.
        or record.worker_id is not None
    ):
        return Committed(None)
    sealer = known(record.user_id)
    if sealer is None and not fetched:
        return Committed(record.user_id)
    attempt, lease_until = record.attempt + 1, now + lease_seconds
    yield (
        _CLAIM,
        {
            "id": response_id,
            "attempt": attempt,
            "worker_id": worker_id,
            "lease_until": lease_until,
        },
    )
    record = record._replace(
        status="in_progress", attempt=attempt, worker_id=worker_id, lease_until=lease_until
    )
    items = None
    if record.previous_response_id is None:
        # Longer branches are read beside the writer, not in it.
        items = yield NODE_ITEMS, {"id": record.id, "user_id": record.user_id}
    if journal is None or sealer is None or attempt > 1:
        return Committed(Taken(record, items=items))
    response = opened(record, sealer)
    held = tuple(Composer(response, ()).begin())
    begun = held[-1:]
    logged = yield from journal.go_on_script(sealer.keys, record.user_id, record.id, attempt, begun)
    if not logged:
        return Committed(Taken(record, response, items=items))
    taken = Taken(record, response, held, items)
    return Committed(taken, logged=((record.user_id, record.id, begun),))


def renew(
    worker_id: str, held: Sequence[tuple[str, int]], lease_seconds: float, *, now: float
) -> Script[Mapping[str, Renewal]]:
    rows = yield _HELD, {"worker_id": worker_id, "ids": [response_id for response_id, _ in held]}
    found = {response_id: (attempt, asked) for response_id, attempt, asked in rows}
    answer: dict[str, Renewal] = {}
    for response_id, attempt in held:
        leased, asked = found.get(response_id, (None, None))
        answer[response_id] = Renewal(leased == attempt, asked is not None)
    ours = [response_id for response_id, renewal in answer.items() if renewal.held]
    if ours:
        # At once: the rows are locked until the end, and hundreds of round trips are a while.
        yield _RENEW, {"ids": ours, "lease_until": now + lease_seconds}
    return answer


def cancels(worker_id: str) -> Script[Sequence[str]]:
    rows = yield _CANCELS, {"worker_id": worker_id}
    return [response_id for (response_id,) in rows]


def release(
    response_id: str, attempt: int, spent: Usage, lost: Usage, *, now: float
) -> Script[None]:
    record = yield from lock_response(response_id)
    if record is None or record.attempt != attempt or record.worker_id is None:
        return
    yield from ledger.enter(record, ledger.HANDED_OVER, spent, lost, now)
    yield (
        _GIVE_BACK,
        {
            "id": response_id,
            "now": now,
            **dict(zip(ledger.TOKENS, msgspec.structs.astuple(spent), strict=True)),
        },
    )


def void_leases(*, now: float) -> Script[int]:
    rows = yield _LEASED, {}
    count: int = rows[0][0]
    if count:
        yield from ledger.enter_all_leased(now)
        yield _VOID, {}
    return count


def end_expired(now: float) -> Script[int]:
    """End the leases that ran out, counting a crash each."""
    rows = yield _EXPIRED, {"now": now}
    ended = [ledger.Ended._make(row) for row in rows]
    yield from ledger.enter_crashed(ended, now)
    for one in ended:
        yield _TAKE_OVER, {"id": one.response_id}
    return len(ended)

"""The ledger: what each attempt of a response took, where one was not enough.

An attempt that ends the response it began alone needs no entry: the response's usage is its own.
Of all others there is one entry each, and they add up to the usage of the response once it has
ended. A worker that crashed cannot say what it took; the attempt that goes on from its words does,
as far as these show it, and that is entered for the last one that crashed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec
from sqlalchemy import Integer, bindparam, func, insert, literal, select, update

from tertulia.adapters.store.schema import attempts, responses
from tertulia.adapters.store.scripts.many import Inserts
from tertulia.adapters.store.scripts.records import Record
from tertulia.adapters.store.statement import Script, Statement
from tertulia.domain.response import Usage

CRASHED: Final = "crashed"
HANDED_OVER: Final = "handed_over"
FINISHED: Final = "finished"

TOKENS: Final = (
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "reasoning_tokens",
    "cost_micros",
)

_a, _r = attempts.c, responses.c
_ENTER = Inserts(attempts)
_LEASED = (_r.completed_at.is_(None), _r.worker_id.is_not(None))
_nothing = [literal(0, Integer).label(name) for name in TOKENS]
_ENTER_ALL_LEASED = Statement(
    insert(attempts).from_select(
        [column.name for column in attempts.c],
        select(
            _r.id,
            _r.attempt,
            _r.user_id,
            _r.worker_id,
            bindparam("now", type_=attempts.c.ended_at.type),
            bindparam("how", type_=attempts.c.how.type),
            *_nothing,
        ).where(*_LEASED),
    )
)
_LAST_CRASHED = Statement(
    select(func.max(_a.attempt)).where(
        _a.response_id == bindparam("response_id"), _a.how == bindparam("how")
    )
)
_CHARGE = Statement(
    update(attempts)
    .where(_a.response_id == bindparam("id"), _a.attempt == bindparam("number"))
    # Under names of their own: a column's is taken by the value that it is set to.
    .values({name: _a[name] + bindparam(f"more_{name}") for name in TOKENS})
)


class Ended(NamedTuple):
    """An attempt that has ended."""

    response_id: str
    attempt: int
    user_id: str
    worker_id: str


def enter_crashed(ended: Iterable[Ended], now: float) -> Script[None]:
    """What they took is not known, or not yet."""
    nothing = msgspec.structs.astuple(Usage())
    yield from _ENTER.put([(*one, now, CRASHED, *nothing) for one in ended])


def enter_all_leased(now: float) -> Script[None]:
    """All attempts under way have crashed."""
    yield _ENTER_ALL_LEASED, {"now": now, "how": CRASHED}


def enter(record: Record, how: str, total: Usage, lost: Usage, now: float) -> Script[None]:
    """The attempt that holds ``record``, which is as it was before the attempt ended.

    ``total``: of all attempts, this one included; ``lost``: what of that is known by now of
    attempts that crashed. An attempt whose lease was ended, and which ends the response after all
    before another is begun, has its entry already.
    """
    if lost != Usage():
        rows = yield _LAST_CRASHED, {"response_id": record.id, "how": CRASHED}
        yield from _charge(record.id, rows[0][0], lost)
    own = total.less(record.tokens).less(lost)
    if record.worker_id is None:
        yield from _charge(record.id, record.attempt, own)
        return
    ended = Ended(record.id, record.attempt, record.user_id, record.worker_id)
    yield from _ENTER.put([(*ended, now, how, *msgspec.structs.astuple(own))])


def _charge(response_id: str, attempt: int, more: Usage) -> Script[None]:
    amounts = zip(TOKENS, msgspec.structs.astuple(more), strict=True)
    charge = {f"more_{name}": amount for name, amount in amounts}
    yield _CHARGE, {"id": response_id, "number": attempt, **charge}

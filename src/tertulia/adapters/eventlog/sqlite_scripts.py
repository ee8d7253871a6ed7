"""What the SQLite event log says to its tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import bindparam, insert, select, update

from tertulia.adapters.eventlog.admit import Held, admit, begins
from tertulia.adapters.store.schema import frames as _frames
from tertulia.adapters.store.schema import logs as _logs
from tertulia.adapters.store.scripts.log_rows import erase_log, way
from tertulia.adapters.store.scripts.sealer import Sealer
from tertulia.adapters.store.statement import Rows, Script, Statement
from tertulia.domain.frame import Frame, pack, unpack
from tertulia.errors import Fenced

#: Rows read at a time: some 300 bytes each, a delta or two.
_NEWEST_ROWS: Final = 2048
_AFTER_ROWS: Final = 512
_ALL_ROWS: Final = 1 << 40
#: Logs erased in one transaction: some 3 µs a row, of which a long answer has a thousand, while
#: appends wait.
_ERASED_AT_ONCE: Final = 10

_of_response = _logs.c.response_id == bindparam("response_id")
_of_user = _logs.c.user_id == bindparam("user_id")

_HELD = Statement(
    select(_logs.c.attempt, _logs.c.last_number, _logs.c.ended_at, _logs.c.tail).where(
        _of_response, _of_user
    )
)
_BEGIN = Statement(insert(_logs))
_FENCE = Statement(
    update(_logs)
    .where(_of_response)
    .values(attempt=bindparam("attempt"), updated_at=bindparam("now"))
)
_WRITE = Statement(
    update(_logs)
    .where(_of_response)
    .values(
        attempt=bindparam("attempt"),
        last_number=bindparam("last", type_=_logs.c.last_number.type),
        tail=bindparam("id", type_=_logs.c.tail.type),
        ended_at=bindparam("ended"),
        updated_at=bindparam("now"),
    )
)
_row = ("previous", "response_id", "user_id", "first_number", "last_number", "body")
_INSERT = Statement(
    insert(_frames).values({name: bindparam(name) for name in _row}).returning(_frames.c.id)
)
#: The same where nothing is amiss, without looking first.
_INSERT_NEXT = Statement(
    insert(_frames)
    .from_select(
        _row,
        select(
            _logs.c.tail,
            _logs.c.response_id,
            _logs.c.user_id,
            *(bindparam(name, type_=_frames.c[name].type) for name in _row[3:]),
        ).where(
            _of_response,
            _of_user,
            _logs.c.attempt == bindparam("attempt"),
            _logs.c.last_number == bindparam("expected"),
            _logs.c.ended_at.is_(None),
        ),
    )
    .returning(_frames.c.id)
)

_way = way(_of_response & _of_user, bounded=True)
_ROWS = Statement(
    select(_frames.c.first_number, _frames.c.body)
    .where(_frames.c.id.in_(select(_way.c.id)))
    .order_by(_frames.c.id)
    .limit(bindparam("limit", type_=_frames.c.id.type))
)

_ENDED = Statement(
    select(_logs.c.response_id).where(_logs.c.ended_at < bindparam("before")).limit(_ERASED_AT_ONCE)
)
_LEFT = Statement(
    select(_logs.c.response_id)
    .where(_logs.c.ended_at.is_(None), _logs.c.updated_at < bindparam("before"))
    .limit(_ERASED_AT_ONCE)
)


def take_over(sealer: Sealer, response_id: str, attempt: int, now: float) -> Script[list[Frame]]:
    """Raise the fence, and give all frames."""
    held, _ = yield from _held(sealer.user_id, response_id)
    if held is None:
        yield _BEGIN, _new_log(sealer.user_id, response_id, attempt, now)
        return []
    if held.attempt > attempt:
        raise Fenced(f"attempt {held.attempt} has taken {response_id} over from {attempt}")
    if held.attempt < attempt:
        yield _FENCE, {"response_id": response_id, "attempt": attempt, "now": now}
    return _opened(sealer, response_id, (yield from _rows(sealer, response_id)))


def append(
    sealer: Sealer,
    response_id: str,
    attempt: int,
    frames: Sequence[Frame],
    now: float,
    *,
    may_begin: bool,
) -> Script[Sequence[Frame] | None]:
    """The frames that were new; None: there is no log."""
    begin_it = may_begin and begins(attempt, frames)
    if not begin_it and (yield from go_on(sealer, response_id, attempt, frames, now)):
        return frames
    held, tail = yield from _held(sealer.user_id, response_id)
    if held is None:
        if not begin_it:
            return None
        fresh = admit(response_id, Held(attempt, None, ended=False), attempt, frames)
        yield from begin(sealer, response_id, attempt, fresh, now)
        return fresh
    fresh = admit(response_id, held, attempt, frames)
    if fresh:
        row = {**_row_of(sealer, response_id, fresh), "previous": tail}
        ((row_id,),) = yield _INSERT, row
        yield _WRITE, _state(response_id, attempt, fresh[-1], row_id, now)
    return fresh


def go_on(
    sealer: Sealer, response_id: str, attempt: int, frames: Sequence[Frame], now: float
) -> Script[bool]:
    """Append where nothing is amiss: the log is there, of this attempt, open, and ends just before
    ``frames``. False: something is, and nothing was written."""
    if not unbroken(frames):
        return False
    row = _row_of(sealer, response_id, frames)
    found = yield _INSERT_NEXT, {**row, "attempt": attempt, "expected": previous_of(frames)}
    if not found:
        return False
    yield _WRITE, _state(response_id, attempt, frames[-1], found[0][0], now)
    return True


def begin(
    sealer: Sealer, response_id: str, attempt: int, frames: Sequence[Frame], now: float
) -> Script[None]:
    """The log must not be there."""
    ((row_id,),) = yield _INSERT, {**_row_of(sealer, response_id, frames), "previous": None}
    last = frames[-1]
    log = _new_log(sealer.user_id, response_id, attempt, now)
    ends = {"last_number": last.sequence_number, "ended_at": now if last.terminal else None}
    yield _BEGIN, {**log, **ends, "tail": row_id}


def _state(response_id: str, attempt: int, last: Frame, row_id: int, now: float) -> dict[str, Any]:
    return {
        "response_id": response_id,
        "attempt": attempt,
        "last": last.sequence_number,
        "id": row_id,
        "ended": now if last.terminal else None,
        "now": now,
    }


def _row_of(sealer: Sealer, response_id: str, frames: Sequence[Frame]) -> dict[str, Any]:
    first = frames[0].sequence_number
    return {
        "response_id": response_id,
        "user_id": sealer.user_id,
        "first_number": first,
        "last_number": frames[-1].sequence_number,
        "body": sealed(sealer, response_id, frames),
    }


def sealed(sealer: Sealer, response_id: str, frames: Sequence[Frame]) -> bytes:
    """The body of one row."""
    return sealer.seal("frames", response_id, str(frames[0].sequence_number), pack(frames))


def newest(sealer: Sealer, response_id: str) -> Script[tuple[list[Frame], bool]]:
    """The last frames, and whether there may be others before them."""
    rows = yield from _rows(sealer, response_id, reach=_NEWEST_ROWS)
    return _opened(sealer, response_id, rows), len(rows) == _NEWEST_ROWS


def after(sealer: Sealer, response_id: str, number: int | None) -> Script[list[Frame] | None]:
    """Some frames after ``number``; None when it is not held."""
    at = -1 if number is None else number
    rows = yield from _rows(sealer, response_id, number=at, limit=_AFTER_ROWS)
    frames = _opened(sealer, response_id, rows)
    if number is None:
        return frames
    for index, frame in enumerate(frames):
        if frame.sequence_number == number:
            return frames[index + 1 :]
    return None


def erase(response_ids: Sequence[str]) -> Script[Sequence[str]]:
    for response_id in response_ids:
        yield from erase_log(response_id)
    return response_ids


def erase_outlived(before: float) -> Script[Sequence[str]]:
    """Some logs that ended, or were last written, before that time; their ids."""
    rows = yield _ENDED, {"before": before}
    if not rows:
        rows = yield _LEFT, {"before": before}
    ids = [response_id for (response_id,) in rows]
    if ids:
        yield from erase(ids)
    return ids


def _rows(
    sealer: Sealer,
    response_id: str,
    *,
    number: int = -1,
    reach: int = _ALL_ROWS,
    limit: int = _ALL_ROWS,
) -> Script[Rows]:
    """The first ``limit`` of the last ``reach`` rows, from the one that holds ``number``."""
    where = {"response_id": response_id, "user_id": sealer.user_id}
    return (yield _ROWS, {**where, "number": number, "rows": reach, "limit": limit})


def _held(user_id: str, response_id: str) -> Script[tuple[Held | None, int | None]]:
    """What the log says of itself, and its newest row."""
    rows = yield _HELD, {"response_id": response_id, "user_id": user_id}
    if not rows:
        return None, None
    attempt, last, ended_at, tail = rows[0]
    return Held(attempt, last, ended_at is not None), tail


def _new_log(user_id: str, response_id: str, attempt: int, now: float) -> dict[str, Any]:
    return {
        "response_id": response_id,
        "user_id": user_id,
        "attempt": attempt,
        "last_number": None,
        "tail": None,
        "ended_at": None,
        "updated_at": now,
    }


def previous_of(frames: Sequence[Frame]) -> int:
    """The number that the log must have come to for these to follow."""
    first = frames[0]
    return first.sequence_number - 1 if first.continues is None else first.continues


def unbroken(frames: Sequence[Frame]) -> bool:
    """Whether they follow each other without a gap."""
    first = frames[0].sequence_number
    return len(frames) == 1 or all(
        f.sequence_number == number and (f.continues is None or number == first)
        for number, f in enumerate(frames, first)
    )


def _opened(sealer: Sealer, response_id: str, rows: Sequence[tuple[int, bytes]]) -> list[Frame]:
    opened: list[Frame] = []
    for first, body in rows:
        opened += unpack(sealer.open("frames", response_id, str(first), body))
    return opened

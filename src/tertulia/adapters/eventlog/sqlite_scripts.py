"""What the SQLite event log says to its tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import BindParameter, bindparam, delete, func, insert, select, update

from tertulia.adapters.eventlog.admit import Held, admit, begins
from tertulia.adapters.store.schema import frames as _frames
from tertulia.adapters.store.schema import logs as _logs
from tertulia.adapters.store.scripts.sealer import Sealer
from tertulia.adapters.store.statement import Script, Statement
from tertulia.domain.frame import Frame, pack, unpack
from tertulia.errors import Fenced

#: Rows read at a time: some 300 bytes each, a delta or two.
_NEWEST_ROWS: Final = 2048
_AFTER_ROWS: Final = 256
#: Logs erased in one transaction: some 3 µs a row, of which a long answer has a thousand, while
#: appends wait.
_ERASED_AT_ONCE: Final = 10

_of_response = _logs.c.response_id == bindparam("response_id")
_of_user = _logs.c.user_id == bindparam("user_id")
_last = bindparam("last", type_=_logs.c.last_number.type)

_HELD = Statement(
    select(_logs.c.attempt, _logs.c.last_number, _logs.c.ended_at).where(_of_response, _of_user)
)
_BEGIN = Statement(insert(_logs))
_FENCE = Statement(
    update(_logs)
    .where(_of_response)
    .values(attempt=bindparam("attempt"), updated_at=bindparam("now"))
)
_written = {"last_number": _last, "ended_at": bindparam("ended"), "updated_at": bindparam("now")}
_WRITE = Statement(
    update(_logs).where(_of_response).values(attempt=bindparam("attempt"), **_written)
)
#: The same where nothing is amiss, without looking first.
_ADVANCE = Statement(
    update(_logs)
    .where(
        _of_response,
        _of_user,
        _logs.c.attempt == bindparam("attempt"),
        _logs.c.last_number == bindparam("previous"),
        _logs.c.ended_at.is_(None),
    )
    .values(_written)
    .returning(_logs.c.attempt)
)
_INSERT = Statement(insert(_frames))

_of_log = (
    _frames.c.response_id == bindparam("response_id"),
    _frames.c.user_id == bindparam("user_id"),
)
_rows = select(_frames.c.first_number, _frames.c.body)
_NEWEST = Statement(
    _rows.where(*_of_log).order_by(_frames.c.first_number.desc()).limit(_NEWEST_ROWS)
)
_before = _frames.alias()
#: The row that holds a number is the last that begins at or before it.
_start = (
    select(func.max(_before.c.first_number))
    .where(
        _before.c.response_id == bindparam("response_id"),
        _before.c.first_number <= bindparam("number"),
    )
    .scalar_subquery()
)
_AFTER = Statement(
    _rows.where(*_of_log, _frames.c.first_number >= func.coalesce(_start, 0))
    .order_by(_frames.c.first_number)
    .limit(_AFTER_ROWS)
)
_ALL = Statement(_rows.where(*_of_log).order_by(_frames.c.first_number))

_OUTLIVED = Statement(
    select(_logs.c.response_id)
    .where(_logs.c.updated_at < bindparam("before"))
    .limit(_ERASED_AT_ONCE)
)
_ids: BindParameter[Any] = bindparam("ids", expanding=True)
_ERASE_FRAMES = Statement(delete(_frames).where(_frames.c.response_id.in_(_ids)))
_ERASE_LOGS = Statement(delete(_logs).where(_logs.c.response_id.in_(_ids)))


def raise_fence(user_id: str, response_id: str, attempt: int, now: float) -> Script[None]:
    held = yield from _held(user_id, response_id)
    if held is None:
        yield from _begin(user_id, response_id, attempt, now)
    elif held.attempt > attempt:
        raise Fenced(f"attempt {held.attempt} has taken {response_id} over from {attempt}")
    else:
        yield _FENCE, {"response_id": response_id, "attempt": attempt, "now": now}


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
    user_id = sealer.user_id
    fresh = frames
    written = {"response_id": response_id, "attempt": attempt, **_state(frames, now)}
    expected = {"user_id": user_id, "previous": _previous(frames), **written}
    if not (_unbroken(frames) and (yield _ADVANCE, expected)):
        held = yield from _held(user_id, response_id)
        if held is None:
            if not (may_begin and begins(attempt, frames)):
                return None
            held = yield from _begin(user_id, response_id, attempt, now)
        fresh = admit(response_id, held, attempt, frames)
        if not fresh:
            return fresh
        yield _WRITE, written
    first = fresh[0].sequence_number
    row = {
        "response_id": response_id,
        "first_number": first,
        "last_number": fresh[-1].sequence_number,
        "user_id": user_id,
        "body": sealer.seal("frames", response_id, str(first), pack(fresh)),
    }
    yield _INSERT, row
    return fresh


def all_frames(sealer: Sealer, response_id: str) -> Script[list[Frame]]:
    rows = yield _ALL, {"response_id": response_id, "user_id": sealer.user_id}
    return _opened(sealer, response_id, rows)


def newest(sealer: Sealer, response_id: str) -> Script[tuple[list[Frame], bool]]:
    """The last frames, and whether there may be others before them."""
    rows = yield _NEWEST, {"response_id": response_id, "user_id": sealer.user_id}
    return _opened(sealer, response_id, rows[::-1]), len(rows) == _NEWEST_ROWS


def after(sealer: Sealer, response_id: str, number: int | None) -> Script[list[Frame] | None]:
    """Some frames after ``number``; None when it is not held."""
    where = {"response_id": response_id, "user_id": sealer.user_id}
    rows = yield _AFTER, {**where, "number": -1 if number is None else number}
    frames = _opened(sealer, response_id, rows)
    if number is None:
        return frames
    for index, frame in enumerate(frames):
        if frame.sequence_number == number:
            return frames[index + 1 :]
    return None


def erase(response_ids: Sequence[str]) -> Script[Sequence[str]]:
    yield _ERASE_FRAMES, {"ids": response_ids}
    yield _ERASE_LOGS, {"ids": response_ids}
    return response_ids


def erase_outlived(before: float) -> Script[Sequence[str]]:
    """Some logs last written before that time; their ids."""
    ids = [response_id for (response_id,) in (yield _OUTLIVED, {"before": before})]
    if ids:
        yield from erase(ids)
    return ids


def _held(user_id: str, response_id: str) -> Script[Held | None]:
    rows = yield _HELD, {"response_id": response_id, "user_id": user_id}
    if not rows:
        return None
    attempt, last, ended_at = rows[0]
    return Held(attempt, last, ended_at is not None)


def _begin(user_id: str, response_id: str, attempt: int, now: float) -> Script[Held]:
    row = {"response_id": response_id, "user_id": user_id, "attempt": attempt}
    yield _BEGIN, {**row, "last_number": None, "ended_at": None, "updated_at": now}
    return Held(attempt, None, ended=False)


def _state(frames: Sequence[Frame], now: float) -> dict[str, int | float | None]:
    last = frames[-1]
    return {
        "last": last.sequence_number,
        "ended": now if last.terminal else None,
        "now": now,
    }


def _previous(frames: Sequence[Frame]) -> int:
    first = frames[0]
    return first.sequence_number - 1 if first.continues is None else first.continues


def _unbroken(frames: Sequence[Frame]) -> bool:
    first = frames[0].sequence_number
    return all(
        f.sequence_number == number and (f.continues is None or number == first)
        for number, f in enumerate(frames, first)
    )


def _opened(sealer: Sealer, response_id: str, rows: Sequence[tuple[int, bytes]]) -> list[Frame]:
    opened: list[Frame] = []
    for first, body in rows:
        opened += unpack(sealer.open("frames", response_id, str(first), body))
    return opened

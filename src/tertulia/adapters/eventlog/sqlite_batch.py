"""Many appends in three statements.

Every statement gives the interpreter up and has to win it back from a busy event loop, so what
counts is how many there are. The usual append (its log is there, open, and ends where the frames
begin) is written together with all others of its moment; whatever is unusual is written alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import text

from tertulia.adapters.eventlog.admit import gone
from tertulia.adapters.eventlog.sqlite_scripts import append, previous_of, sealed, unbroken
from tertulia.adapters.store.scripts.sealer import Sealer
from tertulia.adapters.store.statement import Script, Statement
from tertulia.domain.frame import Frame
from tertulia.errors import TertuliaError

#: So many rows a statement, so that few texts have to be prepared.
_SIZES: Final = (64, 32, 16, 8, 4, 2)


@dataclass(frozen=True, slots=True)
class Append:
    sealer: Sealer
    response_id: str
    attempt: int
    frames: Sequence[Frame]


#: The frames that were new to the log, or why it took none.
Outcome = Sequence[Frame] | TertuliaError


def append_all(appends: Sequence[Append], now: float) -> Script[list[Outcome]]:
    """What became of each, in their order. One that is refused hinders no other."""
    # Of one log only the first: where the next begins, it says when it is written.
    firsts: dict[str, int] = {}
    for index, each in enumerate(appends):
        if each.response_id not in firsts and unbroken(each.frames):
            firsts[each.response_id] = index
    together = list(firsts.values())
    done: set[int] = set()
    at = 0
    for size in _SIZES:
        while len(together) - at >= size:
            some = together[at : at + size]
            at += size
            if (yield from _append_usual([appends[index] for index in some], now)):
                done.update(some)
    outcomes: list[Outcome] = []
    for index, each in enumerate(appends):
        outcomes.append(each.frames if index in done else (yield from _append_alone(each, now)))
    return outcomes


def _append_alone(one: Append, now: float) -> Script[Outcome]:
    try:
        fresh = yield from append(
            one.sealer, one.response_id, one.attempt, one.frames, now, may_begin=False
        )
    except TertuliaError as error:  # raised before anything was written
        return error
    return gone(one.response_id) if fresh is None else fresh


def _append_usual(some: Sequence[Append], now: float) -> Script[bool]:
    """All of them, or none: then one is not usual."""
    statements = _STATEMENTS[len(some)]
    values: list[Any] = []
    for each in some:
        first, last = each.frames[0], each.frames[-1]
        values += (
            each.response_id,
            each.sealer.user_id,
            each.attempt,
            previous_of(each.frames),
            first.sequence_number,
            last.sequence_number,
            now if last.terminal else None,
            sealed(each.sealer, each.response_id, each.frames),
        )
    params = dict(zip(statements.names, values, strict=True))
    ((usual, newest),) = yield statements.look, params
    if usual != len(some):
        return False
    params |= {"newest": newest, "now": now}
    yield statements.insert, params
    yield statements.advance, params
    return True


# ROWS stands for the rows of one statement; CROSS JOIN is SQLite's way to say which table leads.
_LOOK: Final = """
    SELECT count(*), (SELECT coalesce(max(id), 0) FROM frames)
    FROM (VALUES ROWS) CROSS JOIN logs
    WHERE response_id = column1 AND user_id = column2 AND attempt = column3
    AND last_number = column4 AND ended_at IS NULL
"""
_INSERT: Final = """
    INSERT INTO frames (id, previous, response_id, user_id, first_number, last_number, body)
    SELECT :newest + 1 + column1, tail, response_id, user_id, column3, column4, column5
    FROM (VALUES ROWS) CROSS JOIN logs WHERE response_id = column2
"""
_ADVANCE: Final = """
    UPDATE logs SET last_number = column3, tail = :newest + 1 + column1, ended_at = column4,
    updated_at = :now
    FROM (VALUES ROWS) WHERE response_id = column2
"""


class _Statements:
    """For ``size`` appends; each parameter's name ends in the number of its append."""

    def __init__(self, size: int) -> None:
        columns = ("log", "user", "attempt", "previous", "first", "last", "ended", "body")
        self.names = tuple(f"{name}{n}" for n in range(size) for name in columns)

        def of(sql: str, row: str) -> Statement:
            rows = ", ".join(f"({row.format(n=n)})" for n in range(size))
            return Statement(text(sql.replace("ROWS", rows)))

        self.look = of(_LOOK, ":log{n}, :user{n}, :attempt{n}, :previous{n}")
        self.insert = of(_INSERT, "{n}, :log{n}, :first{n}, :last{n}, :body{n}")
        self.advance = of(_ADVANCE, "{n}, :log{n}, :last{n}, :ended{n}")


_STATEMENTS: Final = {size: _Statements(size) for size in _SIZES}

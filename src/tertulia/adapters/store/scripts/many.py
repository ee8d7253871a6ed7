"""Many rows in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Table, bindparam, insert

from tertulia.adapters.store.statement import Params, Script, Statement

#: Rows of one statement at most, so that few texts have to be prepared.
_MOST: Final = 8


class Inserts:
    """Inserts rows of one table, each given as its columns' values in the table's order.

    A statement costs more than a row: it gives the interpreter up, or crosses a network.
    """

    __slots__ = ("_names", "_statements", "_table")

    def __init__(self, table: Table) -> None:
        self._table = table
        self._names: tuple[tuple[str, ...], ...] = ()
        self._statements: dict[int, Statement] = {}

    def put(self, rows: Sequence[Sequence[Any]]) -> Script[None]:
        for at in range(0, len(rows), _MOST):
            some = rows[at : at + _MOST]
            yield self._of(len(some)), self._params(some)

    def _of(self, count: int) -> Statement:
        # Two threads may both make one: they are equal, and either may stay.
        statement = self._statements.get(count)
        if statement is None:
            rows = [
                {c.name: bindparam(f"{c.name}_{n}", type_=c.type) for c in self._table.c}
                for n in range(count)
            ]
            statement = self._statements[count] = Statement(insert(self._table).values(rows))
        return statement

    def _params(self, rows: Sequence[Sequence[Any]]) -> Params:
        if len(self._names) < len(rows):
            columns = [c.name for c in self._table.c]
            self._names = tuple(tuple(f"{name}_{n}" for name in columns) for n in range(_MOST))
        params: dict[str, Any] = {}
        for names, row in zip(self._names, rows, strict=False):
            params.update(zip(names, row, strict=True))
        return params

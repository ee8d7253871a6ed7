"""Tables, read page by page in the order of their primary keys.

A page is bounded in rows and in bytes, so that large files take no more memory than one of them
needs: keys and sizes are read first, and then as many rows as fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from sqlalchemy import (
    ColumnElement,
    LargeBinary,
    Table,
    and_,
    bindparam,
    func,
    literal_column,
    select,
    tuple_,
)

from tertulia.adapters.store.schema import metadata
from tertulia.adapters.store.statement import Params, Row, Rows, Script, Statement

Key: TypeAlias = tuple[Any, ...]

PAGE_ROWS: Final = 500
PAGE_BYTES: Final = 4 << 20

#: Kept apart (`meta`), or of no use where nothing runs yet: the log that lies beside an embedded
#: store, and the workers that are there.
_LEFT_OUT: Final = frozenset(("meta", "logs", "frames", "workers"))


class Pages:
    """One table; two of one table say the same of two databases."""

    def __init__(self, table: Table) -> None:
        self.table = table
        keys = tuple(table.primary_key.columns)
        #: Where the primary key's columns stand in a row.
        self._places = tuple(list(table.c).index(column) for column in keys)
        sizes = [
            func.coalesce(func.length(column), literal_column("0"))
            for column in table.c
            if isinstance(column.type, LargeBinary)
        ]
        size: ColumnElement[Any] = literal_column("0")
        for one in sizes:
            size = size + one
        beyond = _compared(keys, "after", beyond=True)
        until = _compared(keys, "until", beyond=False)
        heads = select(*keys, size.label("size")).order_by(*keys).limit(PAGE_ROWS)
        rows = select(*table.c).order_by(*keys)
        self._heads = Statement(heads)
        self._heads_after = Statement(heads.where(beyond))
        self._rows = Statement(rows.where(until))
        self._rows_after = Statement(rows.where(until, beyond))
        self._any = Statement(select(literal_column("1")).select_from(table).limit(1))
        self._count = Statement(select(func.count()).select_from(table))

    def key(self, row: Row) -> Key:
        return tuple(row[place] for place in self._places)

    def page(self, after: Key | None) -> Script[Rows]:
        """The rows that come next; none: that was all."""
        where = _params("after", after or ())
        heads = yield (self._heads if after is None else self._heads_after), where
        if not heads:
            return []
        until = _params("until", _last(heads))
        rows = self._rows if after is None else self._rows_after
        return (yield rows, {**where, **until})

    def any(self) -> Script[bool]:
        return bool((yield self._any, {}))

    def count(self) -> Script[int]:
        ((count,),) = yield self._count, {}
        return int(count)


def copied() -> list[Pages]:
    """All tables that a copy takes along, `meta` apart."""
    return [Pages(table) for name, table in metadata.tables.items() if name not in _LEFT_OUT]


def _last(heads: Rows) -> Key:
    """The key of the last row that fits; the first one always does."""
    taken = 0
    for at, head in enumerate(heads):
        taken += head[-1]
        if taken > PAGE_BYTES and at:
            return heads[at - 1][:-1]
    return heads[-1][:-1]


def _compared(
    keys: Sequence[ColumnElement[Any]], name: str, *, beyond: bool
) -> ColumnElement[bool]:
    """``keys`` > the parameters ``name_0``…, or <= them."""
    wanted = [bindparam(f"{name}_{n}", type_=column.type) for n, column in enumerate(keys)]
    first, bound = keys[0], wanted[0]
    if len(keys) == 1:
        return first > bound if beyond else first <= bound
    left, right = tuple_(*keys), tuple_(*wanted)
    # MariaDB finds its place in the index by the first column only.
    if beyond:
        return and_(left > right, first >= bound)
    return and_(left <= right, first <= bound)


def _params(name: str, key: Key) -> Params:
    return {f"{name}_{n}": value for n, value in enumerate(key)}

"""The rows of logs that lie in the store's database: found from the newest one backwards."""

from __future__ import annotations

from sqlalchemy import CTE, ColumnElement, bindparam, delete, literal_column, select

from tertulia.adapters.store.schema import frames, logs
from tertulia.adapters.store.statement import Script, Statement


def way(logs_of: ColumnElement[bool], *, bounded: bool = False, nesting: bool = False) -> CTE:
    """Ids of the rows of these logs.

    ``bounded`` takes two parameters: ``number``, of which the row that begins at or before it is
    the last one taken, and ``rows``, how many are taken at most. ``nesting``: written within the
    select that names it, since MariaDB knows no other place for it where rows are deleted.
    """
    row = (frames.c.id, frames.c.previous, frames.c.first_number)
    newest = (
        select(*row, literal_column("1").label("rank"))
        .select_from(logs.join(frames, frames.c.id == logs.c.tail))
        .where(logs_of)
        .cte("way", recursive=True, nesting=nesting)
    )
    further = select(*row, newest.c.rank + literal_column("1")).where(
        frames.c.id == newest.c.previous
    )
    if bounded:
        further = further.where(
            newest.c.first_number > bindparam("number"), newest.c.rank < bindparam("rows")
        )
    return newest.union_all(further)


_of_response = logs.c.response_id == bindparam("response_id")
_ERASE_FRAMES = Statement(
    delete(frames).where(frames.c.id.in_(select(way(_of_response, nesting=True).c.id)))
)
_ERASE_LOG = Statement(delete(logs).where(_of_response))


def erase_log(response_id: str) -> Script[None]:
    """Where the log is elsewhere there is nothing to find here."""
    yield _ERASE_FRAMES, {"response_id": response_id}
    yield _ERASE_LOG, {"response_id": response_id}

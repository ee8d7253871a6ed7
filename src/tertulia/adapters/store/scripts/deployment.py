"""Which deployment this database is of, and what all its nodes have to share."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import bindparam, delete, insert, select

from tertulia.adapters.store.schema import meta
from tertulia.adapters.store.statement import Script, Statement
from tertulia.errors import Misconfigured

#: Names how far a copy into this database has come, and what is said of one that was finished.
COPY, COPIED = "copy", "done"

_GET = Statement(select(meta.c.value).where(meta.c.name == bindparam("name")))
_SET = Statement(insert(meta))
_UNSET = Statement(delete(meta).where(meta.c.name == bindparam("name")))


def noted(name: str, fresh: str) -> Script[str]:
    """The value under ``name``; ``fresh`` if there is none yet. Of two nodes that are both the
    first, one is undone and reads what the other has written."""
    rows = yield _GET, {"name": name}
    if rows:
        return str(rows[0][0])
    yield _SET, {"name": name, "value": fresh}
    return fresh


def marks(given: Mapping[str, str]) -> Script[tuple[str, ...]]:
    """Names under which another value stands; those that are new are noted."""
    other = []
    for name, value in sorted(given.items()):
        found = yield from noted(f"mark-{name}", value)
        if found != value:
            other.append(name)
    return tuple(other)


def whole() -> Script[None]:
    """Raises `Misconfigured` when a copy into this database has not come to its end."""
    rows = yield _GET, {"name": COPY}
    if rows and rows[0][0] != COPIED:
        raise Misconfigured(
            "store: a copy into this database has not come to its end: go on with it by "
            "`tertulia store copy`, or name another database in TERTULIA_STORE."
        )


def forget_mark(name: str) -> Script[None]:
    yield _UNSET, {"name": f"mark-{name}"}

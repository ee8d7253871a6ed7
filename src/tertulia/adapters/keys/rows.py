"""The one table of wrapped keys, in a file as on a server, and what is done with it.

Scripts are run by any engine. Where two nodes are at a user's first call at once, the second to
insert is refused by the primary key, its script is run again, and finds what the first one made.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    Integer,
    LargeBinary,
    String,
    bindparam,
    column,
    insert,
    select,
    table,
    update,
)

from tertulia.adapters.store.statement import Row, Rows, Script, Statement

#: The row of the deployment's own secret; no user has an empty id.
DEPLOYMENT: Final = ""

_KEYS: Final = table(
    "keys",
    column("user_id", String),
    column("version", Integer),
    # NULL: destroyed. Such a row stays, so that no late writer makes new keys for an erased user.
    column("wrapped", LargeBinary),
)
_c = _KEYS.c
_of_user = _c.user_id == bindparam("user_id")

_SELECT: Final = Statement(select(_c.version, _c.wrapped).where(_of_user))
_PAGE: Final = Statement(
    select(_c.user_id, _c.version, _c.wrapped)
    .where(_c.user_id > bindparam("user_id"))
    .order_by(_c.user_id)
    .limit(bindparam("limit", type_=Integer))
)
_INSERT: Final = Statement(insert(_KEYS))
_DESTROY: Final = Statement(update(_KEYS).where(_of_user).values(wrapped=None))


def find(user_id: str) -> Script[Rows]:
    """Version and wrapped keys, in one row or none."""
    return (yield _SELECT, {"user_id": user_id})


def page(user_id: str, limit: int) -> Script[Rows]:
    """User, version and wrapped keys of those that come after ``user_id``."""
    return (yield _PAGE, {"user_id": user_id, "limit": limit})


def keep(user_id: str, version: int, wrapped: bytes) -> Script[Row]:
    """The user's row, made of these if there is none."""
    rows = yield _SELECT, {"user_id": user_id}
    if rows:
        return rows[0]
    yield _INSERT, {"user_id": user_id, "version": version, "wrapped": wrapped}
    return version, wrapped


def destroy(user_id: str) -> Script[None]:
    rows = yield _SELECT, {"user_id": user_id}
    if rows:
        yield _DESTROY, {"user_id": user_id}
    else:
        yield _INSERT, {"user_id": user_id, "version": 1, "wrapped": None}

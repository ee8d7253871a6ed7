"""How far a copy has come, noted in the database that it goes to.

`meta` there has the row `copy` while one is under way, and the key of the last row copied of each
table, written in the transaction that wrote the row: a copy that was killed goes on behind it,
and nothing is there twice. A store with such a row does not start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from sqlalchemy import bindparam, delete, insert, select, update

from tertulia.adapters.store.copy_rows import Key, Pages
from tertulia.adapters.store.schema import meta
from tertulia.adapters.store.scripts import deployment
from tertulia.adapters.store.scripts.deployment import COPIED, COPY
from tertulia.adapters.store.scripts.many import Inserts
from tertulia.adapters.store.statement import Rows, Script, Statement
from tertulia.errors import Misconfigured

#: Of which deployment a database is; see `scripts.deployment`.
DEPLOYMENT: Final = "deployment"
_UNDER_WAY: Final = "under way"
_TABLE: Final = f"{COPY}-"
#: Made with every server's schema.
_SERVERS_OWN: Final = frozenset(("slots",))

_ALL = Statement(select(meta.c.name, meta.c.value))
_NOTE = Statement(insert(meta))
_MOVE = Statement(
    update(meta).where(meta.c.name == bindparam("of")).values(value=bindparam("value"))
)
_FORGET = Statement(delete(meta).where(meta.c.name == bindparam("of")))


def own(rows: Rows) -> dict[str, str]:
    """What `meta` says of the deployment itself."""
    return {
        name: value
        for name, value in rows
        if name not in _SERVERS_OWN and name != COPY and not name.startswith(_TABLE)
    }


def noted() -> Script[Rows]:
    return (yield _ALL, {})


def named(fresh: str) -> Script[str]:
    """The deployment's name; ``fresh`` if it has none yet."""
    return (yield from deployment.noted(DEPLOYMENT, fresh))


def begin(source: Mapping[str, str], tables: Sequence[Pages], name: str) -> Script[bool]:
    """Take the database for this copy, or see that it is its own already; False: it was
    finished. ``source``: what `own` says of where it comes from; ``name``: for the message.

    Raises:
        Misconfigured: it holds something else.
    """
    found: dict[str, str] = dict((yield _ALL, {}))
    if found.get(COPY) is not None and found.get(DEPLOYMENT) == source[DEPLOYMENT]:
        return bool(found[COPY] != COPIED)
    used = bool(found.keys() - _SERVERS_OWN)
    for pages in tables:
        used = used or (yield from pages.any())
    if used:
        raise Misconfigured(
            f"store: {name} holds the data of another deployment, or is in use already: name an "
            "empty database (CREATE DATABASE). Nothing was copied."
        )
    for key, value in source.items():
        yield _NOTE, {"name": key, "value": value}
    yield _NOTE, {"name": COPY, "value": _UNDER_WAY}
    for pages in tables:
        yield _NOTE, {"name": _TABLE + pages.table.name, "value": ""}
    return True


def reached(table: str) -> Script[Key | None]:
    """The key of the last row that was copied."""
    found: dict[str, str] = dict((yield _ALL, {}))
    value = found.get(_TABLE + table)
    return tuple(msgspec.json.decode(value)) if value else None


def take(inserts: Inserts, table: str, rows: Rows, last: Key) -> Script[None]:
    yield from inserts.put(rows)
    yield _MOVE, {"of": _TABLE + table, "value": msgspec.json.encode(last).decode()}


def finish(tables: Sequence[Pages]) -> Script[None]:
    for pages in tables:
        yield _FORGET, {"of": _TABLE + pages.table.name}
    yield _MOVE, {"of": COPY, "value": COPIED}

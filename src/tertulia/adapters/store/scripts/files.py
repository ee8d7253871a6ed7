"""Uploaded files. Their content is sealed before a script begins: it is large, and the writer
serves everybody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, cast

import msgspec
from sqlalchemy import Integer, and_, bindparam, delete, func, insert, or_, select

from tertulia.adapters.store.schema import files
from tertulia.adapters.store.scripts.idempotency import first_result
from tertulia.adapters.store.scripts.sealer import Sealer
from tertulia.adapters.store.scripts.user_lock import lock_user
from tertulia.adapters.store.statement import Row, Script, Statement
from tertulia.domain.file import File
from tertulia.errors import InvalidInput, NotFound
from tertulia.ports.files import FilePage
from tertulia.ports.turns import Idempotency

#: Files erased in one transaction: each is up to some megabytes that are overwritten.
_BATCH: Final = 16


class _Details(NamedTuple):
    name: str
    media_type: str
    width: int
    height: int


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Details).decode

_f = files.c
_WITHOUT_BODY = (_f.id, _f.purpose, _f.bytes, _f.created_at, _f.expires_at, _f.details)
_mine = and_(
    _f.user_id == bindparam("user_id"),
    or_(_f.expires_at.is_(None), _f.expires_at > bindparam("now")),
)
_this = and_(_f.id == bindparam("id"), _mine)
_named = and_(_f.id.in_(bindparam("ids", expanding=True)), _mine)

_INSERT = Statement(insert(files))
_TAKEN = Statement(select(func.coalesce(func.sum(_f.bytes), 0)).where(_mine))
_FIND = Statement(select(*_WITHOUT_BODY).where(_this))
_NAMED = Statement(select(_f.id).where(_named))
_CONTENTS = Statement(select(*_WITHOUT_BODY, _f.body).where(_named))
_ERASE = Statement(delete(files).where(_f.id == bindparam("id")))
_EXPIRED = Statement(
    select(_f.id).where(_f.expires_at.is_not(None), _f.expires_at <= bindparam("now")).limit(_BATCH)
)


def _page(*, newest_first: bool, after: bool, purpose: bool) -> Statement:
    key = (_f.created_at, _f.id)
    chosen = select(*_WITHOUT_BODY).where(_mine)
    if after:
        at: Any = bindparam("created_at")
        name: Any = bindparam("id")
        if newest_first:
            behind = or_(key[0] < at, and_(key[0] == at, key[1] < name))
        else:
            behind = or_(key[0] > at, and_(key[0] == at, key[1] > name))
        chosen = chosen.where(behind)
    if purpose:
        chosen = chosen.where(_f.purpose == bindparam("purpose"))
    order = [column.desc() if newest_first else column.asc() for column in key]
    return Statement(chosen.order_by(*order).limit(bindparam("limit", type_=Integer)))


_PAGES = {
    (newest_first, after, purpose): _page(newest_first=newest_first, after=after, purpose=purpose)
    for newest_first in (False, True)
    for after in (False, True)
    for purpose in (False, True)
}


def seal_content(sealer: Sealer, file: File, content: bytes) -> tuple[bytes, bytes]:
    """The columns ``details`` and ``body``."""
    details = _Details(file.name, file.media_type, file.width, file.height)
    return (
        sealer.seal("files", file.id, "details", _encode(details)),
        sealer.seal("files", file.id, "body", content),
    )


def add(
    file: File,
    sealed: tuple[bytes, bytes],
    asked: Idempotency | None,
    *,
    quota_bytes: int,
    now: float,
    sealer: Sealer,
) -> Script[File]:
    lock = yield from lock_user(sealer)
    first = yield from first_result(lock.user_id, asked, file.id, now)
    if first is not None:
        return (yield from find(first, now=now, sealer=sealer))
    taken = yield _TAKEN, {"user_id": lock.user_id, "now": now}
    if taken[0][0] + file.bytes > quota_bytes:
        raise InvalidInput(
            f"Your files would take more than {quota_bytes} bytes together. Delete some first.",
            code="storage_limit_exceeded",
            param="file",
        )
    details, body = sealed
    yield (
        _INSERT,
        {
            "id": file.id,
            "user_id": lock.user_id,
            "purpose": file.purpose,
            "bytes": file.bytes,
            "created_at": file.created_at,
            "expires_at": file.expires_at,
            "details": details,
            "body": body,
        },
    )
    return file


def find(file_id: str, *, now: float, sealer: Sealer) -> Script[File]:
    rows = yield _FIND, {"id": file_id, "user_id": sealer.user_id, "now": now}
    if not rows:
        raise _no_file(file_id)
    return _opened(rows[0], sealer)


def page(
    *,
    limit: int,
    after: str | None,
    newest_first: bool,
    purpose: str | None,
    now: float,
    sealer: Sealer,
) -> Script[FilePage]:
    params: dict[str, Any] = {"user_id": sealer.user_id, "now": now, "limit": limit + 1}
    if after is not None:
        last = yield from find(after, now=now, sealer=sealer)
        params |= {"created_at": last.created_at, "id": last.id}
    if purpose is not None:
        params["purpose"] = purpose
    rows = yield _PAGES[newest_first, after is not None, purpose is not None], params
    return FilePage(tuple(_opened(row, sealer) for row in rows[:limit]), len(rows) > limit)


def contents(
    file_ids: Sequence[str], *, now: float, sealer: Sealer
) -> Script[dict[str, tuple[File, bytes]]]:
    rows = yield _CONTENTS, {"ids": list(file_ids), "user_id": sealer.user_id, "now": now}
    return {
        row[0]: (_opened(row[:-1], sealer), sealer.open("files", row[0], "body", row[-1]))
        for row in rows
    }


def missing(file_ids: Sequence[str], *, now: float, sealer: Sealer) -> Script[list[str]]:
    rows = yield _NAMED, {"ids": list(file_ids), "user_id": sealer.user_id, "now": now}
    known = {file_id for (file_id,) in rows}
    return [file_id for file_id in file_ids if file_id not in known]


def erase(file_id: str, *, now: float, sealer: Sealer) -> Script[None]:
    found = yield from find(file_id, now=now, sealer=sealer)
    yield _ERASE, {"id": found.id}


def erase_expired(now: float) -> Script[int]:
    """At most so many; call it again until there are none."""
    rows = yield _EXPIRED, {"now": now}
    for (file_id,) in rows:
        yield _ERASE, {"id": file_id}
    return len(rows)


def _opened(row: Row, sealer: Sealer) -> File:
    file_id, purpose, size, created_at, expires_at, sealed = row
    details = _decode(sealer.open("files", file_id, "details", sealed))
    return File(
        id=file_id,
        user_id=sealer.user_id,
        purpose=cast("Any", purpose),
        name=details.name,
        media_type=details.media_type,
        width=details.width,
        height=details.height,
        bytes=size,
        created_at=created_at,
        expires_at=expires_at,
    )


def _no_file(file_id: str) -> NotFound:
    return NotFound(f"There is no file {file_id}.", param="file_id")

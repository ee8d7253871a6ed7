"""What an earlier request with the same key has made."""

from __future__ import annotations

from sqlalchemy import bindparam, delete, insert, select, update

from tertulia.adapters.store.schema import idempotency
from tertulia.adapters.store.statement import Script, Statement
from tertulia.errors import Conflict
from tertulia.ports.turns import Idempotency

_key = idempotency.c.key_hash == bindparam("key_hash")
_FIND = Statement(
    select(idempotency.c.body_hash, idempotency.c.result_id, idempotency.c.expires_at).where(_key)
)
_FORGET = Statement(delete(idempotency).where(_key))
_INSERT = Statement(insert(idempotency))
_RENEW = Statement(update(idempotency).where(_key).values(result_id=bindparam("result")))


def first_result(
    user_id: str, asked: Idempotency | None, result_id: str, now: float
) -> Script[str | None]:
    """The id that the first request with this key made; None when this is the first, and then
    ``result_id`` is remembered. Call it with the user's row locked.

    Raises:
        Conflict: the key came with another body.
    """
    if asked is None:
        return None
    key = asked.key_hash.hex()
    rows = yield _FIND, {"key_hash": key}
    if rows:
        body_hash, found, expires_at = rows[0]
        if expires_at > now:
            if body_hash != asked.body_hash.hex():
                raise Conflict(
                    "This idempotency key was used with another request. Use a new key for a new "
                    "request, or send the first one unchanged.",
                    code="idempotency_key_reused",
                )
            return str(found)
        yield _FORGET, {"key_hash": key}
    yield (
        _INSERT,
        {
            "key_hash": key,
            "user_id": user_id,
            "body_hash": asked.body_hash.hex(),
            "result_id": result_id,
            "expires_at": now + asked.keep_seconds,
        },
    )
    return None


def renew(asked: Idempotency, result_id: str) -> Script[None]:
    """The key's first result is gone and was never to be kept: ``result_id`` takes its place."""
    yield _RENEW, {"key_hash": asked.key_hash.hex(), "result": result_id}

"""Users, their logins and their keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import bindparam, insert, or_, select, update

from tertulia.adapters.store.schema import api_keys, logins, users
from tertulia.adapters.store.scripts.sealer import Sealer
from tertulia.adapters.store.statement import Row, Script, Statement
from tertulia.domain.principal import Principal, UserRole
from tertulia.errors import Conflict, NotFound
from tertulia.ports.accounts import ApiKey, Login, User

#: Seconds between two notes of a key's use.
_NOTE_EVERY: Final = 60.0

_u, _l, _k = users.c, logins.c, api_keys.c

_user = select(
    _u.id, _u.email, _u.role, _u.created_at, _u.password_hash, _u.instructions, _u.default_model
)
_USER = Statement(_user.where(_u.id == bindparam("id")))
_LOCK_USER = Statement(_user.where(_u.id == bindparam("id")).with_for_update())
_USER_BY_EMAIL = Statement(_user.where(_u.email == bindparam("email")))
_CREATE_USER = Statement(insert(users))
_SET_PASSWORD = Statement(
    update(users).where(_u.id == bindparam("id")).values(password_hash=bindparam("password_hash"))
)
_SET_PROFILE = Statement(
    update(users)
    .where(_u.id == bindparam("id"))
    .values(instructions=bindparam("instructions"), default_model=bindparam("default_model"))
)

_login = select(
    _l.id,
    _l.user_id,
    _l.created_at,
    _l.expires_at,
    _l.refresh_hash,
    _l.previous_hash,
    _l.rotated_at,
    _l.revoked_at,
)
_CREATE_LOGIN = Statement(insert(logins))
_LOGIN = Statement(_login.where(_l.id == bindparam("id")))
_LOCK_LOGIN = Statement(_login.where(_l.id == bindparam("id")).with_for_update())
_LOGIN_BY_HASH = Statement(
    _login.where(or_(_l.refresh_hash == bindparam("hash"), _l.previous_hash == bindparam("hash")))
)
_ROTATE = Statement(
    update(logins)
    .where(_l.id == bindparam("id"))
    .values(
        refresh_hash=bindparam("refresh_hash"),
        previous_hash=bindparam("previous_hash"),
        rotated_at=bindparam("now"),
        expires_at=bindparam("expires_at"),
    )
)
_REVOKE_LOGIN = Statement(
    update(logins)
    .where(_l.id == bindparam("id"), _l.revoked_at.is_(None))
    .values(revoked_at=bindparam("now"))
)
_REVOKE_OTHERS = Statement(
    update(logins)
    .where(_l.user_id == bindparam("user_id"), _l.id != bindparam("keep"))
    .where(_l.revoked_at.is_(None))
    .values(revoked_at=bindparam("now"))
)

_key = select(_k.id, _k.user_id, _k.name, _k.prefix, _k.created_at, _k.last_used_at).where(
    _k.revoked_at.is_(None)
)
_CREATE_KEY = Statement(insert(api_keys))
_KEY_BY_HASH = Statement(_key.where(_k.key_hash == bindparam("hash")))
_KEYS = Statement(_key.where(_k.user_id == bindparam("user_id")).order_by(_k.created_at, _k.id))
_KEY = Statement(
    _key.where(_k.user_id == bindparam("user_id"), _k.id == bindparam("id")).with_for_update()
)
_REVOKE_KEY = Statement(
    update(api_keys).where(_k.id == bindparam("id")).values(revoked_at=bindparam("now"))
)
_NOTE_USE = Statement(
    update(api_keys).where(_k.id == bindparam("id")).values(last_used_at=bindparam("now"))
)


_LOGIN_STANDS = Statement(
    select(_l.id)
    .select_from(logins.join(users, _u.id == _l.user_id))
    .where(_l.id == bindparam("id"), _l.user_id == bindparam("user_id"))
    .where(_l.revoked_at.is_(None), _l.expires_at > bindparam("now"))
)
_KEY_STANDS = Statement(
    select(_k.id)
    .select_from(api_keys.join(users, _u.id == _k.user_id))
    .where(_k.id == bindparam("id"), _k.user_id == bindparam("user_id"))
    .where(_k.revoked_at.is_(None))
)


def create_user(
    user_id: str, email: str, password_hash: str | None, role: UserRole, *, now: float
) -> Script[User]:
    rows = yield _USER_BY_EMAIL, {"email": email}
    if rows:
        raise Conflict("This e-mail address is registered already.", code="email_taken")
    user = User(user_id, email, role, now, password_hash)
    yield (
        _CREATE_USER,
        {
            "id": user.id,
            "email": email,
            "role": role,
            "created_at": now,
            "password_hash": password_hash,
            "instructions": None,
            "default_model": None,
            "feed_offset": 0,
            "responses": 0,
        },
    )
    return user


def user(*, sealer: Sealer) -> Script[User]:
    rows = yield _USER, {"id": sealer.user_id}
    if not rows:
        raise NotFound(f"There is no user {sealer.user_id}.", code="user_erased")
    return open_user(rows[0], sealer)


def user_row(email: str) -> Script[Row | None]:
    rows = yield _USER_BY_EMAIL, {"email": email}
    return rows[0] if rows else None


def open_user(row: Row, sealer: Sealer) -> User:
    user_id, email, role, created_at, password_hash, instructions, default_model = row
    text = sealer.open_text("users", user_id, "instructions", instructions)
    return User(user_id, email, role, created_at, password_hash, text, default_model)


def set_password(
    user_id: str, password_hash: str, keep_login: str | None, *, now: float
) -> Script[None]:
    yield from _lock_user(user_id)
    yield _SET_PASSWORD, {"id": user_id, "password_hash": password_hash}
    yield _REVOKE_OTHERS, {"user_id": user_id, "keep": keep_login or "", "now": now}


def _lock_user(user_id: str) -> Script[None]:
    if not (yield _LOCK_USER, {"id": user_id}):
        raise NotFound(f"There is no user {user_id}.", code="user_erased")


def set_profile(
    instructions: str | None, default_model: str | None, *, sealer: Sealer
) -> Script[User]:
    sealed = sealer.seal_text("users", sealer.user_id, "instructions", instructions)
    yield (
        _SET_PROFILE,
        {"id": sealer.user_id, "instructions": sealed, "default_model": default_model},
    )
    return (yield from user(sealer=sealer))


def create_login(login: Login) -> Script[None]:
    yield from _lock_user(login.user_id)
    yield (
        _CREATE_LOGIN,
        {
            "id": login.id,
            "user_id": login.user_id,
            "created_at": login.created_at,
            "expires_at": login.expires_at,
            "refresh_hash": login.refresh_hash.hex(),
            "previous_hash": login.previous_hash.hex() if login.previous_hash else None,
            "rotated_at": login.rotated_at,
            "revoked_at": login.revoked_at,
        },
    )


def login(login_id: str) -> Script[Login | None]:
    rows = yield _LOGIN, {"id": login_id}
    return _open_login(rows[0]) if rows else None


def login_by_hash(refresh_hash: bytes) -> Script[Login | None]:
    rows = yield _LOGIN_BY_HASH, {"hash": refresh_hash.hex()}
    return _open_login(rows[0]) if rows else None


def _open_login(row: Row) -> Login:
    login_id, user_id, created_at, expires_at, present, previous, rotated_at, revoked_at = row
    return Login(
        id=login_id,
        user_id=user_id,
        created_at=created_at,
        expires_at=expires_at,
        refresh_hash=bytes.fromhex(present),
        previous_hash=bytes.fromhex(previous) if previous else None,
        rotated_at=rotated_at,
        revoked_at=revoked_at,
    )


def rotate_login(
    login_id: str, old_hash: bytes, new_hash: bytes, expires_at: float, *, now: float
) -> Script[bool]:
    rows = yield _LOCK_LOGIN, {"id": login_id}
    found = _open_login(rows[0]) if rows else None
    if found is None or found.revoked_at is not None or found.refresh_hash != old_hash:
        return False
    yield (
        _ROTATE,
        {
            "id": login_id,
            "refresh_hash": new_hash.hex(),
            "previous_hash": old_hash.hex(),
            "now": now,
            "expires_at": expires_at,
        },
    )
    return True


def revoke_login(login_id: str, *, now: float) -> Script[None]:
    yield _REVOKE_LOGIN, {"id": login_id, "now": now}


def standing(principals: Sequence[Principal], *, now: float) -> Script[list[bool]]:
    found = []
    for each in principals:
        user_id, rows = each.user_id, None
        if each.login_id is not None:
            rows = yield _LOGIN_STANDS, {"id": each.login_id, "user_id": user_id, "now": now}
        elif each.key_id is not None:
            rows = yield _KEY_STANDS, {"id": each.key_id, "user_id": user_id}
        found.append(rows is None or bool(rows))
    return found


def create_key(key: ApiKey, key_hash: bytes) -> Script[None]:
    yield from _lock_user(key.user_id)
    yield (
        _CREATE_KEY,
        {
            "id": key.id,
            "user_id": key.user_id,
            "name": key.name,
            "prefix": key.prefix,
            "key_hash": key_hash.hex(),
            "created_at": key.created_at,
            "last_used_at": key.last_used_at,
            "revoked_at": None,
        },
    )


def key_by_hash(key_hash: bytes) -> Script[ApiKey | None]:
    rows = yield _KEY_BY_HASH, {"hash": key_hash.hex()}
    return ApiKey(*rows[0]) if rows else None


def note_is_due(key: ApiKey, now: float) -> bool:
    return key.last_used_at is None or now - key.last_used_at >= _NOTE_EVERY


def note_use(key_id: str, *, now: float) -> Script[None]:
    yield _NOTE_USE, {"id": key_id, "now": now}


def keys(user_id: str) -> Script[Sequence[ApiKey]]:
    rows = yield _KEYS, {"user_id": user_id}
    return [ApiKey(*row) for row in rows]


def revoke_key(user_id: str, key_id: str, *, now: float) -> Script[None]:
    rows = yield _KEY, {"user_id": user_id, "id": key_id}
    if not rows:
        raise NotFound(f"There is no key {key_id}.")
    yield _REVOKE_KEY, {"id": key_id, "now": now}

"""The store's part for accounts. Same guarantees as :mod:`.turns`; secrets come as hashes only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tertulia.domain.principal import Principal, UserRole


@dataclass(frozen=True, slots=True)
class User:
    id: str
    email: str
    role: UserRole
    created_at: float
    #: None: nobody can sign in with a password (the user of ``--no-auth``).
    password_hash: str | None
    #: Sealed at rest, as all that derives from talk.
    instructions: str | None = None
    default_model: str | None = None


@dataclass(frozen=True, slots=True)
class Login:
    """One sign-in on one device: a family of rotating refresh tokens."""

    id: str
    user_id: str
    created_at: float
    expires_at: float
    refresh_hash: bytes
    #: The token before the present one, and when it was replaced.
    previous_hash: bytes | None = None
    rotated_at: float | None = None
    revoked_at: float | None = None


@dataclass(frozen=True, slots=True)
class ApiKey:
    id: str
    user_id: str
    name: str
    #: First characters, to tell keys apart.
    prefix: str
    created_at: float
    last_used_at: float | None = None


class Accounts(Protocol):
    async def create_user(
        self, user_id: str, email: str, password_hash: str | None, role: UserRole
    ) -> User:
        """``email`` is lower-cased by the caller.

        Raises:
            Conflict: code ``email_taken``.
        """
        ...

    async def user(self, user_id: str) -> User:
        """Raises `NotFound`."""
        ...

    async def user_by_email(self, email: str) -> User | None: ...

    async def set_password(
        self, user_id: str, password_hash: str, *, keep_login: str | None
    ) -> None:
        """Also revokes all other logins of the user, in the same transaction."""
        ...

    async def set_profile(
        self, user_id: str, *, instructions: str | None, default_model: str | None
    ) -> User: ...

    async def create_login(self, login: Login) -> None:
        """Raises `NotFound` when the user is gone."""
        ...

    async def login_by_hash(self, refresh_hash: bytes) -> Login | None:
        """The login whose present or previous token has this hash, revoked ones included."""
        ...

    async def login(self, login_id: str) -> Login | None: ...

    async def rotate_login(
        self, login_id: str, old_hash: bytes, new_hash: bytes, expires_at: float
    ) -> bool:
        """Compare-and-set of the present token; False when another request was first."""
        ...

    async def revoke_login(self, login_id: str) -> None: ...

    async def standing(self, principals: Sequence[Principal]) -> Sequence[bool]:
        """Of each whether its user is there, and the login or key it came by in force. One that
        came by neither stands."""
        ...

    async def create_key(self, key: ApiKey, key_hash: bytes) -> None:
        """Raises `NotFound` when the user is gone."""
        ...

    async def key_by_hash(self, key_hash: bytes) -> ApiKey | None:
        """None for unknown and revoked keys. May note the use (at most once a minute)."""
        ...

    async def keys(self, user_id: str) -> Sequence[ApiKey]: ...

    async def revoke_key(self, user_id: str, key_id: str) -> None:
        """Raises `NotFound`."""
        ...

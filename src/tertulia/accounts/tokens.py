"""Access tokens: JWT (RFC 7519, typed after RFC 9068), HS256, short-lived.

The algorithm is pinned, and issuer, audience, type and key id must be ours, so that no token made
for another purpose or by another key passes. All keys come from the one secret by HMAC, each for
one purpose.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tertulia.domain.principal import UserRole
from tertulia.errors import Unauthorized

if TYPE_CHECKING:
    from joserfc.jwk import OctKey

ISSUER, AUDIENCE, TYPE, ALGORITHM = "tertulia", "tertulia-api", "at+jwt", "HS256"

#: Verified tokens remembered, so that a busy client costs one verification per token.
_REMEMBERED = 4096


def derive(secret: bytes, purpose: str) -> bytes:
    """A key of 32 bytes for one purpose."""
    return hmac.digest(secret, f"tertulia/{purpose}".encode(), hashlib.sha256)


@dataclass(frozen=True, slots=True)
class Claims:
    user_id: str
    login_id: str
    role: UserRole
    expires_at: float


class AccessTokens:
    """Makes and reads access tokens. ``clock`` gives Unix seconds."""

    def __init__(self, secret: bytes, seconds: int, clock: Callable[[], float]) -> None:
        self._secret = derive(secret, "access-token")
        self._kid = hashlib.sha256(self._secret).hexdigest()[:12]
        self._seconds = seconds
        self._clock = clock
        self._verified: OrderedDict[str, Claims] = OrderedDict()

    @cached_property
    def _key(self) -> OctKey:
        from joserfc.jwk import OctKey

        return OctKey.import_key(self._secret)

    def make(self, user_id: str, role: UserRole, login_id: str) -> str:
        from joserfc import jwt

        now = int(self._clock())
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": user_id,
            "sid": login_id,
            "role": role,
            "iat": now,
            "exp": now + self._seconds,
            "jti": os.urandom(12).hex(),
        }
        header = {"alg": ALGORITHM, "typ": TYPE, "kid": self._kid}
        return jwt.encode(header, claims, self._key, algorithms=[ALGORITHM])

    def read(self, token: str) -> Claims:
        """Raises `Unauthorized`: ``token_expired``, or ``invalid_token``."""
        claims = self._verified.get(token)
        if claims is None:
            claims = self._verify(token)
            self._verified[token] = claims
            if len(self._verified) > _REMEMBERED:
                self._verified.popitem(last=False)
        else:
            self._verified.move_to_end(token)
        if self._clock() >= claims.expires_at:
            del self._verified[token]
            raise Unauthorized(
                "The access token has expired; get another from /auth/refresh.",
                code="token_expired",
            )
        return claims

    def _verify(self, token: str) -> Claims:
        from joserfc import jwt
        from joserfc.errors import JoseError

        try:
            decoded = jwt.decode(token, self._key, algorithms=[ALGORITHM])
        except (JoseError, ValueError):
            raise _invalid() from None
        header, claims = decoded.header, decoded.claims
        ours = (
            header.get("typ") == TYPE
            and header.get("kid") == self._kid
            and claims.get("iss") == ISSUER
            and claims.get("aud") == AUDIENCE
        )
        subject, login, role = claims.get("sub"), claims.get("sid"), claims.get("role")
        expires = claims.get("exp")
        if not (
            ours
            and isinstance(subject, str)
            and isinstance(login, str)
            and role in {"user", "admin"}
            and isinstance(expires, int)
        ):
            raise _invalid()
        return Claims(subject, login, role, float(expires))


def _invalid() -> Unauthorized:
    return Unauthorized("The access token is not valid.", code="invalid_token")

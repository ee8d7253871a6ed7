"""How often a password may be tried: counted per account and per address."""

from __future__ import annotations

import hashlib
import hmac

from tertulia.accounts.tokens import derive
from tertulia.errors import RateLimited
from tertulia.ports.limiter import Limiter

WINDOW_SECONDS = 300.0
PER_ACCOUNT = 10
PER_ADDRESS = 50


class Throttle:
    def __init__(self, limiter: Limiter, secret: bytes) -> None:
        self._limiter = limiter
        self._key = derive(secret, "throttle")

    async def address(self, address: str) -> None:
        """Raises `RateLimited` (``too_many_attempts``)."""
        await self._hit(f"login:address:{address}", PER_ADDRESS)

    async def account(self, email: str) -> None:
        """Raises `RateLimited` (``too_many_attempts``)."""
        await self._hit(self._account(email), PER_ACCOUNT)

    async def forgive(self, email: str) -> None:
        """The right password was given: its owner starts anew."""
        await self._limiter.reset(self._account(email))

    def _account(self, email: str) -> str:
        # The limiter's backend may be outside; who has an account here is not its business.
        return f"login:account:{hmac.new(self._key, email.encode(), hashlib.sha256).hexdigest()}"

    async def _hit(self, key: str, limit: int) -> None:
        wait = await self._limiter.hit(key, limit=limit, seconds=WINDOW_SECONDS)
        if wait > 0:
            raise RateLimited(
                "Too many attempts to sign in; wait a little.",
                code="too_many_attempts",
                retry_after=wait,
            )

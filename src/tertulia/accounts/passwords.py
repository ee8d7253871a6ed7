"""Passwords: argon2id, away from the event loop, and never so many at once that it hurts."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from tertulia.errors import Unavailable, Unprocessable
from tertulia.settings import Passwords

if TYPE_CHECKING:
    from argon2 import PasswordHasher

T = TypeVar("T")

MAX_PASSWORD_CHARS = 1024

#: One password takes tens of milliseconds of a core, and its memory, whoever sent it.
_THREADS = min(4, max(1, (os.cpu_count() or 1) // 2))
_WAITING = 64


class PasswordBook:
    """Hashes and checks passwords in a small pool of threads of its own."""

    def __init__(self, settings: Passwords) -> None:
        self._settings = settings
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="password")
        self._inside = 0

    @cached_property
    def _hasher(self) -> PasswordHasher:
        from argon2 import PasswordHasher

        return PasswordHasher(
            time_cost=self._settings.time_cost,
            memory_cost=self._settings.memory_kib,
            parallelism=self._settings.parallelism,
        )

    def check_rules(self, password: str, *, param: str = "password") -> None:
        """Raises `Unprocessable` (``weak_password``) when it may not become a password."""
        shortest = self._settings.min_length
        if not shortest <= len(password) <= MAX_PASSWORD_CHARS:
            raise Unprocessable(
                f"A password has {shortest} to {MAX_PASSWORD_CHARS} characters.",
                code="weak_password",
                param=param,
            )

    async def hash(self, password: str) -> str:
        """Raises `Unavailable` when too many passwords are waiting already."""
        return await self._run(self._hash, password)

    async def matches(self, password_hash: str | None, password: str) -> bool:
        """Whether it is the password.

        Takes equally long without a hash to compare with, so that nobody learns from the time of
        an answer who has an account.

        Raises:
            Unavailable: too many passwords are waiting already.
        """
        if password_hash is None:
            await self.hash(password)
            return False
        return await self._run(self._verify, password_hash, password)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[..., T], *args: str) -> T:
        if self._inside >= _WAITING:
            raise Unavailable("Too many sign-ins at this moment.", retry_after=2.0)
        self._inside += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work, *args)
        finally:
            self._inside -= 1

    def _hash(self, password: str) -> str:
        return self._hasher.hash(password)

    def _verify(self, password_hash: str, password: str) -> bool:
        from argon2.exceptions import InvalidHashError, VerificationError

        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False

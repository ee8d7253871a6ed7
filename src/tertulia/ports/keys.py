"""The keys port: wrapped user keys, in a place of their own, never in the store's backups."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, repr=False)
class UserKeys:
    """All 32 bytes long. ``version`` names the data key; index key and matrix seed survive its
    rotation."""

    version: int
    data_key: bytes
    index_key: bytes
    matrix_seed: bytes


class Keys(Protocol):
    """Where several nodes share the keys, each holds those of the users it serves in memory, and
    looks at what is kept once more after a bounded time (a minute): by then a user erased on one
    node is erased on all, unless what keeps the keys cannot be asked."""

    async def start(self) -> None:
        """Raises `DataFolderError` / `Misconfigured` when the keys cannot be read, and
        `Unavailable` when what keeps them does not answer."""
        ...

    async def user_keys(self, user_id: str) -> UserKeys:
        """The user's keys, made durably at the first call, whichever node makes it.

        Raises:
            NotFound: they were destroyed (``user_erased``); they are never made again.
            Unavailable: they are not at hand, and what keeps them does not answer.
        """
        ...

    def known(self, user_id: str) -> UserKeys | None:
        """The same, if they are at hand without waiting. May be called from any thread."""
        ...

    def forget(self, user_id: str) -> None:
        """Another node is said to have destroyed the user's keys: look at what is kept before
        they are used again."""
        ...

    async def destroy(self, user_id: str) -> None:
        """Erase the user's keys for good: whatever they sealed is gone everywhere."""
        ...

    async def deployment_key(self, purpose: str) -> bytes:
        """32 bytes for keyed hashes that belong to no user, one per purpose."""
        ...

    async def ping(self) -> None:
        """Raises `Unavailable` unless a user's first keys could be made now."""
        ...

    async def close(self) -> None: ...


class Cipher(Protocol):
    """Seals values with a user's data key (AES-256-GCM)."""

    def seal(self, keys: UserKeys, context: tuple[str, ...], plaintext: bytes) -> bytes:
        """``context`` = (user, table, row, field): bound to the value as associated data
        together with the key's version."""
        ...

    def open(self, keys: UserKeys, context: tuple[str, ...], sealed: bytes) -> bytes:
        """Raises `ValueError` when the value was not sealed by this key for this context."""
        ...

    def opener(
        self, keys: UserKeys, user_id: str, table: str, field: str
    ) -> Callable[[str, bytes], bytes]:
        """`open` for many rows of one field: called with a row and what was sealed."""
        ...

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
    async def start(self) -> None:
        """Raises `DataFolderError` / `Misconfigured` when the keys cannot be read."""
        ...

    async def user_keys(self, user_id: str) -> UserKeys:
        """The user's keys, made durably at the first call.

        Raises:
            NotFound: they were destroyed (``user_erased``); they are never made again.
        """
        ...

    def known(self, user_id: str) -> UserKeys | None:
        """The same, if they are at hand without waiting. May be called from any thread."""
        ...

    async def destroy(self, user_id: str) -> None:
        """Erase the user's keys for good: whatever they sealed is gone everywhere."""
        ...

    async def deployment_key(self, purpose: str) -> bytes:
        """32 bytes for keyed hashes that belong to no user, one per purpose."""
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

"""The store's part for uploaded files. Same guarantees as :mod:`.turns`.

Content and name are sealed with the user's key. A file that has expired is an unknown one at
once, whenever it is purged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tertulia.domain.file import File
from tertulia.ports.turns import Idempotency


@dataclass(frozen=True, slots=True)
class FilePage:
    data: tuple[File, ...]
    has_more: bool


class Files(Protocol):
    async def add_file(
        self,
        file: File,
        content: bytes,
        *,
        keep_seconds: float | None,
        quota_bytes: int,
        idempotency: Idempotency | None = None,
    ) -> File:
        """Keep ``content``. The store sets ``created_at``, and ``expires_at`` by ``keep_seconds``
        (None: until it is deleted). A repeated idempotency key gives the first file.

        Raises:
            InvalidInput: the user's files would take more than ``quota_bytes`` together (code
                ``storage_limit_exceeded``).
            Conflict: the idempotency key came with something else.
        """
        ...

    async def file(self, user_id: str, file_id: str) -> File: ...

    async def files(
        self,
        user_id: str,
        *,
        limit: int,
        after: str | None = None,
        newest_first: bool = True,
        purpose: str | None = None,
    ) -> FilePage:
        """By time; ``after`` is the last id of the page before.

        Raises:
            NotFound: ``after`` is unknown.
        """
        ...

    async def file_contents(
        self, user_id: str, file_ids: Sequence[str]
    ) -> Mapping[str, tuple[File, bytes]]:
        """Those of the files that there are."""
        ...

    async def missing_files(self, user_id: str, file_ids: Sequence[str]) -> Sequence[str]:
        """Those of the ids that are no file of the user's."""
        ...

    async def delete_file(self, user_id: str, file_id: str) -> None:
        """Erase it; what refers to it stays as it is.

        Raises:
            NotFound: there is none.
        """
        ...

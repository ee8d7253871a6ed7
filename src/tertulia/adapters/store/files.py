"""The store's part for uploaded files, over SQL."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from tertulia.adapters.store.base import SqlBase
from tertulia.adapters.store.scripts import files
from tertulia.domain.file import File
from tertulia.ports.files import FilePage
from tertulia.ports.turns import Idempotency


class SqlFiles(SqlBase):
    """See `ports.files.Files`."""

    async def add_file(
        self,
        file: File,
        content: bytes,
        *,
        keep_seconds: float | None,
        quota_bytes: int,
        idempotency: Idempotency | None = None,
    ) -> File:
        sealer = await self._sealer(file.user_id)
        sealed = await asyncio.to_thread(files.seal_content, sealer, file, content)
        now = self._clock()
        dated = msgspec.structs.replace(
            file,
            bytes=len(content),
            created_at=now,
            expires_at=None if keep_seconds is None else now + keep_seconds,
        )
        return await self._engine.write(
            lambda: files.add(
                dated, sealed, idempotency, quota_bytes=quota_bytes, now=now, sealer=sealer
            ),
            heavy=True,
        )

    async def file(self, user_id: str, file_id: str) -> File:
        sealer = await self._sealer(user_id)
        return await self._engine.read(
            lambda: files.find(file_id, now=self._clock(), sealer=sealer)
        )

    async def files(
        self,
        user_id: str,
        *,
        limit: int,
        after: str | None = None,
        newest_first: bool = True,
        purpose: str | None = None,
    ) -> FilePage:
        sealer = await self._sealer(user_id)
        return await self._engine.read(
            lambda: files.page(
                limit=limit,
                after=after,
                newest_first=newest_first,
                purpose=purpose,
                now=self._clock(),
                sealer=sealer,
            )
        )

    async def file_contents(
        self, user_id: str, file_ids: Sequence[str]
    ) -> Mapping[str, tuple[File, bytes]]:
        if not file_ids:
            return {}
        sealer = await self._sealer(user_id)
        return await self._engine.read(
            lambda: files.contents(file_ids, now=self._clock(), sealer=sealer), heavy=True
        )

    async def missing_files(self, user_id: str, file_ids: Sequence[str]) -> Sequence[str]:
        if not file_ids:
            return ()
        sealer = await self._sealer(user_id)
        return await self._engine.read(
            lambda: files.missing(file_ids, now=self._clock(), sealer=sealer)
        )

    async def delete_file(self, user_id: str, file_id: str) -> None:
        sealer = await self._sealer(user_id)
        await self._engine.write(
            lambda: files.erase(file_id, now=self._clock(), sealer=sealer), heavy=True
        )

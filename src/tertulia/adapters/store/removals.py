"""The store's part for removing users, over SQL."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from tertulia.adapters.store.base import SqlBase
from tertulia.adapters.store.scripts import removal


class SqlRemovals(SqlBase):
    """See `ports.removals.Removals`."""

    async def begin_removal(self, user_id: str) -> Sequence[str] | None:
        return await self._engine.write(lambda: removal.begin(user_id, now=self._clock()))

    async def removals(self) -> Sequence[str]:
        return await self._engine.read(removal.begun)

    async def destroy_keys(self, user_id: str) -> None:
        await self._keys.destroy(user_id)

    async def left_of(self, user_id: str) -> Sequence[str]:
        return await self._engine.read(lambda: removal.left_of(user_id))

    async def erase_left(self, response_ids: Sequence[str]) -> None:
        if response_ids:
            await self._engine.write(lambda: removal.erase_left(response_ids), heavy=True)

    async def end_removal(self, user_id: str) -> None:
        for rest in removal.RESTS:
            while keys := await self._engine.read(partial(rest.some, user_id), heavy=True):
                await self._engine.write(partial(rest.erase, keys), heavy=True)
        await self._engine.write(lambda: removal.end(user_id), heavy=True)

"""Users' sealers that are at hand, so that an append is sent off in the very call."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from tertulia.adapters.eventlog.admit import gone
from tertulia.adapters.store.scripts.sealer import Sealer
from tertulia.domain.frame import Frame
from tertulia.errors import NotFound
from tertulia.ports.eventlog import Appended
from tertulia.ports.keys import Cipher, Keys

_KNOWN_USERS: Final = 10_000


class Sealers:
    def __init__(self, keys: Keys, cipher: Cipher) -> None:
        self._keys = keys
        self._cipher = cipher
        self._known: OrderedDict[str, Sealer] = OrderedDict()

    def known(self, user_id: str) -> Sealer | None:
        # Where others may have destroyed the keys, theirs are at hand for a while only.
        return self._known.get(user_id) if self._keys.known(user_id) is not None else None

    async def get(self, user_id: str) -> Sealer | None:
        """None when the user was erased."""
        known = self.known(user_id)
        if known is not None:
            self._known.move_to_end(user_id)
            return known
        try:
            keys = await self._keys.user_keys(user_id)
        except NotFound:
            self._known.pop(user_id, None)
            return None
        sealer = self._known[user_id] = Sealer(user_id, keys, self._cipher)
        if len(self._known) > _KNOWN_USERS:
            self._known.popitem(last=False)
        return sealer


class InOrder:
    """Appends, each in the very call where the user's keys are at hand, and else when they have
    come; in the order of the calls either way."""

    def __init__(
        self,
        sealers: Sealers,
        append: Callable[[Sealer, str, int, Sequence[Frame]], asyncio.Future[Appended]],
    ) -> None:
        self._sealers = sealers
        self._append = append
        self._late = 0
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[Appended]] = set()

    def __call__(
        self, user_id: str, response_id: str, attempt: int, frames: Sequence[Frame]
    ) -> Awaitable[Appended]:
        sealer = self._sealers.known(user_id)
        if sealer is not None and not self._late:
            return self._append(sealer, response_id, attempt, frames)
        self._late += 1
        task = asyncio.create_task(self._wait(user_id, response_id, attempt, frames))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _wait(
        self, user_id: str, response_id: str, attempt: int, frames: Sequence[Frame]
    ) -> Appended:
        """The lock is fair, and nobody goes past those who wait for it."""
        try:
            async with self._turn:
                sealer = await self._sealers.get(user_id)
                if sealer is None:
                    raise gone(response_id)
                future = self._append(sealer, response_id, attempt, frames)
        finally:
            self._late -= 1
        return await future

"""The event log in the store's SQLite file, written by the same grouped writer.

A row per append: its frames packed, sealed as one value; all appends of one moment of the event
loop are one job of the writer. Readers are shown frames in the order of the commits, after the
commit. Appends are not synced to the disk one by one: they outlive the death of the process, and
a power cut loses at most a tail (see `adapters.store.sqlite`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from tertulia.adapters.eventlog import sqlite_scripts as scripts
from tertulia.adapters.eventlog.admit import gone
from tertulia.adapters.eventlog.hub import Hub
from tertulia.adapters.eventlog.sealers import InOrder, Sealers
from tertulia.adapters.eventlog.sqlite_batch import Append, Outcome, append_all
from tertulia.adapters.store.engine import Engine
from tertulia.adapters.store.journal import Unwritten
from tertulia.adapters.store.scripts.sealer import Sealer
from tertulia.adapters.store.statement import Script
from tertulia.domain.frame import Frame
from tertulia.errors import TertuliaError
from tertulia.ports.eventlog import Appended, Subscription
from tertulia.ports.keys import Cipher, Keys, UserKeys

#: An append, and who is to be told of it.
_Asked = tuple[Append, asyncio.Future[Appended]]


class SqliteEventLog:
    """An `EventLog`, and the `Journal` of the store that shares its engine."""

    def __init__(
        self,
        engine: Engine,
        keys: Keys,
        cipher: Cipher,
        *,
        clock: Callable[[], float] = time.time,
        window_bytes: int = 1 << 20,
    ) -> None:
        self._engine = engine
        self._cipher = cipher
        self._clock = clock
        self._hub = Hub(self, window_bytes=window_bytes)
        self._sealers = Sealers(keys, cipher)
        self._in_order = InOrder(self._sealers, self._append)
        self._cancels: set[str] = set()
        self._asked: list[_Asked] = []

    # --- the port ------------------------------------------------------------------------------

    async def open(self, user_id: str, response_id: str, attempt: int) -> Sequence[Frame]:
        sealer = await self._sealers.get(user_id)
        if sealer is None:
            raise gone(response_id)
        self._write_asked()
        return await self._engine.write(
            lambda: scripts.take_over(sealer, response_id, attempt, self._clock()),
            durable=False,
            # There is something to take over.
            heavy=attempt > 1,
        )

    def append(
        self, user_id: str, response_id: str, attempt: int, frames: Sequence[Frame]
    ) -> Awaitable[Appended]:
        return self._in_order(user_id, response_id, attempt, frames)

    async def subscribe(
        self, user_id: str, response_id: str, after: int | None, wake: Callable[[], None]
    ) -> Subscription:
        return await self._hub.subscribe(user_id, response_id, after, wake)

    async def signal_cancel(self, response_id: str) -> None:
        self._cancels.add(response_id)

    async def drop(self, response_ids: Sequence[str]) -> None:
        self._write_asked()
        await self._engine.write(
            lambda: scripts.erase(response_ids), on_commit=self._erased, heavy=True
        )

    async def purge(self, retention_seconds: float) -> int:
        before = self._clock() - retention_seconds
        count = 0
        # In steps, so that appends get their turn between them.
        while erased := await self._engine.write(
            lambda: scripts.erase_outlived(before),
            durable=False,
            on_commit=self._erased,
            heavy=True,
        ):
            count += len(erased)
        return count

    # --- the store's journal -------------------------------------------------------------------

    def take_back(self, response_id: str, attempt: int) -> Unwritten:
        taken: list[_Asked] = []
        left: list[_Asked] = []
        for asked in self._asked:
            own = asked[0].response_id == response_id and asked[0].attempt == attempt
            (taken if own else left).append(asked)
        if not taken:
            return Unwritten()
        self._asked = left
        frames = tuple(frame for append, _ in taken for frame in append.frames)

        def settle(error: BaseException | None) -> None:
            for append, future in taken:
                if future.done():
                    continue
                if error is None:
                    future.set_result(Appended(append.response_id in self._cancels))
                else:
                    future.set_exception(error)

        return Unwritten(frames, settle)

    def append_script(
        self,
        keys: UserKeys,
        user_id: str,
        response_id: str,
        attempt: int,
        frames: Sequence[Frame],
    ) -> Script[Sequence[Frame]]:
        sealer = Sealer(user_id, keys, self._cipher)
        fresh = yield from scripts.append(
            sealer, response_id, attempt, frames, self._clock(), may_begin=True
        )
        return fresh or ()

    def begin_script(
        self, keys: UserKeys, user_id: str, response_id: str, frames: Sequence[Frame]
    ) -> Script[None]:
        sealer = Sealer(user_id, keys, self._cipher)
        yield from scripts.begin(sealer, response_id, 1, frames, self._clock())

    def go_on_script(
        self,
        keys: UserKeys,
        user_id: str,
        response_id: str,
        attempt: int,
        frames: Sequence[Frame],
    ) -> Script[bool]:
        sealer = Sealer(user_id, keys, self._cipher)
        return (yield from scripts.go_on(sealer, response_id, attempt, frames, self._clock()))

    def published(
        self, response_id: str, frames: Sequence[Frame], user_id: str | None = None
    ) -> None:
        self._hub.publish(response_id, frames, user_id)
        if frames[-1].terminal:
            self._cancels.discard(response_id)

    # --- what the hub reads --------------------------------------------------------------------

    async def newest(self, user_id: str, response_id: str) -> tuple[Sequence[Frame], bool]:
        """See `hub.Source`."""
        sealer = await self._sealers.get(user_id)
        if sealer is None:
            return (), False
        return await self._engine.read(lambda: scripts.newest(sealer, response_id), heavy=True)

    async def after(
        self, user_id: str, response_id: str, number: int | None
    ) -> Sequence[Frame] | None:
        """See `hub.Source`."""
        sealer = await self._sealers.get(user_id)
        if sealer is None:
            return None
        return await self._engine.read(
            lambda: scripts.after(sealer, response_id, number), heavy=True
        )

    # --- within --------------------------------------------------------------------------------

    def _append(
        self, sealer: Sealer, response_id: str, attempt: int, frames: Sequence[Frame]
    ) -> asyncio.Future[Appended]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Appended] = loop.create_future()
        if not self._asked:
            loop.call_soon(self._write_asked)
        self._asked.append((Append(sealer, response_id, attempt, frames), future))
        return future

    def _write_asked(self) -> None:
        """Queue what was asked for since, as one job."""
        if not self._asked:
            return
        asked, self._asked = self._asked, []
        appends = [append for append, _ in asked]
        written = self._engine.write(
            lambda: append_all(appends, self._clock()),
            durable=False,
            overtakes=True,
            on_commit=partial(self._written, asked),
        )
        written.add_done_callback(partial(_not_written, asked))

    def _written(self, asked: Sequence[_Asked], outcomes: Sequence[Outcome]) -> None:
        for (append, future), outcome in zip(asked, outcomes, strict=True):
            if isinstance(outcome, TertuliaError):
                if not future.done():
                    future.set_exception(outcome)
                continue
            if outcome:
                self.published(append.response_id, outcome)
            if not future.done():
                future.set_result(Appended(append.response_id in self._cancels))

    def _erased(self, response_ids: Sequence[str]) -> None:
        for response_id in response_ids:
            self._cancels.discard(response_id)
            self._hub.reset(response_id)


def _not_written(asked: Sequence[_Asked], written: asyncio.Future[list[Outcome]]) -> None:
    """Tell everybody why the whole job failed, if it did."""
    error = asyncio.CancelledError() if written.cancelled() else written.exception()
    if error is None:
        return
    for _, future in asked:
        if not future.done():
            future.set_exception(error)

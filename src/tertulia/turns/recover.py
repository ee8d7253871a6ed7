"""The one recovery: what died is found in the store and rung for again."""

from __future__ import annotations

import time
from collections.abc import Callable

from tertulia.errors import Unavailable
from tertulia.ports.turns import Swept
from tertulia.telemetry.instruments import SWEEPS, SWEPT
from tertulia.turns.finish import announce
from tertulia.turns.parts import Parts
from tertulia.turns.remove import Remover
from tertulia.turns.submit import ring


class Sweeper:
    """Takes over expired leases, but only after the store has answered for a whole lease without
    error: an outage expires nobody, because nobody could renew during it."""

    def __init__(self, parts: Parts, clock: Callable[[], float] = time.monotonic) -> None:
        self._parts = parts
        self._clock = clock
        self._answering_since: float | None = None

    async def sweep(self) -> Swept | None:
        """One pass; None when the store did not answer."""
        timing = self._parts.timing
        now = self._clock()
        if self._answering_since is None:
            self._answering_since = now
        try:
            swept = await self._parts.store.sweep(
                self._parts.bounds,
                waiting_seconds=timing.waiting,
                take_over=now - self._answering_since >= timing.lease,
                ring_after_seconds=timing.ring_again,
            )
        except Unavailable:
            self._answering_since = None
            SWEEPS.inc("unavailable")
            return None
        SWEEPS.inc("ok")
        await ring(self._parts, self._parts.unrung)
        return await self._told(swept)

    async def resume(self) -> Swept:
        """The first pass of a process that owns its store: everything admitted is rung for now,
        and nobody's waiting time ran out while there was no server.

        Raises:
            Unavailable: the store does not answer.
        """
        swept = await self._parts.store.sweep(
            self._parts.bounds,
            waiting_seconds=float("inf"),
            take_over=True,
            ring_after_seconds=0.0,
        )
        return await self._told(swept)

    async def _told(self, swept: Swept) -> Swept:
        for what, count in (
            ("rung", len(swept.ring)),
            ("taken_over", swept.taken_over),
            ("ended", len(swept.finished)),
        ):
            if count:
                SWEPT.inc(what, by=count)
        self._parts.capacity.told(swept.fleet)
        for finished in swept.finished:
            await announce(self._parts, finished)
        await ring(self._parts, swept.ring)
        return swept

    async def purge(self) -> int:
        """Erase what has outlived its time, in store and log, and what removed users have left; 0
        when they do not answer."""
        timing = self._parts.timing
        try:
            await Remover(self._parts.store, self._parts.log, self._parts.bus).finish_all()
            rows = await self._parts.store.purge(
                ephemeral_seconds=timing.ephemeral,
                undo_seconds=timing.undo,
                feed_history=timing.feed_history,
            )
            return rows + await self._parts.log.purge(timing.log_retention)
        except Unavailable:
            return 0

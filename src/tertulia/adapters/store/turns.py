"""The store's part that the turn pipeline works on, over SQL."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from tertulia.adapters.store.base import SqlBase
from tertulia.adapters.store.journal import Unwritten
from tertulia.adapters.store.scripts import (
    ending,
    erase,
    leases,
    prospects,
    purge,
    reading,
    sweep,
    workers,
)
from tertulia.adapters.store.scripts.backlog import backlog
from tertulia.adapters.store.scripts.files import erase_expired
from tertulia.adapters.store.scripts.item_nodes import find_items
from tertulia.adapters.store.scripts.items import nodes
from tertulia.adapters.store.scripts.purge import Outlived
from tertulia.adapters.store.scripts.records import opened
from tertulia.adapters.store.scripts.submit import submit
from tertulia.domain.admission import Limits
from tertulia.domain.fleet import Report
from tertulia.domain.item import Item, length_of
from tertulia.domain.prospect import Prospect
from tertulia.domain.response import Usage
from tertulia.domain.sent import Sent
from tertulia.errors import Fenced, NotFound
from tertulia.ports.turns import (
    NOTHING,
    Backlog,
    Cancelled,
    Claimed,
    Finished,
    Node,
    Outcome,
    Renewal,
    Submission,
    Submitted,
    Swept,
)

#: Characters beyond which sealing and writing an input or an answer is a heavy job.
HEAVY: Final = 100_000


class SqlTurns(SqlBase):
    """See `ports.turns.Turns`.

    With a co-located log, what only guards a running attempt (claim, renewal) outlives the death
    of the process but not a loss of power: the log that it guards is lost with it, in order.
    """

    async def submit(self, submission: Submission, limits: Limits) -> Submitted:
        sealer = await self._sealer(submission.response.user_id)
        return await self._commit(
            lambda: submit(
                submission, limits, now=self._clock(), sealer=sealer, journal=self._journal
            ),
            heavy=length_of(submission.input) > HEAVY,
        )

    async def claim(self, response_id: str, worker_id: str, lease_seconds: float) -> Claimed | None:
        claim = partial(self._claim, response_id, worker_id, lease_seconds)
        try:
            taken = await claim(fetched=False)
            if isinstance(taken, str):
                await self._sealer(taken)
                taken = await claim(fetched=True)
            if not isinstance(taken, leases.Taken):
                return None
            sealer = await self._sealer(taken.record.user_id)
        except NotFound:  # the user was removed since, and the lease with the row
            return None
        response = taken.response or opened(taken.record, sealer)
        branch = None if taken.items is None else nodes([taken.record], taken.items, sealer)
        return Claimed(response, taken.held, branch, journaled=self._journal is not None)

    async def _claim(
        self, response_id: str, worker_id: str, lease_seconds: float, *, fetched: bool
    ) -> leases.Taken | str | None:
        return await self._commit(
            lambda: leases.claim(
                response_id,
                worker_id,
                lease_seconds,
                now=self._clock(),
                known=self._known,
                journal=self._journal,
                fetched=fetched,
            ),
            durable=self._journal is None,
            overtakes=self._journal is not None,
        )

    async def renew(
        self, worker_id: str, held: Sequence[tuple[str, int]], lease_seconds: float
    ) -> Mapping[str, Renewal]:
        return await self._engine.write(
            lambda: leases.renew(worker_id, held, lease_seconds, now=self._clock()),
            durable=self._journal is None,
        )

    async def cancels(self, worker_id: str) -> Sequence[str]:
        return await self._engine.read(lambda: leases.cancels(worker_id))

    async def finish(self, outcome: Outcome, limits: Limits) -> Finished:
        try:
            return await self._finish(outcome, limits)
        except NotFound:
            raise Fenced(f"The user of {outcome.response_id} was removed.") from None

    async def _finish(self, outcome: Outcome, limits: Limits) -> Finished:
        sealer = await self._sealer(outcome.user_id)
        # What was said last may still wait to be written: it goes with the end.
        unwritten = self._take_back(outcome)
        outcome = replace(outcome, frames=(*unwritten.frames, *outcome.frames))
        try:
            finished = await self._commit(
                lambda: ending.finish(
                    outcome, limits, now=self._clock(), sealer=sealer, journal=self._journal
                ),
                heavy=length_of(outcome.output) > HEAVY,
            )
        except BaseException as error:
            unwritten.settle(error)
            raise
        unwritten.settle(None)
        return finished

    def _take_back(self, outcome: Outcome) -> Unwritten:
        if self._journal is None:
            return Unwritten()
        return self._journal.take_back(outcome.response_id, outcome.attempt)

    async def release(
        self, response_id: str, attempt: int, spent: Usage, lost: Usage = NOTHING
    ) -> None:
        await self._engine.write(
            lambda: leases.release(response_id, attempt, spent, lost, now=self._clock())
        )

    async def request_cancel(self, user_id: str, response_id: str, limits: Limits) -> Cancelled:
        sealer = await self._sealer(user_id)
        return await self._commit(
            lambda: ending.request_cancel(
                response_id, limits, now=self._clock(), sealer=sealer, journal=self._journal
            )
        )

    async def enlist(self, report: Report, lease_seconds: float) -> None:
        await self._engine.write(
            lambda: workers.enlist(report, self._clock() + lease_seconds), durable=False
        )

    async def dismiss(self, worker_id: str) -> None:
        await self._engine.write(lambda: workers.dismiss(worker_id))

    async def void_leases(self) -> int:
        return await self._engine.write(lambda: leases.void_leases(now=self._clock()))

    async def sweep(
        self,
        limits: Limits,
        *,
        waiting_seconds: float,
        take_over: bool,
        ring_after_seconds: float,
    ) -> Swept:
        seen = await self._engine.read(
            lambda: sweep.look(
                now=self._clock(),
                waiting_seconds=waiting_seconds,
                take_over=take_over,
                ring_after_seconds=ring_after_seconds,
            )
        )
        # Each its own transaction, so that one that fails undoes no other; committed as a group.
        ended = await asyncio.gather(*(self._expire(u, r, limits) for r, u in seen.overdue))
        finished = tuple(done for done in ended if done is not None)
        if not seen.work:
            return Swept((), finished, 0, seen.fleet)
        ring, taken_over = await self._engine.write(
            lambda: sweep.restore(
                limits,
                now=self._clock(),
                take_over=take_over,
                ring_after_seconds=ring_after_seconds,
            )
        )
        return Swept(ring, finished, taken_over, seen.fleet)

    async def _expire(self, user_id: str, response_id: str, limits: Limits) -> Finished | None:
        try:
            sealer = await self._sealer(user_id)
            return await self._commit(
                lambda: ending.expire(
                    response_id, limits, now=self._clock(), sealer=sealer, journal=self._journal
                )
            )
        except NotFound:  # the user was removed since
            return None

    async def get(self, user_id: str, response_id: str) -> Node:
        sealer = await self._sealer(user_id)
        return await self._engine.read(lambda: reading.get(response_id, sealer=sealer))

    async def place(self, user_id: str, response_id: str, limits: Limits) -> Prospect | None:
        return await self._engine.read(lambda: prospects.place(user_id, response_id, limits))

    async def backlog(self) -> Backlog:
        return await self._engine.read(lambda: backlog(self._clock()))

    async def branch(self, user_id: str, response_id: str) -> Sequence[Node]:
        sealer = await self._sealer(user_id)
        return await self._engine.read(
            lambda: reading.branch(response_id, sealer=sealer), heavy=True
        )

    async def find_items(self, user_id: str, item_ids: Sequence[str]) -> Mapping[str, Item]:
        if not item_ids:
            return {}
        sealer = await self._sealer(user_id)
        return await self._engine.read(lambda: find_items(item_ids, sealer=sealer))

    async def sent(self, user_id: str, response_id: str) -> Sent | None:
        sealer = await self._sealer(user_id)
        return await self._engine.read(lambda: reading.sent(response_id, sealer=sealer))

    async def delete(self, user_id: str, response_id: str) -> None:
        sealer = await self._sealer(user_id)
        await self._commit(
            lambda: erase.delete_response(response_id, now=self._clock(), sealer=sealer)
        )

    async def erase_connection(self, connection_id: str) -> int:
        if not connection_id:
            return 0
        return await self._engine.write(
            lambda: purge.erase_connection(connection_id, self._clock())
        )

    async def purge(
        self, *, ephemeral_seconds: float, undo_seconds: float, feed_history: int
    ) -> int:
        now = self._clock()
        total = await self._engine.write(lambda: purge.forget_keys(now))
        total += await self._engine.write(lambda: workers.forget_gone(now))
        while expired := await self._engine.write(lambda: erase_expired(now), heavy=True):
            total += expired
        while True:
            found = await self._engine.read(
                lambda: purge.look(
                    ephemeral_before=now - ephemeral_seconds,
                    deleted_before=now - undo_seconds,
                    feed_history=feed_history,
                )
            )
            erased = await self._erase(found, now, now - undo_seconds, feed_history)
            if not erased:
                return total
            total += erased

    async def _erase(
        self, found: Outlived, now: float, deleted_before: float, feed_history: int
    ) -> int:
        """One batch, each conversation and each feed in a transaction of its own."""
        erased = 0
        if found.ephemeral:
            erased = await self._engine.write(
                lambda: purge.erase_ephemeral(found.ephemeral, now), heavy=True
            )
        for conversation_id, user_id in found.deleted:
            try:
                sealer = await self._sealer(user_id)
                erased += await self._engine.write(
                    partial(
                        purge.erase_conversation,
                        conversation_id,
                        deleted_before=deleted_before,
                        now=now,
                        sealer=sealer,
                    ),
                    heavy=True,
                )
            except NotFound:  # the user was removed since, and this goes with the rest of theirs
                continue
        for user_id in found.long_feeds:
            erased += await self._engine.write(
                partial(purge.cut_feed, user_id, feed_history), heavy=True
            )
        return erased

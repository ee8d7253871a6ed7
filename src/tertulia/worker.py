"""The worker: hears the doorbell, claims, runs attempts, keeps their leases, sweeps."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from tertulia.domain.ids import WORKER, new_id
from tertulia.errors import TertuliaError, Unavailable
from tertulia.turns.generate import Attempt, Stop
from tertulia.turns.parts import Parts
from tertulia.turns.recover import Sweeper
from tertulia.turns.remember import entitle, wants_title

log = structlog.get_logger(__name__)

#: Seconds between purges, and before listening again after the queue failed.
PURGE_SECONDS, QUEUE_PAUSE = 60.0, 1.0


class Worker:
    """Runs up to ``parts.limits.capacity`` attempts at once in this process."""

    def __init__(self, parts: Parts, worker_id: str | None = None) -> None:
        self._parts = parts
        self.id = worker_id or new_id(WORKER)
        self._slots = asyncio.Semaphore(parts.limits.capacity)
        self._attempts: dict[str, Attempt] = {}
        self._turns: set[asyncio.Task[None]] = set()
        self._after: set[asyncio.Task[object]] = set()
        self._loops: list[asyncio.Task[None]] = []
        self._sweeper = Sweeper(parts)

    @property
    def running(self) -> int:
        """Attempts under way."""
        return len(self._attempts)

    async def resume(self) -> None:
        """Take up at once what an earlier process left. Only for the one process that owns its
        store: all leases in it are void."""
        voided = await self._parts.store.void_leases()
        if voided:
            log.info("leases_voided", count=voided)
        await self._sweeper.resume()

    def start(self) -> None:
        """Begin listening, renewing and sweeping."""
        timing = self._parts.timing
        self._loops = [
            asyncio.create_task(self._listen(), name="listen"),
            self._every(timing.renew, self._renew),
            self._every(timing.cancel_check, self._look_for_cancels),
            self._every(timing.sweep, self._sweeper.sweep),
            self._every(PURGE_SECONDS, self._sweeper.purge),
        ]

    async def stop(self) -> None:
        """Stop listening, let attempts finish within the grace time, hand the others over."""
        for loop in self._loops[:1]:
            loop.cancel()
        for unfinished in (self._turns, self._after):
            if unfinished:
                await asyncio.wait(unfinished, timeout=self._parts.timing.grace)
        for attempt in list(self._attempts.values()):
            attempt.stop(Stop.HANDOVER)
        if self._turns:
            await asyncio.wait(self._turns, timeout=self._parts.timing.lease)
        for task in (*self._loops, *self._turns, *self._after):
            task.cancel()
        await asyncio.gather(*self._loops, *self._turns, *self._after, return_exceptions=True)

    # --- listening ---------------------------------------------------------------------------

    async def _listen(self) -> None:
        while True:
            await self._slots.acquire()
            try:
                doorbell = await self._parts.queue.take()
            except Unavailable as error:
                self._slots.release()
                log.warning("queue_unavailable", code=error.code)
                await asyncio.sleep(QUEUE_PAUSE * random.uniform(0.5, 1.5))  # noqa: S311
                continue
            except BaseException:
                self._slots.release()
                raise
            turn = asyncio.create_task(self._turn(doorbell.response_id, doorbell.acknowledge))
            self._turns.add(turn)
            turn.add_done_callback(self._turn_ended)

    def _turn_ended(self, turn: asyncio.Task[None]) -> None:
        self._turns.discard(turn)
        self._slots.release()
        if not turn.cancelled() and (error := turn.exception()) is not None:
            # A bug. The lease expires, which counts as a crash; after three the response ends.
            log.error("turn_crashed", error=type(error).__name__, exc_info=error)

    async def _turn(self, response_id: str, acknowledge: Callable[[], Awaitable[None]]) -> None:
        parts = self._parts
        try:
            claimed = await parts.store.claim(response_id, self.id, parts.timing.lease)
        except Unavailable:
            return  # unacknowledged: heard again, or rung again by the sweeper
        await acknowledge()
        if claimed is None:
            return
        response = claimed.response
        attempt = self._attempts[response_id] = Attempt(parts, claimed)
        log.debug("turn_started", response_id=response_id, attempt=response.attempt)
        try:
            finished = await attempt.run()
        finally:
            if self._attempts.get(response_id) is attempt:
                del self._attempts[response_id]
        if finished is None:
            log.info("turn_left", response_id=response_id, attempt=response.attempt)
            return
        ended = finished.response
        usage = ended.usage
        log.info(
            "turn_ended",
            response_id=response_id,
            attempt=response.attempt,
            status=ended.status,
            error=ended.error.code if ended.error else None,
            input_tokens=usage.input_tokens if usage else 0,
            output_tokens=usage.output_tokens if usage else 0,
        )
        if wants_title(ended, attempt.asked):
            after: asyncio.Task[object] = asyncio.create_task(entitle(parts, ended))
            self._after.add(after)
            after.add_done_callback(self._after.discard)

    # --- keeping -----------------------------------------------------------------------------

    def _every(self, seconds: float, act: Callable[[], Awaitable[object]]) -> asyncio.Task[None]:
        async def loop() -> None:
            while True:
                try:
                    await act()
                except TertuliaError as error:
                    log.warning("upkeep_failed", task=act.__name__, code=error.code)
                except Exception:  # a bug must not end the renewals
                    log.exception("upkeep_crashed", task=act.__name__)
                await asyncio.sleep(seconds)

        return asyncio.create_task(loop(), name=getattr(act, "__name__", "upkeep"))

    async def _renew(self) -> None:
        held = [(a.response.id, a.response.attempt) for a in self._attempts.values()]
        if not held:
            return
        answers = await self._parts.store.renew(self.id, held, self._parts.timing.lease)
        for response_id, attempt_number in held:
            attempt = self._attempts.get(response_id)
            renewal = answers.get(response_id)
            if attempt is None or attempt.response.attempt != attempt_number or renewal is None:
                continue
            if not renewal.held:
                attempt.stop(Stop.LOST)
            elif renewal.cancel_requested:
                attempt.stop(Stop.CANCELLED)

    async def _look_for_cancels(self) -> None:
        if not self._attempts:
            return
        for response_id in await self._parts.store.cancels(self.id):
            attempt = self._attempts.get(response_id)
            if attempt is not None:
                attempt.stop(Stop.CANCELLED)

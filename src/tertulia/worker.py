"""The worker: hears the doorbell, claims, runs attempts, keeps their leases."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from tertulia.domain.fleet import Report
from tertulia.domain.ids import WORKER, new_id
from tertulia.errors import Unavailable
from tertulia.telemetry.instruments import ATTEMPTS, CLAIMS, RUNNING, SLOTS
from tertulia.turns.generate import Attempt, Stop
from tertulia.turns.parts import Parts
from tertulia.turns.remember import entitle, wants_title
from tertulia.turns.upkeep import Upkeep, every

log = structlog.get_logger(__name__)

#: Seconds before listening again after the queue has failed, or the store.
PAUSE = 1.0
#: Rings that are waited for at once: with one only, whoever rings in the same moment would wait for
#: the broker to be asked again.
LISTENERS = 8


class Worker:
    """Runs up to ``parts.limits.capacity`` attempts at once in this process."""

    def __init__(self, parts: Parts, worker_id: str | None = None) -> None:
        self._parts = parts
        self.id = worker_id or new_id(WORKER)
        self._slots = asyncio.Semaphore(parts.limits.capacity)
        #: Who listens with the only slot there is looks now and then for what was not rung for.
        self._patience = parts.timing.sweep if parts.limits.capacity == 1 else None
        self._attempts: dict[str, Attempt] = {}
        self._turns: set[asyncio.Task[None]] = set()
        self._after: set[asyncio.Task[object]] = set()
        self._listeners: list[asyncio.Task[None]] = []
        #: Slots that doorbells are taken for; none once it was told to stop.
        self._offered = 0
        self._loops: list[asyncio.Task[None]] = []
        #: Tells the other nodes that this worker is there.
        self._enlisting: asyncio.Task[None] | None = None
        self._upkeep = Upkeep(parts)
        #: Whether the store did not answer when it was last asked: then nothing is taken.
        self._store_away = False
        self._asking = asyncio.Lock()

    @property
    def running(self) -> int:
        """Attempts under way."""
        return len(self._attempts)

    @property
    def pausing(self) -> bool:
        """Whether it takes nothing, since the store does not answer."""
        return self._store_away

    async def resume(self) -> None:
        """Take up at once what an earlier process left. Only for the one process that owns its
        store: all leases in it are void."""
        voided = await self._parts.store.void_leases()
        if voided:
            log.info("leases_voided", count=voided)
        await self._upkeep.sweeper.resume()

    def start(self) -> None:
        """Begin listening, renewing and sweeping."""
        self._offered = self._parts.limits.capacity
        SLOTS.inc(by=self._offered)
        timing = self._parts.timing
        # Not so many that they held all slots: what is not rung for needs one, too.
        count = max(1, min(LISTENERS, self._parts.limits.capacity // 4))
        self._listeners = [asyncio.create_task(self._listen(), name="listen") for _ in range(count)]
        self._loops = [
            every(timing.renew, self._renew),
            every(timing.cancel_check, self._look_for_cancels),
            every(timing.sweep, self._take_unrung),
        ]
        if self._parts.capacity.shared:
            self._enlisting = every(timing.renew, self._enlist)
        self._upkeep.start()

    def cancel(self, response_id: str) -> None:
        """Somebody has asked for the end of this response; nothing happens if it is another's."""
        attempt = self._attempts.get(response_id)
        if attempt is not None:
            attempt.stop(Stop.CANCELLED)

    async def stop(self) -> None:
        """Stop listening, let attempts finish within the grace time, hand the others over."""
        SLOTS.dec(by=self._offered)
        self._offered = 0
        for listener in self._listeners:
            listener.cancel()
        if self._enlisting is not None:
            self._enlisting.cancel()
            with suppress(Unavailable):  # then it drops out after a lease
                await self._parts.store.dismiss(self.id)
        for unfinished in (self._turns, self._after):
            if unfinished:
                await asyncio.wait(unfinished, timeout=self._parts.timing.grace)
        for attempt in list(self._attempts.values()):
            attempt.stop(Stop.HANDOVER)
        if self._turns:
            await asyncio.wait(self._turns, timeout=self._parts.timing.lease)
        ending = (*self._listeners, *self._loops, *self._turns, *self._after)
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        await self._upkeep.stop()

    # --- listening ---------------------------------------------------------------------------

    async def _listen(self) -> None:
        while True:
            await self._slots.acquire()
            try:
                if self._store_away:
                    await self._until_the_store_answers()
                if self._parts.unrung:
                    self._begin(self._parts.unrung.pop(), _nobody_waits)
                    continue
                async with asyncio.timeout(self._patience):
                    doorbell = await self._parts.queue.take()
            except TimeoutError:
                self._slots.release()
                continue
            except Unavailable as error:
                self._slots.release()
                log.warning("queue_unavailable", code=error.code)
                await asyncio.sleep(_some(PAUSE))
                continue
            except BaseException:
                self._slots.release()
                raise
            self._begin(doorbell.response_id, doorbell.acknowledge)

    async def _until_the_store_answers(self) -> None:
        """What is taken meanwhile could not be claimed, and would be missing elsewhere. One asks
        for all listeners."""
        async with self._asking:
            if not self._store_away:
                return
            log.warning("store_unavailable", effect="nothing is taken from the queue")
            while self._store_away:
                await asyncio.sleep(_some(PAUSE))
                with suppress(Unavailable):
                    await self._parts.store.ping()
                    self._store_away = False
            log.info("store_answers", effect="the queue is listened to again")

    async def _take_unrung(self) -> None:
        """What this process could not ring for, it takes itself: with the broker away a worker
        goes on with whatever its own sweeps find."""
        while self._parts.unrung and not self._slots.locked() and not self._store_away:
            response_id = self._parts.unrung.pop()
            await self._slots.acquire()
            self._begin(response_id, _nobody_waits)

    def _begin(self, response_id: str, acknowledge: Callable[[], Awaitable[None]]) -> None:
        """Start a turn in the slot that was acquired for it."""
        turn = asyncio.create_task(self._turn(response_id, acknowledge))
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
            self._store_away = True
            return  # unacknowledged: heard again, or rung again by the sweeper
        await acknowledge()
        if claimed is None:
            CLAIMS.inc("none")
            return
        CLAIMS.inc("first" if claimed.response.attempt == 1 else "later")
        response = claimed.response
        clock = asyncio.get_running_loop().time
        begun = clock()
        attempt = self._attempts[response_id] = Attempt(parts, claimed, self.id)
        log.debug(
            "turn_started",
            response_id=response_id,
            attempt=response.attempt,
            worker_id=self.id,
        )
        RUNNING.inc()
        how = "crashed"
        try:
            finished = await attempt.run()
            how = "left" if finished is None else "ended"
        finally:
            RUNNING.dec()
            ATTEMPTS.inc(how)
            if self._attempts.get(response_id) is attempt:
                del self._attempts[response_id]
        if finished is None:
            log.info(
                "turn_left",
                response_id=response_id,
                attempt=response.attempt,
                worker_id=self.id,
            )
            return
        parts.capacity.took(clock() - begun)
        ended = finished.response
        usage = ended.usage
        log.info(
            "turn_ended",
            response_id=response_id,
            attempt=response.attempt,
            worker_id=self.id,
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

    async def _enlist(self) -> None:
        parts = self._parts
        report = Report(self.id, parts.limits.capacity, parts.capacity.turn_seconds)
        await parts.store.enlist(report, parts.timing.lease)

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
            self.cancel(response_id)


async def _nobody_waits() -> None:
    """The acknowledgement of what no queue has delivered."""


def _some(seconds: float) -> float:
    """About so many, so that a fleet does not come back in one moment."""
    return seconds * random.uniform(0.5, 1.5)  # noqa: S311

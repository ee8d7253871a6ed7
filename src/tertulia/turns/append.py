"""From text to frames in the log: coalesced, in order, and never lost by a log that falters."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from tertulia.domain.frame import Frame
from tertulia.domain.response import Response
from tertulia.errors import Fenced, Unavailable
from tertulia.ports.eventlog import Appended, EventLog
from tertulia.telemetry.instruments import MENDS
from tertulia.turns.pace import TIMER_RESOLUTION, Pace

#: Seconds between tries while the log does not answer: first, and at most.
RETRY_FIRST, RETRY_MOST = 0.1, 5.0
#: Deltas' worth of text that may wait for the delta before to be written.
HELD = 16
#: Appends under way beyond which the model is read no further.
CROWDED = 64
#: A model is slow whose last so many reads each brought no more than so many chunks.
SLOW_READS, SLOW_CHUNKS = 4, 16

Key = tuple[str, int]


class Coalescer:
    """Gathers text of one kind into deltas: the first at once, then when ``pace`` says so or at
    ``max_bytes`` of UTF-8, whichever is sooner. `end` must end it.

    While ``busy`` says that the delta before is still being written, text waits for it, up to
    `HELD` times ``max_bytes``: too much load then makes deltas longer, not their queue.
    """

    def __init__(
        self,
        emit: Callable[[Key, str], None],
        *,
        pace: Pace,
        max_bytes: int,
        busy: Callable[[], bool] = lambda: False,
    ) -> None:
        self._emit = emit
        self._busy = busy
        self._pace = pace
        self._place = pace.enter()
        self._max_bytes = max_bytes
        self._loop = asyncio.get_running_loop()
        self._key: Key = ("", 0)
        self._texts: list[str] = []
        self._bytes = 0
        self._due = float("-inf")
        self._slow_reads = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, key: Key, text: str) -> None:
        """More text of the kind ``key``; another kind flushes what was gathered."""
        if not text:
            return
        if key != self._key:
            self.flush()
            self._key = key
        self._texts.append(text)
        self._bytes += len(text) if text.isascii() else len(text.encode())
        if self._bytes >= self._max_bytes or self._loop.time() + TIMER_RESOLUTION >= self._due:
            self._flush_unless_busy()
        elif self._timer is None:
            self._timer = self._loop.call_at(self._due, self._tick)

    def _flush_unless_busy(self) -> None:
        if not self._busy() or self._bytes >= HELD * self._max_bytes:
            self.flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(self._look_again, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._flush_unless_busy()

    def rest(self, chunks: int) -> asyncio.Future[None] | None:
        """When more of a model is worth reading, after a read that brought ``chunks``; None: now.

        What a slow model says before the next flush would only be gathered: read then, it comes
        with one read instead of one for every token. A fast one is read as fast as it can be.
        """
        if chunks > SLOW_CHUNKS:
            self._slow_reads = 0
            return None
        self._slow_reads += 1
        if self._slow_reads < SLOW_READS:
            return None
        now = self._loop.time()
        if not self._texts:
            return self._pace.moment(self._due) if self._due > now else None
        # What has been gathered goes with what is read then, or without, should nothing come; and
        # if it waits for the delta before, that is looked at a little later.
        until = max(self._due, now + self._look_again)
        self._stop_clock()
        self._timer = self._loop.call_at(until + self._look_again, self._tick)
        return self._pace.moment(until)

    def flush(self) -> None:
        """Emit what was gathered, now."""
        self._stop_clock()
        if not self._texts:
            return
        text, self._texts, self._bytes = "".join(self._texts), [], 0
        self._due = self._pace.next_flush(self._loop.time(), self._place)
        self._emit(self._key, text)

    @property
    def _look_again(self) -> float:
        return self._pace.interval / 3

    def end(self) -> None:
        """Emit what was gathered; nothing more is added after it."""
        try:
            self.flush()
        finally:
            self._pace.leave()

    def _stop_clock(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class LogWriter:
    """Appends one attempt's frames in order, several appends under way at once.

    While the log does not answer, frames wait here and are appended again in their order; reading
    of the model pauses when too many wait (`crowded`). A log that was lost is begun anew with all
    frames of the response, same bytes and same numbers, once ``confirm`` says that the store
    still knows this attempt.
    """

    def __init__(
        self,
        log: EventLog,
        response: Response,
        held: Sequence[Frame],
        *,
        confirm: Callable[[], Awaitable[bool]],
        on_cancel: Callable[[], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._log = log
        self._of = (response.user_id, response.id, response.attempt)
        self._confirm = confirm
        self._on_cancel = on_cancel
        self._on_lost = on_lost
        #: Acknowledged frames, those of earlier attempts first.
        self._kept: list[Frame] = list(held)
        self._waiting: deque[Sequence[Frame]] = deque()
        #: Set while frames are sent again as one batch; nothing else is sent meanwhile.
        self._again: asyncio.Task[None] | None = None
        self._settled = asyncio.Event()
        self._settled.set()
        self._error: BaseException | None = None
        #: Whom to tell once the frame of this number is acknowledged.
        self._told: tuple[int, Callable[[], None]] | None = None

    def tell(self, frames: Sequence[Frame], then: Callable[[], None]) -> None:
        """Call ``then`` once the log holds ``frames``, which are put next."""
        self._told = (frames[-1].sequence_number, then)

    @property
    def kept(self) -> Sequence[Frame]:
        """All frames that the log has acknowledged, those of earlier attempts first."""
        return self._kept

    @property
    def busy(self) -> bool:
        """Whether frames were put that are not yet acknowledged."""
        return bool(self._waiting)

    @property
    def crowded(self) -> bool:
        return len(self._waiting) >= CROWDED

    def put(self, frames: Sequence[Frame]) -> None:
        """Append ``frames`` after all put before; returns at once."""
        if not frames or self._error is not None:
            return
        self._waiting.append(frames)
        self._settled.clear()
        if self._again is None:
            future = asyncio.ensure_future(self._log.append(*self._of, frames))
            future.add_done_callback(partial(self._answered, frames))

    @property
    def mending(self) -> bool:
        """Whether an append has failed, and is made up for."""
        return self._again is not None

    async def through(self, frames: Sequence[Frame]) -> None:
        """Append ``frames``, and wait until they and all put before are acknowledged.

        Raises:
            Fenced: another attempt holds the log.
        """
        self.put(frames)
        await self.drain()

    async def drain(self) -> None:
        """Wait until every frame put is acknowledged.

        Raises:
            Fenced: another attempt holds the log.
        """
        await self._settled.wait()
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Give up what is not yet acknowledged."""
        if self._again is not None:
            self._again.cancel()

    def _answered(self, frames: Sequence[Frame], done: asyncio.Future[Appended]) -> None:
        error = asyncio.CancelledError() if done.cancelled() else done.exception()
        if error is None:
            self._acknowledged(frames, done.result())
        elif isinstance(error, Unavailable) or _is_lost(error):
            # Appends under way after it fail too: the log refuses a gap. One task mends them all.
            if self._again is None and self._error is None:
                MENDS.inc()
                self._again = asyncio.create_task(self._mend(restore=_is_lost(error)))
        else:
            self._failed(error)

    def _acknowledged(self, frames: Sequence[Frame], appended: Appended) -> None:
        """The log holds everything up to the last of ``frames``."""
        through = frames[-1].sequence_number
        while self._waiting and self._waiting[0][-1].sequence_number <= through:
            self._kept += self._waiting.popleft()
        if not self._waiting:
            self._settled.set()
        if self._told is not None and through >= self._told[0]:
            then, self._told = self._told[1], None
            then()
        if appended.cancel_requested:
            self._on_cancel()

    def _failed(self, error: BaseException) -> None:
        self._error = error
        self._settled.set()
        if isinstance(error, Fenced):
            self._on_lost()

    # --- mending -----------------------------------------------------------------------------

    async def _mend(self, *, restore: bool) -> None:
        """Try until the log holds all that waits, or another attempt holds the log."""
        pause = RETRY_FIRST
        try:
            while self._waiting:
                if not restore:
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, RETRY_MOST)
                frames = [f for batch in self._waiting for f in batch]
                try:
                    if restore:
                        await self._begin_anew()
                        frames = [*self._kept, *frames]
                    appended = await self._log.append(*self._of, frames)
                except Unavailable:
                    restore = False
                except Fenced as error:
                    if restore or not _is_lost(error):
                        raise
                    restore = True
                else:
                    self._acknowledged(frames, appended)
                    restore, pause = False, 0.0
        except Exception as error:  # noqa: BLE001 - whatever it is, the attempt hears of it
            self._failed(error)
        finally:
            self._again = None

    async def _begin_anew(self) -> None:
        if not await self._confirm():
            raise Fenced(f"the store no longer knows this attempt of {self._of[1]}")
        await self._log.open(*self._of)


def _is_lost(error: BaseException | None) -> bool:
    return isinstance(error, Fenced) and error.code == "log_lost"

"""From text to frames in the log: coalesced, in order, and never lost by a log that falters."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from tertulia.domain.frame import Frame
from tertulia.errors import Fenced, Unavailable
from tertulia.ports.eventlog import Appended, EventLog

#: Seconds between tries while the log does not answer: first, and at most.
RETRY_FIRST, RETRY_MOST = 0.1, 5.0
#: Appends under way beyond which the model is read no further.
CROWDED = 64

Key = tuple[str, int]


class Coalescer:
    """Gathers text of one kind into deltas: the first at once, then ``interval`` seconds after
    the last flush or at ``max_bytes`` of UTF-8, whichever is sooner."""

    def __init__(
        self, emit: Callable[[Key, str], None], *, interval: float, max_bytes: int
    ) -> None:
        self._emit = emit
        self._interval = interval
        self._max_bytes = max_bytes
        self._loop = asyncio.get_running_loop()
        self._key: Key = ("", 0)
        self._texts: list[str] = []
        self._bytes = 0
        self._flushed_at = float("-inf")
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
        due = self._flushed_at + self._interval
        if self._bytes >= self._max_bytes or self._loop.time() >= due:
            self.flush()
        elif self._timer is None:
            self._timer = self._loop.call_at(due, self.flush)

    def flush(self) -> None:
        """Emit what was gathered, now."""
        self.close()
        if not self._texts:
            return
        text, self._texts, self._bytes = "".join(self._texts), [], 0
        self._flushed_at = self._loop.time()
        self._emit(self._key, text)

    def close(self) -> None:
        """Stop the clock; what was gathered and not flushed is dropped with this object."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class LogWriter:
    """Appends one attempt's frames in order, several appends under way at once.

    While the log does not answer, frames wait here and are appended again in their order; reading
    of the model pauses when too many wait (`room`).
    """

    def __init__(
        self,
        log: EventLog,
        user_id: str,
        response_id: str,
        attempt: int,
        *,
        on_cancel: Callable[[], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._log = log
        self._of = (user_id, response_id, attempt)
        self._on_cancel = on_cancel
        self._on_lost = on_lost
        self._unacknowledged: deque[Sequence[Frame]] = deque()
        self._retrying = 0
        self._pause = RETRY_FIRST
        self._settled = asyncio.Event()
        self._settled.set()
        self._timer: asyncio.TimerHandle | None = None
        self._error: BaseException | None = None

    @property
    def crowded(self) -> bool:
        return len(self._unacknowledged) >= CROWDED

    def put(self, frames: Sequence[Frame]) -> None:
        """Append ``frames`` after all put before; returns at once."""
        if not frames or self._error is not None:
            return
        self._unacknowledged.append(frames)
        self._settled.clear()
        if not self._retrying:
            self._send(frames, 1)

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
        if self._timer is not None:
            self._timer.cancel()

    # --- sending -----------------------------------------------------------------------------

    def _send(self, frames: Sequence[Frame], batches: int) -> None:
        future = asyncio.ensure_future(self._log.append(*self._of, frames))
        future.add_done_callback(lambda done: self._answered(done, batches))

    def _answered(self, done: asyncio.Future[Appended], batches: int) -> None:
        error = asyncio.CancelledError() if done.cancelled() else done.exception()
        if error is None:
            for _ in range(min(batches, len(self._unacknowledged))):
                self._unacknowledged.popleft()
            if self._retrying:
                self._retrying, self._pause = 0, RETRY_FIRST
                if self._unacknowledged:
                    self._again()
            if not self._unacknowledged:
                self._settled.set()
            if done.result().cancel_requested:
                self._on_cancel()
        elif isinstance(error, Unavailable):
            # Later appends under way fail too: the log refuses a gap. One retry carries them all.
            if not self._timer:
                self._retrying += 1
                self._timer = asyncio.get_running_loop().call_later(self._pause, self._again)
                self._pause = min(self._pause * 2, RETRY_MOST)
        else:
            self._error = error
            self._settled.set()
            if isinstance(error, Fenced):
                self._on_lost()

    def _again(self) -> None:
        self._timer = None
        if self._error is None and self._unacknowledged:
            self._retrying = max(1, self._retrying)
            frames = [f for batch in self._unacknowledged for f in batch]
            self._send(frames, len(self._unacknowledged))

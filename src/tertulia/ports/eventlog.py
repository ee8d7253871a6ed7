"""The event log: the frames of each response, for replay and for the tail.

Durable before visible: no reader sees a frame before it is as durable as the backend makes it.
The log may lose everything (the store is the truth), but never shows a gap: a reader sees frames
in the order of their numbers, each once, or is told that its position is lost.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from tertulia.domain.frame import Frame


@dataclass(frozen=True, slots=True)
class Appended:
    #: A hint that `signal_cancel` was called; the store's row is the truth.
    cancel_requested: bool


class Subscription(Protocol):
    """A reader's place in one log: replay first, then the tail."""

    @property
    def exists(self) -> bool:
        """False while the log holds nothing for this response (expired, lost, not begun)."""
        ...

    @property
    def at_hand(self) -> bool:
        """True when `fill` would have nothing to do: what is to be taken now can be taken."""
        ...

    def take(self, max_frames: int = 1024) -> Sequence[Frame]:
        """The next frames, without waiting; empty when there is nothing new.

        Raises:
            PositionLost: the log was replaced and does not hold this reader's position.
        """
        ...

    async def fill(self) -> None:
        """Make the next frames available to `take` (may read from the backend). Call after a
        wake and before `take`; returns at once when they are at hand.

        Raises:
            PositionLost: as `take`.
            Unavailable: the backend does not answer; call it again.
        """
        ...

    def close(self) -> None: ...


class EventLog(Protocol):
    async def open(self, user_id: str, response_id: str, attempt: int) -> Sequence[Frame]:
        """Raise the fence to ``attempt`` and give all frames held; begins the log if there is
        none. To be called only after the store has confirmed attempt and lease. After it
        returns, no append of a lower attempt can succeed, so what it gave is the exact prefix.

        Raises:
            Fenced: a higher attempt has opened it.
        """
        ...

    def append(
        self, user_id: str, response_id: str, attempt: int, frames: Sequence[Frame]
    ) -> Awaitable[Appended]:
        """Append frames (at least one), in the order of the calls; calls may overlap. Must be
        called on the event loop; the awaitable need not be awaited for the append to happen.

        All or nothing per call. Appending frames the log already holds (same numbers) is a
        no-op for those. A terminal frame closes the log.

        Raises:
            Fenced: a higher attempt has opened the log, it ended (code ``log_ended``), or it is
                gone (``log_lost``): only `open` begins a log.
            TooLarge: the log holds as much of this response as it may. The frames that end an
                answer are taken nevertheless.
            Unavailable: not durable, not visible; or frames before these are missing, since
                their append failed. The caller may append the same frames again, those first.
        """
        ...

    async def subscribe(
        self,
        user_id: str,
        response_id: str,
        after: int | None,
        wake: Callable[[], None],
    ) -> Subscription:
        """A reader from after number ``after`` (None: from the start). ``wake`` is called on the
        event loop when `take` may have more, once until `take` is called again; it must not
        block. Foreign responses look like ones without a log.

        Raises:
            PositionLost: the log is there and does not hold ``after``, or it is gone and
                ``after`` is not None.
        """
        ...

    async def signal_cancel(self, response_id: str) -> None:
        """Make the next `append` tell of the cancellation. Best effort."""
        ...

    async def drop(self, response_ids: Sequence[str]) -> None:
        """Erase the logs of these responses now."""
        ...

    async def purge(self, retention_seconds: float) -> int:
        """Erase logs that ended, or were last written, longer ago. How many."""
        ...

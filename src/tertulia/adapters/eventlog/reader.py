"""One reader of a window of the hub."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from tertulia.adapters.eventlog.admit import position_lost
from tertulia.domain.frame import Frame
from tertulia.errors import PositionLost

if TYPE_CHECKING:
    from tertulia.adapters.eventlog.hub import Window

_number: Final = attrgetter("sequence_number")


class Reader:
    """A `Subscription`."""

    def __init__(self, window: Window, after: int | None, wake: Callable[[], None]) -> None:
        self._window = window
        self._position = after
        self._wake = wake
        self._drained = True
        #: Index of the next frame, counted as the window's offset is, in this generation of it.
        self._next = -1
        self._generation = window.generation
        #: Frames read from the backend, while we are before the window.
        self._replay: Sequence[Frame] = ()
        window.readers.add(self)

    @property
    def exists(self) -> bool:
        return self._window.exists

    @property
    def at_hand(self) -> bool:
        window = self._window
        known = self._generation == window.generation
        return known and window.whole and self._next >= window.offset

    def take(self, max_frames: int = 1024) -> Sequence[Frame]:
        self._drained = True
        at = self._find()
        if self._replay:
            frames, self._replay = self._replay[:max_frames], self._replay[max_frames:]
        elif at is not None:
            frames = self._window.frames[at : at + max_frames]
            self._next = self._window.offset + at + len(frames)
        else:
            return ()
        if frames:
            self._position = frames[-1].sequence_number
        return frames

    async def fill(self) -> None:
        window = self._window
        try:
            await window.refresh()
        except BaseException:
            self._drained = True  # nothing will be taken: whatever comes next is told
            raise
        if self._find() is not None or self._replay or not window.exists:
            return
        generation = window.generation
        loaded = await window.hub.source.after(window.user_id, window.response_id, self._position)
        if generation != window.generation:  # erased meanwhile: what it is now has to be seen
            return
        if loaded is None:
            raise position_lost(window.response_id, self._position)
        # The backend may be ahead of what has been published: that comes by the window.
        newest = window.frames[-1].sequence_number
        self._replay = [f for f in loaded if f.sequence_number <= newest]

    async def begin(self) -> None:
        """Raises `PositionLost` when there is nothing to go on from."""
        try:
            await self._begin()
        except PositionLost:
            # Another node may have shown this reader what has not been published here yet.
            if not self._window.expect(self._position):
                raise
            await self._begin()

    async def _begin(self) -> None:
        await self.fill()
        if self._position is not None and not self.exists:
            raise position_lost(self._window.response_id, self._position)

    def close(self) -> None:
        if self in self._window.readers:
            self._window.leave(self)

    def stir(self) -> None:
        """There may be more. Tells the reader once until it takes again."""
        if self._drained:
            self._drained = False
            self._wake()

    def _find(self) -> int | None:
        """Where the next frame is in the window; None: before it, or there is no log.

        Raises:
            PositionLost: the log is there and does not hold this reader's position.
        """
        window, position = self._window, self._position
        if self._generation != window.generation:
            self._generation, self._next, self._replay = window.generation, -1, ()
        if self._next >= window.offset:
            return self._next - window.offset
        if not window.frames:
            return None
        if position is None:
            at = 0 if window.offset == 0 else None
        elif position < window.frames[0].sequence_number and window.offset:
            at = None
        else:
            at = bisect_left(window.frames, position, key=_number)
            if at == len(window.frames) or window.frames[at].sequence_number != position:
                raise position_lost(window.response_id, position)
            at += 1
        return at

"""Fan-out within one process: a window of recent frames per response, shared by its readers.

A reader is a position, not a queue: it takes its frames out of the window, so that a frame is
opened once and kept once whatever the number of readers. A reader that has fallen behind the
window reads the backend at its own pace (`fill`) until it is back in it. A response nobody reads
costs nothing: its window is made by the first reader and goes with the last. Only the beginnings
of the latest responses are kept for a moment: their first reader comes right behind them.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from tertulia.adapters.eventlog.reader import Reader
from tertulia.domain.frame import Frame, follows

#: What a frame costs beside its data: the objects around it.
_FRAME_OVERHEAD: Final = 200
#: How many beginnings are kept, and how large one may become.
_BEGINNINGS, _BEGINNING_BYTES = 256, 16 << 10


class Source(Protocol):
    """What the hub reads of a backend. A user's foreign responses are as good as no log."""

    async def newest(self, user_id: str, response_id: str) -> tuple[Sequence[Frame], bool]:
        """The last frames of the log in their order, and whether others lie before them."""
        ...

    async def after(
        self, user_id: str, response_id: str, number: int | None
    ) -> Sequence[Frame] | None:
        """The next frames after ``number`` (None: the first); None when it is not held."""
        ...


class Hub:
    """All windows of a process. To be used on the event loop only.

    ``window_bytes``: what one response may keep; ``total_bytes``: what all may, beyond which
    each keeps a sixteenth. ``on_left``: called with a response that has no readers any more.
    """

    def __init__(
        self,
        source: Source,
        *,
        window_bytes: int = 1 << 20,
        total_bytes: int = 256 << 20,
        on_left: Callable[[str], None] = lambda _response_id: None,
    ) -> None:
        self.source = source
        self._on_left = on_left
        self._window_bytes = window_bytes
        self._total_bytes = total_bytes
        self._windows: dict[str, dict[str, Window]] = {}
        self._begun: OrderedDict[str, _Beginning] = OrderedDict()
        self.size = 0

    @property
    def allowance(self) -> int:
        """Bytes that a window may grow to at present."""
        crowded = self.size > self._total_bytes
        return self._window_bytes // 16 if crowded else self._window_bytes

    def publish(
        self, response_id: str, frames: Sequence[Frame], user_id: str | None = None
    ) -> None:
        """Show frames that the backend has acknowledged; in the order of the log. ``user_id``:
        whose they are, if that is known."""
        windows = self._windows.get(response_id)
        if windows is not None:
            for window in tuple(windows.values()):
                window.publish(frames)
        elif user_id is not None and frames[0].sequence_number == 0:
            self._begun[response_id] = _Beginning(user_id)
            if len(self._begun) > _BEGINNINGS:
                self._begun.popitem(last=False)
        begun = self._begun.get(response_id)
        if begun is not None and not begun.extend(frames):
            del self._begun[response_id]

    def beginning(self, user_id: str, response_id: str) -> list[Frame] | None:
        """All frames of this user's log, if they are at hand; gives them away."""
        begun = self._begun.get(response_id)
        if begun is None or begun.user_id != user_id:
            return None
        del self._begun[response_id]
        return begun.frames

    def reset(self, response_id: str) -> None:
        """The log was erased: readers wait for it to begin anew."""
        self._begun.pop(response_id, None)
        for window in tuple(self._windows.get(response_id, {}).values()):
            window.reset()

    def doubt(self, response_id: str) -> None:
        """Frames may have been missed: readers keep what is at hand, and it is loaded again."""
        for window in tuple(self._windows.get(response_id, {}).values()):
            window.doubt()

    def watched(self, response_id: str) -> bool:
        """Whether it has readers."""
        return response_id in self._windows

    def newest(self, response_id: str) -> tuple[str, int] | None:
        """Whose log it is, and the last number that its readers may know of."""
        for user_id, window in self._windows.get(response_id, {}).items():
            if window.frames:
                return user_id, window.frames[-1].sequence_number
        return None

    async def subscribe(
        self, user_id: str, response_id: str, after: int | None, wake: Callable[[], None]
    ) -> Reader:
        """See `EventLog.subscribe`."""
        of_response = self._windows.setdefault(response_id, {})
        window = of_response.get(user_id)
        if window is None:
            window = of_response[user_id] = Window(self, user_id, response_id)
            begun = self.beginning(user_id, response_id)
            if begun is not None:
                window.begin(begun)
        reader = Reader(window, after, wake)
        try:
            await reader.begin()
        except BaseException:
            reader.close()
            raise
        return reader

    def forget(self, window: Window) -> None:
        of_response = self._windows[window.response_id]
        del of_response[window.user_id]
        if not of_response:
            del self._windows[window.response_id]
            self._on_left(window.response_id)


class _Beginning:
    """A whole log, as long as it is short."""

    __slots__ = ("_size", "frames", "user_id")

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id
        self.frames: list[Frame] = []
        self._size = 0

    def extend(self, frames: Sequence[Frame]) -> bool:
        """False: it has become too long, or lacks a frame."""
        if self.frames and not follows(self.frames[-1].sequence_number, frames[0]):
            return False
        self.frames += frames
        self._size += sum(map(_cost, frames))
        return self._size <= _BEGINNING_BYTES


class Window:
    """The last frames of one response, for one user's readers."""

    def __init__(self, hub: Hub, user_id: str, response_id: str) -> None:
        self.user_id = user_id
        self.response_id = response_id
        self.hub = hub
        self.readers: set[Reader] = set()
        self.frames: list[Frame] = []
        #: Frames before the window: 0 when it has the first; beyond that only changes matter.
        self.offset = 0
        #: Rises whenever positions have to be looked up again.
        self.generation = 0
        self._size = 0
        self._stale = True
        #: Whether frames may have been missed since the loading began.
        self._doubted = False
        self._loading: asyncio.Task[None] | None = None
        self._arrived: list[Sequence[Frame]] = []

    @property
    def exists(self) -> bool:
        return bool(self.frames)

    @property
    def whole(self) -> bool:
        """Whether nothing is to be loaded, as far as is known."""
        return not self._stale and self._loading is None

    def begin(self, frames: Sequence[Frame]) -> None:
        """These are all there are: nothing has to be loaded."""
        self._stale = False
        self._extend(frames)

    def publish(self, frames: Sequence[Frame]) -> None:
        if self._loading is not None:
            self._arrived.append(frames)
        elif self.frames:
            if not self._extend_past_last(frames):
                return
        else:
            # Whose frames these are is for the backend to say.
            self._stale = True
        self._wake()

    def reset(self) -> None:
        self._clear()
        self._arrived.clear()
        self._stale = True
        self._wake()

    def doubt(self) -> None:
        if self._loading is not None:
            self._doubted = True
        else:
            self._stale = True
        self._wake()

    def expect(self, number: int | None) -> bool:
        """Whether a frame of this number may be in the backend by now; it is looked for then."""
        if number is None or (self.frames and self.frames[-1].sequence_number >= number):
            return False
        self._stale = True
        return True

    async def refresh(self) -> None:
        """Load the window, if it has not been; readers that come meanwhile wait for the same."""
        while self._stale or self._loading is not None:
            if self._loading is None:
                self._stale = False
                self._loading = asyncio.create_task(self._load())
                self._loading.add_done_callback(_taken_note_of)
            # One reader that leaves must not take the frames from the others.
            await asyncio.shield(self._loading)

    async def _load(self) -> None:
        try:
            frames, more = await self.hub.source.newest(self.user_id, self.response_id)
        except BaseException:
            self._stale = True
            raise
        finally:
            self._loading = None
            arrived, self._arrived = self._arrived, []
            doubted, self._doubted = self._doubted, False
        if self._stale or not self.readers:  # erased, or left by all, meanwhile
            return
        self._clear()
        self.offset = int(more)
        self._extend(frames)
        if self.frames:
            for some in arrived:
                self._extend_past_last(some)
        elif arrived:
            self._stale = True
        # What was missed may be newer than what was loaded; that is shown nevertheless, or else a
        # log that grows fast would be loaded again and again.
        self._stale = self._stale or doubted

    def _extend_past_last(self, frames: Sequence[Frame]) -> bool:
        """Loading may have brought frames before they were published; and where they are published
        by another process some may have been lost on the way, so that all is loaded again. False:
        there is nothing new."""
        last = self.frames[-1].sequence_number
        if frames[0].sequence_number <= last:
            frames = [f for f in frames if f.sequence_number > last]
            if not frames:
                return False
        if follows(last, frames[0]):
            self._extend(frames)
        else:
            self._stale = True
        return True

    def _extend(self, frames: Sequence[Frame]) -> None:
        self.frames += frames
        self._grow(sum(map(_cost, frames)))
        allowance = self.hub.allowance
        if self._size > allowance:
            self._trim(allowance // 2)

    def _trim(self, target: int) -> None:
        """Drop the oldest; by half, so that it is seldom done. The newest always stays."""
        dropped, size = 0, self._size
        while size > target and dropped < len(self.frames) - 1:
            size -= _cost(self.frames[dropped])
            dropped += 1
        del self.frames[:dropped]
        self.offset += dropped
        self._grow(size - self._size)

    def _clear(self) -> None:
        self.frames = []
        self.offset = 0
        self.generation += 1
        self._grow(-self._size)

    def _grow(self, by: int) -> None:
        self._size += by
        self.hub.size += by

    def _wake(self) -> None:
        for reader in tuple(self.readers):
            reader.stir()

    def leave(self, reader: Reader) -> None:
        self.readers.discard(reader)
        if not self.readers:
            self._clear()
            self.hub.forget(self)


def _taken_note_of(loading: asyncio.Task[None]) -> None:
    """All who waited for it may have left; then nobody else asks whether it failed."""
    if not loading.cancelled():
        loading.exception()


def _cost(frame: Frame) -> int:
    return len(frame.data) + _FRAME_OVERHEAD

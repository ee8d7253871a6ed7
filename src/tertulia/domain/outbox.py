"""What waits to be sent to one connection that follows many responses: fair and bounded.

Two kinds of lag are told apart. A subscription that *replays* (it asked for the past) is read at
the reader's own pace and holds up nothing. One that is *live* and still falls behind has a slow
reader: beyond the connection's limits, the subscription with most waiting loses its frames and
gets one snapshot in their place. Pure: who reads logs, folds and sends is not its business.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from tertulia.domain.frame import Frame


@dataclass(frozen=True, slots=True)
class Turn:
    """What to send next: frames of one response or, when there are none, its snapshot."""

    response_id: str
    frames: tuple[Frame, ...]

    @property
    def snapshot(self) -> bool:
        return not self.frames


class _Queue:
    __slots__ = ("folded", "frames", "live", "size", "through")

    def __init__(self) -> None:
        self.frames: deque[Frame] = deque()
        self.size = 0
        self.live = False
        self.folded = False
        #: Frames up to this number were in a snapshot.
        self.through = -1


class Outbox:
    """``max_frames`` and ``max_bytes`` bound what waits for live subscriptions together; a single
    frame may exceed them. ``burst_frames`` and ``burst_bytes`` bound one turn."""

    __slots__ = (
        *("_burst_bytes", "_burst_frames", "_max_bytes", "_max_frames"),
        *("_order", "_queues"),
    )

    def __init__(
        self,
        max_frames: int = 256,
        max_bytes: int = 256 * 1024,
        *,
        burst_frames: int = 32,
        burst_bytes: int = 32 * 1024,
    ) -> None:
        self._max_frames = max_frames
        self._max_bytes = max_bytes
        self._burst_frames = burst_frames
        self._burst_bytes = burst_bytes
        self._queues: dict[str, _Queue] = {}
        #: Queues with something to send, the next one first: few, so no deque, which has room for
        #: 64 while it holds nothing.
        self._order: list[str] = []

    def open(self, response_id: str) -> None:
        """A new subscription, replaying; one that was there is forgotten."""
        self.drop(response_id)
        self._queues[response_id] = _Queue()

    def drop(self, response_id: str) -> None:
        """The subscription is over."""
        if self._queues.pop(response_id, None) is not None and response_id in self._order:
            self._order.remove(response_id)

    def caught_up(self, response_id: str) -> None:
        """The subscription has been given all there is: from now on it is live."""
        self._queues[response_id].live = True

    def wants(self, response_id: str) -> bool:
        """Whether to fetch more frames: a replay goes on when its last batch is sent."""
        queue = self._queues[response_id]
        return queue.live or not queue.frames

    def put(self, response_id: str, frames: Iterable[Frame]) -> None:
        """The next frames of a subscription."""
        queue = self._queues[response_id]
        if queue.folded:
            return  # the snapshot will hold them
        for frame in frames:
            if frame.sequence_number > queue.through:
                queue.frames.append(frame)
                queue.size += len(frame.data)
        if queue.frames and response_id not in self._order:
            self._order.append(response_id)
        self._bound()

    def folded(self, response_id: str, through: int) -> None:
        """The snapshot asked for by `take` holds everything up to number ``through``."""
        queue = self._queues[response_id]
        queue.folded = False
        queue.through = through

    def take(self) -> Turn | None:
        """The next turn, of each subscription in its order; None when nothing waits.

        After a turn that is a snapshot, `folded` must be called before frames are put again.
        """
        if not self._order:
            return None
        response_id = self._order.pop(0)
        queue = self._queues[response_id]
        taken: list[Frame] = []
        size = 0
        while queue.frames and len(taken) < self._burst_frames and size < self._burst_bytes:
            frame = queue.frames.popleft()
            taken.append(frame)
            size += len(frame.data)
        queue.size -= size
        if queue.frames:
            self._order.append(response_id)
        return Turn(response_id, tuple(taken))

    @property
    def waiting(self) -> tuple[int, int]:
        """Frames and bytes that wait for live subscriptions."""
        live = [queue for queue in self._queues.values() if queue.live]
        return sum(len(queue.frames) for queue in live), sum(queue.size for queue in live)

    def _bound(self) -> None:
        while True:
            frames, size = self.waiting
            if frames <= 1 or (frames <= self._max_frames and size <= self._max_bytes):
                return
            heaviest = max((q for q in self._queues.values() if q.live), key=lambda q: q.size)
            heaviest.frames.clear()
            heaviest.size = 0
            heaviest.folded = True

"""Every reader: replay, then the tail, of one response's log.

A second tab, a reconnect and the submitter itself come through here. A reader waits on nothing but
the log; after silence it asks the store, because a log may lose everything and the row may not.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress

import msgspec

from tertulia.domain import event
from tertulia.domain.compose import Composer
from tertulia.domain.frame import Frame
from tertulia.domain.item import FunctionCall, Item, Message, Reasoning
from tertulia.domain.prospect import Prospect
from tertulia.errors import Fenced, PositionLost, Unavailable
from tertulia.ports.eventlog import Subscription
from tertulia.ports.turns import Node
from tertulia.telemetry.instruments import STREAMS
from tertulia.turns.parts import Parts

#: Looks at a terminal row, one after each silence, within which its log has to give the end.
MENDED_WITHIN = 3


class Follower:
    """A place in one response's stream.

    ``wake`` is called on the event loop when `next` may have more; it must not block. The caller
    then awaits `next`, from one task at a time, until it gives nothing.
    """

    def __init__(
        self,
        parts: Parts,
        user_id: str,
        response_id: str,
        wake: Callable[[], None],
    ) -> None:
        self._parts = parts
        self._user_id = user_id
        self._response_id = response_id
        self._wake = wake
        self._subscription: Subscription | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._stirred = 0.0
        self._due = False
        #: How often the end of a response that has ended was looked for in vain.
        self._unmended = 0
        self._counted = False
        #: Number of the last frame given out.
        self.position: int | None = None
        #: True once the terminal frame was given out.
        self.ended = False
        #: What it has to expect while it waits, as of the last silence.
        self.prospect: Prospect | None = None

    async def open(self, after: int | None) -> None:
        """Take the place after number ``after``; None: from the start.

        Raises:
            NotFound: no such response of this user.
            PositionLost: neither the log nor the row can go on from ``after``.
        """
        self.position = after
        try:
            self._subscription = await self._parts.log.subscribe(
                self._user_id, self._response_id, after, self._wake
            )
        except PositionLost:
            node = await self._parts.store.get(self._user_id, self._response_id)
            if not (node.response.terminal and after == node.response.last_sequence_number):
                raise
            self.ended = True  # the reader holds everything there is
            return
        self._counted = True
        STREAMS.inc()
        # A reader with nothing before it asks the row at once: it may hold the end already.
        self._due = after is not None or not self._subscription.exists
        self._arm()

    def close(self) -> None:
        """Leave; nothing is cancelled by it."""
        if self._subscription is not None:
            self._subscription.close()
        if self._counted:
            self._counted = False
            STREAMS.dec()
        if self._timer is not None:
            self._timer.cancel()

    async def next(self) -> Sequence[Frame]:
        """The frames that came since; empty when there is nothing new.

        Raises:
            PositionLost: the log was lost and begun anew without this reader's position.
        """
        if self.ended or self._subscription is None:
            return ()
        frames: Sequence[Frame] = ()
        try:
            if not self._subscription.at_hand:
                await self._subscription.fill()
            frames = self._subscription.take()
        except Unavailable:
            pass  # asked again after the next silence
        if not frames and self._due:
            self._due = False
            frames = await self._recheck()
        if frames:
            self._stirred = self._loop.time()
            self.position = frames[-1].sequence_number
            self.ended = frames[-1].terminal
        return frames

    # --- waking ------------------------------------------------------------------------------

    def _arm(self) -> None:
        self._stirred = self._loop.time()
        self._timer = self._loop.call_later(self._parts.timing.reader_recheck, self._tick)

    def _tick(self) -> None:
        """One lazy timer per reader: it looks back at the last frame instead of being moved by
        every frame."""
        quiet = self._loop.time() - self._stirred
        span = self._parts.timing.reader_recheck
        if quiet >= span:
            self._stirred = self._loop.time()
            self._due = True
            self._wake()
            quiet = 0.0
        if not self.ended:
            self._timer = self._loop.call_later(span - quiet, self._tick)

    # --- silence -----------------------------------------------------------------------------

    async def _recheck(self) -> Sequence[Frame]:
        """Ask the row. A terminal row without its frame in the log gets it now."""
        try:
            node = await self._parts.store.get(self._user_id, self._response_id)
        except Unavailable:
            return ()
        if not node.response.terminal or self._subscription is None:
            await self._look_ahead(node)
            return ()
        if self.position == node.response.last_sequence_number:
            self.ended = True
            return ()
        if self._subscription.exists and self._unmended < MENDED_WITHIN:
            await ensure_terminal_frame(self._parts, node)
            frames: Sequence[Frame] = ()
            with suppress(Unavailable):
                await self._subscription.fill()
                frames = self._subscription.take()
            self._unmended = 0 if frames else self._unmended + 1
            return frames
        # The log is gone, or lacks more than its end, which nobody is there to write any more.
        if self.position is not None:
            raise PositionLost(
                "the stream of this response is no longer kept: retrieve the response",
                param="starting_after",
            )
        return rebuilt(node)

    async def _look_ahead(self, node: Node) -> None:
        with suppress(Unavailable):
            waits = node.response.attempt == 0
            place, bounds = self._parts.store.place, self._parts.bounds
            self.prospect = await place(self._user_id, self._response_id, bounds) if waits else None


async def follow(
    parts: Parts, user_id: str, response_id: str, after: int | None = None
) -> AsyncIterator[Sequence[Frame]]:
    """All frames after ``after``, in batches as they come; ends with the terminal frame.

    Raises:
        NotFound, PositionLost: see `Follower`.
    """
    waiter: asyncio.Future[None] | None = None

    def wake() -> None:
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    loop = asyncio.get_running_loop()
    follower = Follower(parts, user_id, response_id, wake)
    try:
        waiter = loop.create_future()
        await follower.open(after)
        while not follower.ended:
            # Made before looking, so that a wake between the look and the wait is not lost.
            waiter = loop.create_future()
            frames = await follower.next()
            if frames:
                yield frames
            elif not follower.ended:
                await waiter
    finally:
        follower.close()


async def ensure_terminal_frame(parts: Parts, node: Node) -> None:
    """Append the terminal frame of a terminal row where the log lacks it. Idempotent: it is
    derived from the row, so whoever comes first writes the same bytes."""
    response = node.response
    frame = event.terminal_frame(response, node.output)
    try:
        await parts.log.append(response.user_id, response.id, max(1, response.attempt), [frame])
    except (Fenced, Unavailable):
        return  # it is there already, or the next reader tries again


def rebuilt(node: Node) -> list[Frame]:
    """The stream of a terminal response whose log has expired, made from its items.

    Its frames are no more than those that were, so none but the end can have the number that the
    row gives to the end: whoever holds that number holds all of it.
    """
    response = node.response
    if response.attempt == 0:  # nobody ever began it
        queued = msgspec.structs.replace(
            response, status="queued", completed_at=None, usage=None, error=None
        )
        return [*event.opening_frames(queued), event.terminal_frame(response, node.output)]
    start = msgspec.structs.replace(
        response,
        status="in_progress",
        attempt=1,
        completed_at=None,
        usage=None,
        incomplete_reason=None,
        error=None,
    )
    ids = iter([item.id for item in node.output])
    composer = Composer(start, (), make_id=lambda _prefix: next(ids))
    frames = composer.begin()
    for index, item in enumerate(node.output):
        frames += _replayed(composer, index, item)
        frames += composer.end(item.status)
    last = msgspec.structs.replace(response, last_sequence_number=composer.next_number)
    frames.append(event.terminal_frame(last, node.output))
    return frames


def _replayed(composer: Composer, index: int, item: Item) -> list[Frame]:
    if isinstance(item, Message):
        return composer.write(item.text)
    if isinstance(item, Reasoning):
        return composer.think("".join(part.text for part in item.content))
    if isinstance(item, FunctionCall):
        return composer.call(index, item.call_id, item.name, item.arguments)
    raise TypeError(f"a model does not write {type(item).__name__}")

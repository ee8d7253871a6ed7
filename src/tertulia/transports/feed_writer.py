"""What goes out on one feed connection: all of it, in one task, fair between what it follows.

Nothing is queued for a slow reader but references: the feed and the logs are read when there is
room, and what a live response has written meanwhile is sent as one snapshot when it is too much.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tertulia.domain import snapshot
from tertulia.domain.frame import Frame
from tertulia.domain.outbox import Outbox
from tertulia.domain.transcript import Transcript
from tertulia.errors import NotFound, PositionLost, Unavailable
from tertulia.ports.conversations import FeedPosition
from tertulia.settings.sections import Feed as FeedSettings
from tertulia.transports import feed_messages as say
from tertulia.transports.feed_hub import UserFeed
from tertulia.turns.parts import Parts
from tertulia.turns.read import Follower

#: Messages other than events that may wait before a device's requests wait too.
MAX_POSTED = 256


@dataclass(eq=False, slots=True)
class Subscription:
    response_id: str
    follower: Follower
    events: say.Events
    #: The place in the queue that the device was told last.
    place: int | None = None


class Writer:
    """``send`` gives one message to the socket and returns when it has room for the next;
    ``on_fault`` is called once nothing can be sent any more.

    It has a task only while there is something to send or to follow.
    """

    __slots__ = (
        *("_crowded", "_feed", "_loop", "_offset", "_on_fault", "_open", "_outbox", "_parts"),
        *("_posted", "_ready", "_room", "_send", "_stirred", "_subscriptions", "_task", "_user_id"),
        *("_waiter", "_woken", "ended", "fault"),
    )

    def __init__(
        self,
        parts: Parts,
        settings: FeedSettings,
        user_id: str,
        send: Callable[[bytes], Awaitable[None]],
        on_fault: Callable[[], None],
    ) -> None:
        self._parts = parts
        self._user_id = user_id
        self._send = send
        self._on_fault = on_fault
        self._loop = asyncio.get_running_loop()
        self._outbox = Outbox(settings.buffer_frames, settings.buffer_bytes)
        # A list, since an empty deque has room for 64, and most connections wait for nothing.
        self._posted: list[bytes] = []
        self._subscriptions: dict[str, Subscription] = {}
        # As dictionaries, since an empty set has room for eight.
        self._ready: dict[Subscription, None] = {}
        self._feed: UserFeed | None = None
        self._offset = 0
        self._stirred = False
        self._open = False
        self._task: asyncio.Task[None] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._woken = False
        #: What sending has failed of.
        self.fault: Exception | None = None
        self._crowded = False
        self._room: asyncio.Event | None = None
        #: Responses whose terminal frame was sent.
        self.ended: dict[str, None] = {}

    # --- what is to be sent ------------------------------------------------------------------

    def post(self, message: bytes) -> None:
        """A message apart from events and feed; goes before them."""
        self._posted.append(message)
        if len(self._posted) >= MAX_POSTED:
            self._crowded = True
        self._wake()

    async def room(self) -> None:
        """Wait until the posted messages have gone down."""
        while self._crowded:
            if self._room is None:
                self._room = asyncio.Event()
            await self._room.wait()

    def _make_room(self) -> None:
        self._crowded = False
        if self._room is not None:
            self._room.set()
            self._room = None

    @property
    def crowded(self) -> bool:
        """Whether what can be left out should be."""
        return self._crowded

    def attach(self, feed: UserFeed, offset: int) -> None:
        """Send the feed's entries after ``offset``."""
        self._feed = feed
        self._offset = offset
        self.stir()

    def stir(self) -> None:
        """The feed may have grown."""
        self._stirred = True
        self._wake()

    async def subscribe(self, response_id: str, after: int | None) -> None:
        """Follow a response of this user; replaces a subscription to the same.

        Raises:
            NotFound, PositionLost: see `Follower.open`.
        """
        self.unsubscribe(response_id)

        def stir() -> None:
            self._ready[subscription] = None
            self._wake()

        follower = Follower(self._parts, self._user_id, response_id, stir)
        subscription = Subscription(response_id, follower, say.Events(response_id))
        try:
            await follower.open(after)
        except BaseException:
            follower.close()
            raise
        self._subscriptions[response_id] = subscription
        self._outbox.open(response_id)
        stir()

    def unsubscribe(self, response_id: str) -> None:
        subscription = self._subscriptions.pop(response_id, None)
        if subscription is not None:
            subscription.follower.close()
            self._ready.pop(subscription, None)
            self._outbox.drop(response_id)

    @property
    def subscriptions(self) -> int:
        return len(self._subscriptions)

    def follows(self, response_id: str) -> bool:
        return response_id in self._subscriptions

    # --- sending -----------------------------------------------------------------------------

    def start(self) -> None:
        """Send from now on."""
        self._open = True
        self._wake()

    async def stop(self) -> None:
        """Send no more, also nothing that waits, and leave everything."""
        self._open = False
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        for response_id in list(self._subscriptions):
            self.unsubscribe(response_id)

    def _wake(self) -> None:
        self._woken = True
        if self._waiter is not None:
            if not self._waiter.done():
                self._waiter.set_result(None)
        elif self._open and self._task is None:
            self._task = self._loop.create_task(self._run())

    async def _run(self) -> None:
        try:
            while True:
                self._woken = False  # before looking, so that no wake in the meantime is lost
                if await self._step() or self._woken:
                    continue
                if not self._subscriptions:
                    break
                self._waiter = self._loop.create_future()
                await self._waiter
                self._waiter = None
        except Exception as fault:  # noqa: BLE001 - told by whoever stops us
            self.fault = fault
            self._open = False
            self._on_fault()
        self._task = None

    async def _step(self) -> bool:
        """Send something; False when there is nothing."""
        if self._posted:
            await self._send(self._posted.pop(0))
            if self._crowded and len(self._posted) < MAX_POSTED // 2:
                self._make_room()
            return True
        if self._stirred and self._feed is not None:
            self._stirred = False
            await self._send_feed(self._feed)
        await self._fetch()
        if self._posted:  # came meanwhile: an acknowledgement goes before what it announces
            return True
        turn = self._outbox.take()
        if turn is None:
            return self._stirred
        subscription = self._subscriptions[turn.response_id]
        if turn.snapshot:
            await self._send_snapshot(subscription)
        for frame in turn.frames:
            await self._send_frame(subscription, frame)
        return True

    async def _send_feed(self, feed: UserFeed) -> None:
        try:
            entries = await feed.after(self._offset)
        except Unavailable:
            return  # the feed stirs us again
        except PositionLost:
            self._offset = (await feed.position()).offset
            await self._send(say.RESYNC)
            return
        for offset, message in entries:
            await self._send(message)
            self._offset = offset
        self._stirred = self._stirred or bool(entries)

    async def _fetch(self) -> None:
        """Take from the logs what came."""
        for subscription in list(self._ready):
            response_id = subscription.response_id
            if self._subscriptions.get(response_id) is not subscription:
                continue
            if not self._outbox.wants(response_id):
                continue
            self._ready.pop(subscription, None)
            try:
                frames = await subscription.follower.next()
            except Unavailable:
                continue  # its own clock wakes it again
            except (NotFound, PositionLost) as error:
                if self._subscriptions.get(response_id) is subscription:
                    self.unsubscribe(response_id)
                    self.post(say.error(error, response_id=response_id))
                continue
            if self._subscriptions.get(response_id) is not subscription:
                continue  # replaced while we asked
            if not frames:
                self._outbox.caught_up(response_id)
                self._tell_place(subscription)
                continue
            self._outbox.put(response_id, frames)
            if not subscription.follower.ended:
                self._ready[subscription] = None

    def _tell_place(self, subscription: Subscription) -> None:
        follower = subscription.follower
        prospect = follower.prospect
        if prospect is not None and prospect.place != subscription.place:
            self.post(subscription.events.position(follower.position, prospect))
        subscription.place = prospect.place if prospect is not None else None

    async def _send_frame(self, subscription: Subscription, frame: Frame) -> None:
        if self._subscriptions.get(subscription.response_id) is not subscription:
            return  # replaced or left in mid-turn
        for message in subscription.events.frames(frame):
            await self._send(message)
        if frame.terminal and self._subscriptions.get(subscription.response_id) is subscription:
            self.ended[subscription.response_id] = None
            self.unsubscribe(subscription.response_id)

    async def _send_snapshot(self, subscription: Subscription) -> None:
        """The text so far, and the terminal frame if the response has ended meanwhile."""
        transcript = Transcript()
        terminal: Frame | None = None
        follower = Follower(self._parts, self._user_id, subscription.response_id, lambda: None)
        try:
            await follower.open(None)
            while frames := await follower.next():
                if frames[-1].terminal:
                    terminal = frames[-1]
                    frames = frames[:-1]
                transcript.extend(frames)
        except (NotFound, PositionLost, Unavailable) as error:
            # The log broke away under us; the device asks again, from where it is.
            self.unsubscribe(subscription.response_id)
            self.post(say.error(error, response_id=subscription.response_id))
            return
        finally:
            follower.close()
        if self._subscriptions.get(subscription.response_id) is not subscription:
            return
        through = -1 if transcript.last is None else transcript.last
        self._outbox.folded(subscription.response_id, through)
        pages = snapshot.pages(transcript.items, say.PAGE_CHARS)
        for message in subscription.events.snapshot(through, pages):
            await self._send(message)
        if terminal is not None:
            await self._send_frame(subscription, terminal)


async def resumed(feed: UserFeed, known: FeedPosition | None) -> tuple[FeedPosition, int | None]:
    """Where the feed stands, and the offset a device that knows ``known`` goes on from; None when
    it has to fetch its state again."""
    now = await feed.position()
    if known is None:
        return now, now.offset
    gapless = known.epoch == now.epoch and 0 <= known.offset <= now.offset
    return now, known.offset if gapless else None

"""All feed connections of this process, by user: news of the store reaches each of them.

The store rings after a commit; an entry is then read once per user, whatever the number of the
user's devices, and each takes from it what it has not sent yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from tertulia.errors import PositionLost, Unavailable
from tertulia.ports.conversations import Conversations, FeedPosition
from tertulia.transports import feed_messages as say

#: Entries read at once, and kept for the devices that are not yet through with them.
_BATCH = 256
#: Seconds until a store that did not answer is asked again.
_RETRY = 1.0


class Device(Protocol):
    """One connection, as the hub sees it. None of these blocks."""

    def stir(self) -> None:
        """The user's feed may have grown."""
        ...

    def post(self, message: bytes) -> None:
        """Send this when there is room."""
        ...

    def offer(self, message: bytes) -> None:
        """Send this, or let it be when much waits already."""
        ...

    def recheck(self) -> None:
        """Ask again whether the device may still be connected."""
        ...

    def close(self, code: say.Close) -> None:
        """End the connection."""
        ...

    @property
    def id(self) -> str:
        """Of the connection."""
        ...


class UserFeed:
    """One user's feed and connected devices."""

    def __init__(self, store: Conversations, user_id: str) -> None:
        self.devices: set[Device] = set()
        self._store = store
        self._user_id = user_id
        self._lock = asyncio.Lock()
        self._position: FeedPosition | None = None
        # A list, since an empty deque has room for 64, and most feeds are quiet.
        self._recent: list[tuple[int, bytes]] = []
        self._stale = False

    def ring(self) -> None:
        """The store has written entries."""
        self._stale = True
        for device in self.devices:
            device.stir()

    async def position(self) -> FeedPosition:
        """Where the feed stands now."""
        async with self._lock:
            return await self._newest()

    async def after(self, offset: int) -> Sequence[tuple[int, bytes]]:
        """The next entries after ``offset``: offset and message of each; empty at the end.

        Raises:
            PositionLost: the feed's history no longer reaches back so far.
            Unavailable: the store does not answer; the devices are stirred again.
        """
        async with self._lock:
            try:
                newest = await self._newest()
                if offset >= newest.offset:
                    return ()
                if self._recent and self._recent[0][0] <= offset + 1:
                    return [entry for entry in self._recent if entry[0] > offset]
                return await self._read(FeedPosition(newest.epoch, offset))
            except Unavailable:
                self._stale = True
                asyncio.get_running_loop().call_later(_RETRY, self.ring)
                raise

    async def _newest(self) -> FeedPosition:
        if self._position is None:
            self._stale = False  # before asking, so that a ring in the meantime is not lost
            self._position = await self._store.feed_position(self._user_id)
        while self._stale:
            self._stale = False
            try:
                entries = await self._read(self._position)
            except PositionLost:  # the store has begun its feed anew
                self._recent.clear()
                self._position = await self._store.feed_position(self._user_id)
                continue
            if entries:
                self._recent += entries
                del self._recent[:-_BATCH]
                self._position = FeedPosition(self._position.epoch, entries[-1][0])
                self._stale = len(entries) == _BATCH or self._stale
        return self._position

    async def _read(self, position: FeedPosition) -> list[tuple[int, bytes]]:
        entries = await self._store.feed_after(self._user_id, position, _BATCH)
        return [(entry.offset, say.feed(entry)) for entry in entries]


def typing_hint(user_id: str, conversation_id: str, connection_id: str) -> str:
    """What `FeedHub.typing` is called with. None of the three may hold a slash."""
    return f"{user_id}/{conversation_id}/{connection_id}"


class FeedHub:
    """Of one process; to be used on its event loop only."""

    def __init__(self) -> None:
        self._users: dict[str, UserFeed] = {}
        #: Users whose turn to be looked at is still to come.
        self._unlooked: list[str] = []

    def ring(self, user_id: str) -> None:
        """Called by the store after the commit of a feed entry of this user."""
        feed = self._users.get(user_id)
        if feed is not None:
            feed.ring()

    def recheck(self, user_id: str) -> None:
        """A login or key of this user has ended."""
        feed = self._users.get(user_id)
        if feed is not None:
            for device in feed.devices:
                device.recheck()

    def typing(self, what: str) -> None:
        """Somebody types: `typing_hint` says who and where. Their other devices are told."""
        user_id, conversation_id, connection_id = what.split("/")
        feed = self._users.get(user_id)
        if feed is not None:
            message = say.typing(conversation_id)
            for device in feed.devices:
                if device.id != connection_id:
                    device.offer(message)

    def look_again(self) -> None:
        """News may have been missed: every feed is looked at, and every sign-in."""
        for feed in self._users.values():
            feed.ring()
            for device in feed.devices:
                device.recheck()

    def look_at_some(self, rounds: int) -> None:
        """Look at the feeds of some users, of all of them in at most so many calls. Where news
        comes from other nodes, a hint may have been lost without anybody's knowing."""
        if not self._unlooked:
            self._unlooked = list(self._users)
        some = -(-len(self._users) // rounds)
        for user_id in self._unlooked[-some:] if some else ():
            self.ring(user_id)
        del self._unlooked[-some:]

    def join(self, store: Conversations, user_id: str, device: Device) -> UserFeed:
        """Connect a device to its user's feed."""
        feed = self._users.get(user_id)
        if feed is None:
            feed = self._users[user_id] = UserFeed(store, user_id)
        feed.devices.add(device)
        return feed

    def leave(self, user_id: str, device: Device) -> None:
        feed = self._users[user_id]
        feed.devices.discard(device)
        if not feed.devices:
            del self._users[user_id]

    async def drain(self, seconds: float) -> None:
        """Send all devices elsewhere: they are told at once and have ``seconds`` to go at a moment
        of their choice, so that they do not all arrive there together."""
        devices = [device for feed in self._users.values() for device in feed.devices]
        for device in devices:
            device.post(say.goaway(round(seconds * 1000)))
        if devices:
            await asyncio.sleep(seconds)
        for feed in self._users.values():
            for device in feed.devices:
                device.close(say.Close.DRAINING)

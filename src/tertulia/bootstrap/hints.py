"""What the store and the accounts tell of, and who hears it: here, and on every other node."""

from __future__ import annotations

import asyncio

from tertulia.accounts import AccountService
from tertulia.adapters.cache.memory_bus import MemoryBus
from tertulia.ports.bus import CANCEL, FEED, SIGN_INS, TYPING, Bus
from tertulia.ports.keys import Keys
from tertulia.transports.feed_hub import FeedHub
from tertulia.turns.upkeep import every
from tertulia.worker import Worker

#: Seconds between looks at some of the feeds that are read here, and looks until all had theirs.
LOOK_SECONDS, LOOK_ROUNDS = 1.0, 60


class Hints:
    """A mouth for those that are made before there is a bus. Before that, only this process
    hears them."""

    def __init__(self) -> None:
        self.bus: Bus = MemoryBus()

    def fed(self, user_id: str) -> None:
        """The user's feed has grown."""
        self.bus.publish(FEED, user_id)

    def revoked(self, user_id: str) -> None:
        """A login or key of the user has ended."""
        self.bus.publish(SIGN_INS, user_id)


def tell_devices(bus: Bus, feed: FeedHub, accounts: AccountService) -> asyncio.Task[None] | None:
    """Let an API node hear what concerns the devices that are connected to it. Gives the task that
    looks for what was not heard, where hints come from elsewhere."""

    def hear(kind: str, identifier: str) -> None:
        if kind == FEED:
            feed.ring(identifier)
        elif kind == SIGN_INS:
            accounts.doubt(identifier)
            feed.recheck(identifier)
        elif kind == TYPING:
            feed.typing(identifier)

    def missed() -> None:
        accounts.doubt(None)
        feed.look_again()

    bus.listen(hear, missed)
    if isinstance(bus, MemoryBus):
        return None

    async def look() -> None:
        feed.look_at_some(LOOK_ROUNDS)

    return every(LOOK_SECONDS, look)


def tell_keys(bus: Bus, keys: Keys) -> None:
    """Let a node look again at the keys of a user who may have been removed."""

    def hear(kind: str, identifier: str) -> None:
        if kind == SIGN_INS:
            keys.forget(identifier)

    bus.listen(hear, lambda: None)


def tell_worker(bus: Bus, worker: Worker) -> None:
    """Let a worker hear of cancellations; those it misses it finds in the store."""

    def hear(kind: str, identifier: str) -> None:
        if kind == CANCEL:
            worker.cancel(identifier)

    bus.listen(hear, lambda: None)

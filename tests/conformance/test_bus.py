"""What every bus does: see `tertulia.ports.bus`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from tertulia.ports.bus import FEED, SIGN_INS, Bus

OpenBus = Callable[[], AbstractAsyncContextManager[Bus]]


class Ear:
    """A listener; what it hears can be waited for."""

    def __init__(self, bus: Bus) -> None:
        self.heard: list[tuple[str, str]] = []
        self.missed = 0
        self._stirred = asyncio.Event()
        self.leave = bus.listen(self._hear, self._miss)

    def _hear(self, kind: str, identifier: str) -> None:
        self.heard.append((kind, identifier))
        self._stirred.set()

    def _miss(self) -> None:
        self.missed += 1
        self._stirred.set()

    async def until(self, condition: Callable[[Ear], bool]) -> None:
        while not condition(self):
            self._stirred.clear()
            await self._stirred.wait()


async def test_hints_reach_the_listeners_of_the_same_node_at_once(bus: Bus) -> None:
    first, second = Ear(bus), Ear(bus)
    bus.publish(FEED, "user_1")
    bus.publish(SIGN_INS, "user_2")
    assert first.heard == second.heard == [(FEED, "user_1"), (SIGN_INS, "user_2")]
    assert first.missed == 0


async def test_who_has_left_hears_no_more(bus: Bus) -> None:
    gone, stays = Ear(bus), Ear(bus)
    gone.leave()
    gone.leave()
    bus.publish(FEED, "user_1")
    assert (gone.heard, stays.heard) == ([], [(FEED, "user_1")])


async def test_hints_reach_other_nodes_in_their_order(open_shared_bus: OpenBus) -> None:
    async with open_shared_bus() as here, open_shared_bus() as there:
        near, far = Ear(here), Ear(there)
        said = [(FEED, f"user_{n % 7}") for n in range(50)] + [(SIGN_INS, "user_1")]
        for kind, identifier in said:
            here.publish(kind, identifier)
        await far.until(lambda ear: (SIGN_INS, "user_1") in ear.heard)
        assert near.heard == said, "and none of them comes back"
        assert far.heard == [*said[:7], said[-1]], "what is said twice in a moment is heard once"
        there.publish(FEED, "user_9")
        await near.until(lambda ear: ear.heard[-1] == (FEED, "user_9"))
        assert near.heard == [*said, (FEED, "user_9")]

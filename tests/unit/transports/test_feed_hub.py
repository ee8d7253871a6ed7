"""Looking at feeds of which no hint came."""

from __future__ import annotations

from typing import Any

from tertulia.transports.feed_hub import FeedHub
from tertulia.transports.feed_messages import Close


class Stirred:
    """A device that counts how often it was stirred."""

    id = "conn_1"

    def __init__(self) -> None:
        self.times = 0

    def stir(self) -> None:
        self.times += 1

    def post(self, message: bytes) -> None:
        """Nothing is sent to it."""

    def offer(self, message: bytes) -> None:
        """Nor offered."""

    def recheck(self) -> None:
        """Nor is it doubted."""

    def close(self, code: Close) -> None:
        """Nor closed."""


def test_all_feeds_are_looked_at_in_so_many_calls() -> None:
    hub, store = FeedHub(), Any
    devices = {f"user_{n}": Stirred() for n in range(25)}
    hub.look_at_some(10)
    for user_id, device in devices.items():
        hub.join(store, user_id, device)  # type: ignore[arg-type]
    for _ in range(10):
        hub.look_at_some(10)
    assert {device.times for device in devices.values()} <= {1, 2}
    hub.leave("user_3", devices["user_3"])
    for _ in range(10):
        hub.look_at_some(10)
    del devices["user_3"]
    assert min(device.times for device in devices.values()) >= 2

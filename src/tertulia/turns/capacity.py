"""What all workers together can run, as this node knows it just now."""

from __future__ import annotations

from dataclasses import replace

from tertulia.domain.admission import Limits
from tertulia.domain.fleet import Fleet, smoothed


class Capacity:
    """``shared``: workers of other processes take from the same store, and each tells it what it
    can do; else this process is all there is, and nothing need be written.

    What the store knows is read with each sweep, so a node is behind by that long, and by a lease
    where a worker has died. Should too much be admitted meanwhile, it waits in the queue.
    """

    def __init__(self, *, shared: bool = False) -> None:
        self.shared = shared
        self._fleet = Fleet()
        #: How long turns of this process take on average.
        self.turn_seconds: float | None = None

    def told(self, fleet: Fleet) -> None:
        """Which workers are live."""
        self._fleet = fleet

    def took(self, seconds: float) -> None:
        """A turn of this process has ended after so long."""
        self.turn_seconds = smoothed(self.turn_seconds, seconds)

    def over(self, limits: Limits) -> Limits:
        """``limits`` of one process for all. While no worker is known to be there, one is taken to
        be: whoever comes first finds its work, and nobody can tell how long it will take."""
        if not self.shared:
            return replace(limits, turn_seconds=self.turn_seconds)
        fleet = self._fleet
        return replace(
            limits, capacity=fleet.slots or limits.capacity, turn_seconds=fleet.turn_seconds
        )

"""One run: a cluster, its users, the faults of a schedule, and what was seen of it all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.audit import audit, levels
from tests.faults.cluster import Cluster, cluster, settings
from tests.faults.history import History
from tests.faults.injector import Injector
from tests.faults.invariants import returns_to_start
from tests.faults.schedule import Action, Clock
from tests.faults.services import Services
from tests.faults.traffic import Traffic, until

#: Seconds for everything to end once nothing is broken, and for levels to go down.
SETTLED, DOWN = 90.0, 20.0


@dataclass(frozen=True)
class Scale:
    """Seconds of a lease, of a stopped process and of a stalled link; and how long a response may
    wait, and run."""

    lease: float
    stop: float
    stall: float
    waiting: float
    running: float


SHORT_SCALE = Scale(lease=2.0, stop=5.0, stall=3.0, waiting=120.0, running=60.0)
#: Leases as shipped. What waits behind an answer that is taken over twice has to wait for both.
LONG_SCALE = Scale(lease=30.0, stop=45.0, stall=30.0, waiting=300.0, running=600.0)


@dataclass
class Stage:
    """Everything that a scenario acts on. Of a mutation the nodes are started as such."""

    nodes: Cluster
    traffic: Traffic
    history: History
    clock: Clock = field(default_factory=Clock)

    def injector(self, scale: Scale) -> Injector:
        return Injector(
            self.nodes,
            self.traffic,
            self.history,
            self.clock,
            stop=scale.stop,
            stall=scale.stall,
        )


@asynccontextmanager
async def stage(
    services: Services,
    folder: Path,
    *,
    seed: int,
    scale: Scale = SHORT_SCALE,
    users: int | None = None,
    mutation: str | None = None,
    more: dict[str, str] | None = None,
    settled: float = SETTLED,
) -> AsyncIterator[Stage]:
    """A cluster with its users. When the scenario has ended, everybody gets what is theirs, and
    the history is completed. ``more``: settings of the nodes; ``settled``: see `SETTLED`."""
    history = History(allowed=scale.waiting + scale.running, unrest=3 * scale.lease)
    own = settings(scale.lease, scale.waiting, scale.running) | (more or {})
    async with cluster(services, folder, own, mutation=mutation) as nodes:
        traffic = Traffic(nodes, history, seed)
        try:
            await traffic.start(users=users)
            history.start = await levels(nodes)
            yield Stage(nodes, traffic, history)
            await traffic.end()
            await until(lambda: traffic.done, settled + 3 * scale.lease)
            await audit(nodes, traffic, history)
        finally:
            await traffic.stop()
        await _back_to_start(nodes, history)
        history.odd += nodes.bugs()


async def run(
    services: Services,
    folder: Path,
    actions: Iterable[Action],
    *,
    seed: int,
    scale: Scale = SHORT_SCALE,
    seconds: float = float("inf"),
) -> History:
    """Do ``actions`` one after the other, beginning none after ``seconds``, while fifty clients
    talk."""
    async with stage(services, folder, seed=seed, scale=scale) as on:
        injector = on.injector(scale)
        on.traffic.begin()
        for action in actions:
            if on.clock.now > seconds:
                break
            await on.clock.pause(action.after)
            await injector.perform(action)
        await on.clock.pause(1.0)
    return on.history


async def _back_to_start(nodes: Cluster, history: History) -> None:
    """Look until everything is given back, or does not seem to be."""
    clock = Clock()
    history.end = await levels(nodes)
    while list(returns_to_start(history)) and clock.now < DOWN:
        await clock.pause(0.5)
        history.end = await levels(nodes)

"""Does what the schedule says to the parts of a cluster, each fault to its end."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, Final

from tests.faults.cluster import Cluster, Node
from tests.faults.history import Fault, History
from tests.faults.link import CommitGate, Link
from tests.faults.schedule import ON_THE_WIRE, WORKER_FAULTS, Action, Clock
from tests.faults.traffic import Traffic, until

#: What a message asks of the model, so that the moment lasts until it is found; and its words.
PROBES: Final = {
    "before_token": ("delay=2 chunks=20 rate=20", 20),
    "mid_answer": ("chunks=40 rate=20", 40),
    "before_commit": ("delay=0.6 chunks=12 rate=20", 12),
    "after_commit": ("delay=0.6 chunks=12 rate=20", 12),
}
#: Words that must be written before an answer is in its middle.
MIDDLE: Final = 8
#: Seconds in which a moment has to come: its user may have others waiting before it. On a busy
#: machine it may pass between two looks; then another message is sent.
FOUND: Final = 40.0
TRIES: Final = 3
#: Bytes a second of a link that dribbles.
DRIBBLE: Final = 4000.0


class Injector:
    """``stall``: seconds of a link that passes nothing; ``stop``: of a process that is stopped."""

    def __init__(
        self,
        cluster: Cluster,
        traffic: Traffic,
        history: History,
        clock: Clock,
        *,
        stop: float,
        stall: float,
    ) -> None:
        self._cluster = cluster
        self._traffic = traffic
        self._history = history
        self._clock = clock
        self._stop = stop
        self._stall = stall
        self._table: dict[str, Callable[[random.Random, Action], Awaitable[str]]] = {
            **dict.fromkeys(WORKER_FAULTS, self._at_a_moment),
            "kill_api": self._kill_api,
            "rolling_restart": self._rolling_restart,
            "flushall": self._flushall,
            "restart_redis": self._restart_redis,
            "restart_broker": self._restart_broker,
            "restart_store": self._restart_store,
            "terminate_backends": self._terminate_backends,
            "link_reset": self._link_reset,
            "link_stall": self._link_stall,
            "link_dribble": self._link_dribble,
            "ring_again": self._ring_again,
            "cancel_race": self._cancel_race,
            "remove_account": self._remove_account,
        }

    async def perform(self, action: Action) -> None:
        begun = time.time()
        target = await self._table[action.fault](random.Random(action.chance), action)
        fault = Fault(action.fault, target, begun, time.time(), self._loses_log(action.fault))
        self._history.faults.append(fault)

    def _loses_log(self, fault: str) -> bool:
        services = self._cluster.services
        if fault == "restart_broker":
            return services.broker is services.redis and services.cluster is None
        return fault == "flushall" or (fault == "restart_redis" and services.cluster is None)

    # --- workers -----------------------------------------------------------------------------

    async def _at_a_moment(self, rng: random.Random, action: Action) -> str:
        """Kill or stop the worker that is at a response of ours in this moment of it."""
        what, _, moment = action.fault.partition("_")
        for _ in range(TRIES):
            if (name := await self._caught(rng, what, moment)) is not None:
                return name
        self._history.odd.append(f"nothing ever came to {action.fault}")
        return "nobody"

    async def _caught(self, rng: random.Random, what: str, moment: str) -> str | None:
        """Whom it befell; None: the moment was over before anybody had looked."""
        text, words = PROBES[moment]
        user = rng.choice(self._traffic.users)
        body = {"model": "scripted", "input": text, "background": True}
        response_id = await self._traffic.send(user, body, words, rng)
        async with AsyncExitStack() as stack:
            gates = self._gates(response_id, moment, stack)
            node = await self._found(response_id, moment, gates)
            if node is None:
                return None
            if what == "kill":
                await node.down(signal.SIGKILL)
            else:
                node.send(signal.SIGSTOP)
                await self._clock.pause(self._stop)
                node.send(signal.SIGCONT)
        if what == "kill":
            await node.up()
        return node.name

    def _gates(self, response_id: str, moment: str, stack: AsyncExitStack) -> dict[str, CommitGate]:
        """A gate before each worker's store, which opens when ``stack`` is left."""
        gates: dict[str, CommitGate] = {}
        if moment in ON_THE_WIRE:
            for node in self._cluster.workers:
                gate = CommitGate(response_id, after=moment == "after_commit")
                gates[node.name] = gate
                node.links["store"].tap = gate
                stack.callback(_untap, node.links["store"], gate)
        return gates

    async def _found(
        self, response_id: str, moment: str, gates: dict[str, CommitGate]
    ) -> Node | None:
        found: list[Node] = []

        def look() -> bool:
            if gates:
                found.extend(n for n in self._cluster.workers if gates[n.name].reached.is_set())
                return bool(found)
            node = self._cluster.worker_at(response_id)
            if node is None:
                return False
            calls = [c for (one, _), c in node.calls().items() if one == response_id]
            if moment == "mid_answer" and (calls[-1].get("last") or 0) < MIDDLE:
                return False
            found.append(node)
            return True

        await until(look, FOUND, every=0.02)
        return found[0] if found else None

    # --- whole nodes -------------------------------------------------------------------------

    async def _kill_api(self, rng: random.Random, action: Action) -> str:
        node = rng.choice(self._cluster.apis)
        await node.down(signal.SIGKILL)
        await node.up()
        return node.name

    async def _rolling_restart(self, rng: random.Random, action: Action) -> str:
        nodes = rng.sample(self._cluster.nodes, len(self._cluster.nodes))
        for node in nodes:
            await node.down()
            await node.up()
        return "all nodes"

    # --- services ----------------------------------------------------------------------------

    async def _flushall(self, rng: random.Random, action: Action) -> str:
        services = self._cluster.services
        servers = [services.redis, *(services.cluster.primaries if services.cluster else ())]
        for server in servers:
            await asyncio.to_thread(server.cli, "FLUSHALL")
        return "Redis"

    async def _restart_redis(self, rng: random.Random, action: Action) -> str:
        await asyncio.to_thread(self._cluster.services.redis.restart)
        return "Redis"

    async def _restart_broker(self, rng: random.Random, action: Action) -> str:
        broker = self._cluster.services.broker
        await asyncio.to_thread(broker.restart)
        return broker.name

    async def _restart_store(self, rng: random.Random, action: Action) -> str:
        store = self._cluster.services.store
        await asyncio.to_thread(store.restart)
        return store.name

    async def _terminate_backends(self, rng: random.Random, action: Action) -> str:
        services = self._cluster.services
        await asyncio.to_thread(services.store.disconnect_all, services.database)
        return services.store.name

    # --- links -------------------------------------------------------------------------------

    def _link(self, rng: random.Random, action: Action) -> tuple[str, Link]:
        node = rng.choice(self._cluster.nodes)
        return f"{node.name} to {action.service}", node.links[action.service]

    async def _link_reset(self, rng: random.Random, action: Action) -> str:
        name, link = self._link(rng, action)
        link.reset()
        return name

    async def _link_stall(self, rng: random.Random, action: Action) -> str:
        name, link = self._link(rng, action)
        link.stall()
        await self._clock.pause(self._stall)
        link.heal()
        return name

    async def _link_dribble(self, rng: random.Random, action: Action) -> str:
        name, link = self._link(rng, action)
        link.dribble(DRIBBLE)
        await self._clock.pause(self._stall)
        link.heal()
        return name

    # --- deliveries and requests -------------------------------------------------------------

    async def _ring_again(self, rng: random.Random, action: Action) -> str:
        """Whatever was ever accepted, ended or not, twice each and in no order."""
        known = sorted({reply.response_id for reply in self._history.replies})
        rings = [one for one in known[-60:] for _ in range(2)]
        rng.shuffle(rings)
        await self._cluster.services.ring(rings)
        return f"{len(rings)} rings"

    async def _cancel_race(self, rng: random.Random, action: Action) -> str:
        """Cancel some answers about when they end."""

        async def one(seed: int) -> None:
            own = random.Random(seed)
            user = own.choice(self._traffic.users)
            body: dict[str, Any] = {"model": "scripted", "background": True}
            body["input"] = "delay=0.3 chunks=10 rate=100"
            response_id = await self._traffic.send(user, body, 10, own)
            await self._clock.pause(own.uniform(0.2, 0.6))
            await self._traffic.cancel(user, response_id)

        await asyncio.gather(*(one(rng.randrange(2**32)) for _ in range(8)))
        return "8 answers"

    async def _remove_account(self, rng: random.Random, action: Action) -> str:
        """A user goes who has an answer before their eyes, and others waiting behind it."""
        user = await self._traffic.newcomer()
        body: dict[str, Any] = {"model": "scripted", "input": "chunks=80 rate=20"}
        body |= {"background": True, "conversation": user.conversation}
        first = await self._traffic.send(user, body, 80, rng)
        await self._traffic.send(user, body, 80, rng)
        views = [device.views[first] for device in user.devices if first in device.views]
        if not await until(lambda: any("w5" in view.folded for view in views), FOUND):
            self._history.odd.append(f"nobody saw {first} begin")
        await self._traffic.leave(user)
        return user.id


def _untap(link: Link, gate: CommitGate) -> None:
    gate.passed.set()
    link.tap = None

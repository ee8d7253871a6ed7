"""Which fault comes when: drawn from a seed, and from nothing else."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["redis", "amqp", "kafka", "nats"]
KINDS: Final[tuple[Kind, ...]] = ("redis", "amqp", "kafka", "nats")
StoreKind = Literal["postgresql", "mariadb"]

#: What a worker is doing when it is killed or stopped; the last two are seen on PostgreSQL's wire.
MOMENTS: Final = ("before_token", "mid_answer", "before_commit", "after_commit")
ON_THE_WIRE: Final = frozenset({"before_commit", "after_commit"})

WORKER_FAULTS: Final = tuple(f"{what}_{when}" for what in ("kill", "stop") for when in MOMENTS)
OTHER_FAULTS: Final = (
    "kill_api",
    "rolling_restart",
    "flushall",
    "restart_redis",
    "restart_broker",
    "restart_store",
    "terminate_backends",
    "link_reset",
    "link_stall",
    "link_dribble",
    "ring_again",
    "cancel_race",
    "remove_account",
)
FAULTS: Final = WORKER_FAULTS + OTHER_FAULTS

#: What links run to.
SERVICES: Final = ("store", "log", "queue")


@dataclass(frozen=True)
class Action:
    """``after``: seconds of calm before it. ``chance`` seeds whatever it has to choose itself."""

    after: float
    fault: str
    service: str
    chance: int


class Clock:
    """The scenario's own: every pause that is planned, and no other, is taken here."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    @property
    def now(self) -> float:
        """Seconds since it was made."""
        return time.monotonic() - self._begun

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def possible(store: StoreKind) -> tuple[str, ...]:
    """The faults that this store allows."""
    if store == "postgresql":
        return FAULTS
    return tuple(f for f in FAULTS if f.partition("_")[2] not in ON_THE_WIRE)


def planned(
    seed: int,
    kind: Kind,
    *,
    store: StoreKind = "postgresql",
    faults: tuple[str, ...],
    calm: tuple[float, float] = (0.2, 1.5),
) -> tuple[Action, ...]:
    """Each of ``faults`` once, in an order and at distances that the seed chooses."""
    rng = random.Random(f"{seed}/{kind}/{store}")
    order = rng.sample(faults, len(faults))
    return tuple(_action(rng, fault, calm) for fault in order)


def endless(
    seed: int,
    kind: Kind,
    *,
    store: StoreKind = "postgresql",
    calm: tuple[float, float] = (0.5, 6.0),
) -> Iterator[Action]:
    """Faults for as long as one likes: all that are possible, shuffled, and again."""
    rng = random.Random(f"{seed}/{kind}/{store}/endless")
    while True:
        faults = possible(store)
        for fault in rng.sample(faults, len(faults)):
            yield _action(rng, fault, calm)


def _action(rng: random.Random, fault: str, calm: tuple[float, float]) -> Action:
    return Action(
        after=round(rng.uniform(*calm), 3),
        fault=fault,
        service=rng.choice(SERVICES),
        chance=rng.randrange(2**32),
    )


#: The short form: every kind of queue, every fault at least once over all.
SHORT: Final[dict[Kind, tuple[StoreKind, tuple[str, ...]]]] = {
    "redis": (
        "postgresql",
        (
            "kill_before_token",
            "stop_mid_answer",
            "restart_redis",
            "ring_again",
            "link_stall",
            "remove_account",
        ),
    ),
    "amqp": (
        "postgresql",
        (
            "kill_mid_answer",
            "kill_before_commit",
            "stop_after_commit",
            "restart_broker",
            "terminate_backends",
            "link_reset",
        ),
    ),
    "kafka": (
        "mariadb",
        ("stop_before_token", "flushall", "restart_broker", "cancel_race", "remove_account"),
    ),
    "nats": (
        "postgresql",
        (
            "kill_after_commit",
            "stop_before_commit",
            "kill_api",
            "restart_store",
            "link_dribble",
            "rolling_restart",
        ),
    ),
}

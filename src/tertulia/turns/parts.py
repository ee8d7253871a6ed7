"""What the pipeline works with: the ports, and the numbers that steer it."""

from __future__ import annotations

from dataclasses import dataclass, field

from tertulia.domain.admission import Limits
from tertulia.ports.bus import Bus
from tertulia.ports.eventlog import EventLog
from tertulia.ports.judge import Judge
from tertulia.ports.model import Models
from tertulia.ports.queue import Queue
from tertulia.ports.store import Store
from tertulia.turns.capacity import Capacity
from tertulia.turns.pace import Pace


@dataclass(frozen=True, slots=True)
class Timing:
    """All in seconds, but where the name says otherwise."""

    lease: float = 30.0
    renew: float = 10.0
    sweep: float = 2.0
    #: After which an admitted response that nobody has claimed is rung for again.
    ring_again: float = 2.0
    waiting: float = 120.0
    running: float = 600.0
    cancel_check: float = 1.0
    reader_recheck: float = 2.0
    flush_bytes: int = 256
    grace: float = 20.0
    log_retention: float = 3600.0
    ephemeral: float = 600.0
    abandoned: float = 30.0
    undo: float = 600.0
    max_crashes: int = 3
    feed_history: int = 1000


@dataclass(frozen=True, slots=True)
class Parts:
    """Assembled once by ``bootstrap`` and handed to every step."""

    store: Store
    log: EventLog
    queue: Queue
    models: Models
    #: Of this process alone: see `bounds`.
    limits: Limits = field(default_factory=Limits)
    timing: Timing = field(default_factory=Timing)
    pace: Pace = field(default_factory=Pace)
    #: None: nothing is held back.
    judge: Judge | None = None
    #: None: nobody else is to be told.
    bus: Bus | None = None
    #: Responses that the queue could not be rung for; tried again by every sweep of this process.
    #: Should it die, the sweepers of others ring for them.
    unrung: set[str] = field(default_factory=set)
    capacity: Capacity = field(default_factory=Capacity)

    @property
    def bounds(self) -> Limits:
        """The limits over all processes, as they are now."""
        return self.capacity.over(self.limits)

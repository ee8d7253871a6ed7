"""What a measure is, and the stage on which one is taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType

from benchmarks.dialect import System
from benchmarks.processes import Upstream
from benchmarks.systems import Bench, Server
from benchmarks.wire import model_id

#: Named figures of one run of one system.
Figures = dict[str, float]
#: What the names of figures begin with that say how many milliseconds of CPU a turn took of one
#: part of the server, or of one service beside it.
OF = "of_"


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the report.

    ``figure``: its key in the figures of the measure. ``aim``: the most that the product may show
    (the least, where ``more`` is better); with ``times_floor`` as a multiple of the floor's.
    ``table``: what a floor took when the aims were set, on two cores; None where it has none.
    """

    title: str
    figure: str
    unit: str
    aim: float
    more: bool = False
    times_floor: bool = False
    table: float | None = None


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured; tests take less."""

    users: int = 300
    chunks: int = 200
    #: Chunks a second.
    rate: int = 50
    #: Seconds over which the many users begin.
    ramp: float = 4.0
    few: int = 20
    few_turns: int = 10
    few_chunks: int = 50
    short_turns: int = 100
    fair_messages: int = 100
    fair_chunks: int = 20
    unpaced_users: int = 4
    unpaced_turns: int = 20
    unpaced_chunks: int = 5000
    idle: int = 1000
    idle_seconds: float = 50.0
    #: Seconds from the last handshake until idleness is measured.
    idle_calm: float = 11.0
    starts: int = 5
    chats: int = 200
    long_turns: int = 500
    long_chunks: int = 40
    reads: int = 200
    #: Seconds after the last answer in which what comes after answers (titles) is still counted.
    settle: float = 1.5
    # Of the cluster:
    hundred: int = 100
    hundred_turns: int = 3
    pair: int = 50
    thousand: int = 1000
    slow_chunks: int = 100
    slow_rate: int = 10
    lengths: tuple[int, ...] = (100, 200, 400, 800, 1600, 3200)
    #: Seconds after which a reader's connection breaks, and until it is back, at most.
    breaks: float = 1.0
    away: float = 0.3


Run = Callable[[Bench, Scale, System], Figures]


@dataclass(frozen=True, slots=True)
class Measure:
    """``run`` takes it once, of one system. ``once``: one run is enough, since nothing of it
    varies. ``floorless``: the floor can do nothing of the kind."""

    name: str
    about: str
    run: Run
    rows: tuple[Row, ...]
    once: bool = False
    floorless: bool = False


@dataclass(slots=True)
class Stage:
    """A server, and the model server that it asks."""

    server: Server
    upstream: Upstream


@contextmanager
def stage(
    bench: Bench,
    system: System,
    *models: tuple[int, int],
    core: int | None = None,
    nodes: int = 1,
    changes: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Stage]:
    """Both running; the model server offers ``models`` (chunks, rate). For the others see
    `Bench.start`."""
    names = [model_id(*model) for model in models]
    with Upstream(names, bench.folder()) as upstream:
        server = bench.start(system, upstream.url, names, core=core, nodes=nodes, changes=changes)
        with server.process:
            yield Stage(server, upstream)

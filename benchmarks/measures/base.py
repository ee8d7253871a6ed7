"""What a measure is, and the stage on which one is taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.dialect import System
from benchmarks.processes import Upstream
from benchmarks.systems import Bench, Server
from benchmarks.wire import model_id

#: Named figures of one run of one system.
Figures = dict[str, float]


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


Run = Callable[[Bench, Scale, System], Figures]


@dataclass(frozen=True, slots=True)
class Measure:
    """``run`` takes it once, of one system. ``once``: one run is enough, since nothing of it
    varies."""

    name: str
    about: str
    run: Run
    rows: tuple[Row, ...]
    once: bool = False


@dataclass(slots=True)
class Stage:
    """A server, and the model server that it asks."""

    server: Server
    upstream: Upstream


@contextmanager
def stage(
    bench: Bench, system: System, *models: tuple[int, int], core: int | None = None
) -> Iterator[Stage]:
    """Both running; the model server offers ``models`` (chunks, rate). ``core``: the only one
    that the server may use."""
    names = [model_id(*model) for model in models]
    with Upstream(names, bench.folder()) as upstream:
        server = bench.start(system, upstream.url, names, core=core)
        with server.process:
            yield Stage(server, upstream)

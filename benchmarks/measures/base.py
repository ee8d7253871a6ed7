"""What a measure is, and how one is taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmarks.dialect import System
from benchmarks.processes import Client, Upstream
from benchmarks.systems import HOST, Bench, Server
from benchmarks.wire import model_id

#: Named figures of one run of one system.
Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the report.

    ``figure``: its key in the figures of the measure. ``aim``: the most that the product may show
    (the least, where ``more`` is better); with ``times_floor`` as a multiple of the floor's.
    ``table``: what the floor was found to take when the aims were set.
    """

    title: str
    figure: str
    unit: str
    aim: float | None = None
    more: bool = False
    times_floor: bool = False
    table: float | None = None
    #: Whether slowness of the floor itself shows in this row.
    floor_bound: bool = True


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured; tests take less."""

    users: int = 300
    chunks: int = 200
    rate: int = 50
    few: int = 20
    ramp: float = 4.0
    short_turns: int = 60
    unpaced_chunks: int = 5000
    unpaced_turns: int = 10
    idle: int = 1000
    idle_seconds: float = 30.0
    starts: int = 5
    chats: int = 200
    long_turns: int = 500
    reads: int = 200


Run = Callable[[Bench, Scale, System], Figures]


@dataclass(frozen=True, slots=True)
class Measure:
    """``run`` takes it once, of one system."""

    name: str
    about: str
    run: Run
    rows: tuple[Row, ...]
    #: Fewer runs than asked for are enough, or of one system only.
    once: bool = False
    systems: tuple[System, ...] = ("floor", "product")
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Stage:
    """A server under load: what a measure works with."""

    server: Server
    upstream: Upstream

    @property
    def tokens(self) -> list[str]:
        return list(self.server.tokens)

    @property
    def target(self) -> dict[str, str | int]:
        return {"host": HOST, "port": self.server.port}


@contextmanager
def stage(
    bench: Bench,
    system: System,
    *models: tuple[int, int],
    core: int | None = None,
) -> Iterator[Stage]:
    """A server and a model server that offers ``models`` (chunks, rate)."""
    names = [model_id(*model) for model in models]
    folder = bench.folder()
    with Upstream(names, folder) as upstream:
        server = bench.start(system, upstream.url, names, core)
        with server.process:
            yield Stage(server, upstream)


__all__ = ["Bench", "Client", "Figures", "Measure", "Row", "Scale", "Stage", "stage"]

"""A whole session: floor and product in turns, several runs, and the figures in the middle."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.dialect import System
from benchmarks.measures import Figures, Measure, Scale
from benchmarks.processes import ROOT
from benchmarks.systems import Bench

#: Figures that no run may have, so that one bad run is not hidden by two good ones.
COUNTED = ("errors",)


@dataclass(frozen=True, slots=True)
class Machine:
    """What it was measured on. ``load``: others' work when it began, in cores."""

    processor: str
    cores: int
    memory_gb: float
    system: str
    python: str
    load: float

    @classmethod
    def here(cls) -> Machine:
        info = Path("/proc/cpuinfo").read_text()
        named = [line for line in info.splitlines() if line.startswith("model name")]
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return cls(
            processor=named[0].partition(": ")[2] if named else platform.machine(),
            cores=len(os.sched_getaffinity(0)),
            memory_gb=pages / 2**30,
            system=f"{platform.system()} {platform.release()}",
            python=platform.python_version(),
            load=os.getloadavg()[0],
        )

    def __str__(self) -> str:
        return (
            f"{self.cores} cores of {self.processor}, {self.memory_gb:.0f} GB, {self.system}, "
            f"Python {self.python}; load before the first run {self.load:.1f}"
        )


@dataclass(slots=True)
class Taken:
    """The figures of one measure: by system, one set for each run."""

    measure: Measure
    runs: dict[System, list[Figures]] = field(default_factory=dict)

    def median(self, system: System, figure: str) -> float | None:
        """None if the system was not measured."""
        values = [figures[figure] for figures in self.runs.get(system, ())]
        if not values:
            return None
        return sum(values) if figure in COUNTED else statistics.median(values)


@dataclass(slots=True)
class Session:
    """All that a report says."""

    machine: Machine
    command: str
    commit: str
    date: str
    taken: list[Taken] = field(default_factory=list)


def take(
    bench: Bench,
    measures: Iterable[Measure],
    scale: Scale,
    *,
    systems: Sequence[System] = ("floor", "product"),
    runs: int = 3,
    command: str = "make bench",
) -> Session:
    """Measure; each run's figures are printed as they come."""
    session = Session(
        machine=Machine.here(),
        command=command,
        commit=_commit() if bench.source == ROOT / "src" else "",
        date=time.strftime("%Y-%m-%d", time.gmtime()),
    )
    for measure in measures:
        print(f"{measure.name}: {measure.about}", flush=True)
        taken = Taken(measure)
        session.taken.append(taken)
        for _ in range(1 if measure.once else runs):
            for system in systems:
                if measure.floorless and system == "floor":
                    continue
                figures = measure.run(bench, scale, system)
                taken.runs.setdefault(system, []).append(figures)
                print(f"  {system:8} {_shown(figures)}", flush=True)
    return session


def _shown(figures: Figures) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in figures.items())


def _commit() -> str:
    """Empty outside a checkout; with a ``+`` if it was changed since."""
    git = ("git", "-C", str(ROOT))
    head = subprocess.run(
        [*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    if head.returncode:
        return ""
    changed = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", "src"], check=False).returncode
    return head.stdout.strip() + ("+" if changed else "")

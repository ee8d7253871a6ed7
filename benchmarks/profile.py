"""Where the product's time goes under the many users: sampled by py-spy, sorted by module."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from benchmarks.measures import OF, Scale
from benchmarks.measures.base import stage
from benchmarks.measures.turns import loop
from benchmarks.processes import Process
from benchmarks.systems import Bench

#: Samples a second.
RATE = 200
#: Lines of each table.
LONGEST = 25

_OPTIONS = (
    *("--rate", str(RATE), "--format", "raw"),
    *("--threads", "--function", "--full-filenames"),
)
_NUMBER = re.compile(r"[-_ ]\d+( .*)?\Z")
_THREAD = re.compile(r"thread \((?P<id>\d+)\): (?P<name>.*)")
_FRAME = re.compile(r"(?P<name>.+) \((?P<path>[^()]*?)(:\d+)?\)\Z")

_Key = TypeVar("_Key")
Weights: TypeAlias = defaultdict[_Key, float]


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of CPU for each turn, sampling included: of all, and of each thread."""

    all: float
    threads: dict[int, float]


def record(bench: Bench, scale: Scale, file: Path, part: str = "") -> Cost:
    """Sample the server while the many users are at work, into folded stacks, which
    speedscope.app shows. ``part``: which of its processes, if it is several; then there are fewer
    users.

    Raises:
        RuntimeError: py-spy is not there, or may not look into the server.
    """
    spy = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
    if spy is None:
        raise RuntimeError("py-spy is not installed: run `make dev`")
    with stage(bench, "product", (scale.chunks, scale.rate)) as on:
        server = on.server.processes[part] if part else on.server.process
        assert isinstance(server, Process)
        before = server.threads()
        sampling = subprocess.Popen(
            [spy, "record", *_OPTIONS, "--pid", str(server.pid), "--output", str(file)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            figures = loop(
                on,
                users=scale.hundred if part else scale.users,
                turns=2,
                chunks=scale.chunks,
                rate=scale.rate,
                ramp=scale.ramp,
                settle=scale.settle,
            )
        finally:
            sampling.send_signal(signal.SIGINT)
            said = sampling.communicate()[1]
        used = {
            thread: seconds - before.get(thread, 0.0)
            for thread, seconds in server.threads().items()
        }
    if not file.exists():
        raise RuntimeError(f"py-spy has recorded nothing: {said[-500:]}")
    each = {thread: 1000 * seconds / figures["turns"] for thread, seconds in used.items()}
    return Cost(figures[f"{OF}{part}" if part else "cpu_ms"], each)


@dataclass(frozen=True, slots=True)
class Frame:
    """A function: its name and the module it is in."""

    name: str
    module: str

    @property
    def ours(self) -> bool:
        return self.module.startswith("tertulia.")

    def __str__(self) -> str:
        return f"{self.module}: {self.name}"


@dataclass(slots=True)
class Profile:
    """Milliseconds a turn: by kind of thread, by the function at work, by every function under
    way, and by the module of ours for which it was done (where there is none: the library)."""

    samples: int
    threads: Weights[str]
    alone: Weights[Frame]
    within: Weights[Frame]
    owners: Weights[str]


def read(file: Path, cost: Cost) -> Profile:
    """Folded stacks: a thread, frames from the outside in, and how often they were seen.

    A thread that waits is often taken for one that works, so what a sample weighs is by what its
    thread has used.
    """
    stacks = []
    seen: Counter[int] = Counter()
    for line in file.read_text().splitlines():
        stack, _, number = line.rpartition(" ")
        first, *texts = stack.split(";")
        thread = _THREAD.match(first)
        frames = [frame for text in texts if (frame := _frame(text)) is not None]
        if thread is None or not frames:
            continue
        stacks.append((thread, frames, int(number)))
        seen[int(thread["id"])] += int(number)
    weights: list[Weights[Any]] = [defaultdict(float) for _ in range(4)]
    found = Profile(seen.total(), *weights)
    for thread, frames, count in stacks:
        number_ = int(thread["id"])
        weight = count * cost.threads.get(number_, 0.0) / seen[number_]
        found.threads[_NUMBER.sub("", thread["name"])] += weight
        found.alone[frames[-1]] += weight
        for frame in set(frames):
            found.within[frame] += weight
        ours = [frame for frame in frames if frame.ours]
        found.owners[ours[-1].module if ours else f"({_package(frames)})"] += weight
    return found


def _frame(text: str) -> Frame | None:
    match = _FRAME.match(text)
    return Frame(match["name"], _module(match["path"])) if match else None


def _module(path: str) -> str:
    """``tertulia.turns.read`` of its file; of a library, its package; else the file's name."""
    plain = path.removesuffix(".py").removesuffix("/__init__")
    for mark in ("/src/", "/site-packages/"):
        if mark in plain:
            words = plain.rpartition(mark)[2].split("/")
            return ".".join(words if words[0] == "tertulia" else words[:1])
    return "python:" + plain.rpartition("/")[2]


def _package(frames: list[Frame]) -> str:
    """The innermost library at work, Python's own modules aside."""
    for frame in reversed(frames):
        if not frame.module.startswith("python:"):
            return frame.module
    return "python"


def markdown(found: Profile, cost: Cost, date: str, of: str = "300 users") -> str:
    ours = {frame: weight for frame, weight in found.within.items() if frame.ours}
    head = (
        f"Recorded on {date} by `python -m benchmarks --profile`: {of}, {found.samples:,} "
        f"samples, {cost.all:.1f} ms of CPU a turn with the sampling.\n"
    )
    tables = (
        _table("thread", found.threads),
        _table("done for", found.owners),
        _table("at work", found.alone),
        _table("under way", ours),
    )
    return "\n".join((head, *tables))


def _table(title: str, weights: Mapping[Any, float]) -> str:
    most = sorted(weights.items(), key=lambda one: -one[1])[:LONGEST]
    out = [f"| {title} | ms a turn |", "|---|--:|"]
    out += [f"| `{key}` | {weight:.2f} |" for key, weight in most]
    return "\n".join(out) + "\n"

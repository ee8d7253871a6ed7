"""Where the product's time goes under the many users: sampled by py-spy, sorted by module."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measures import Scale
from benchmarks.measures.base import stage
from benchmarks.measures.turns import loop
from benchmarks.systems import Bench

#: Samples a second.
RATE = 200
#: Lines of each table.
LONGEST = 25

_NUMBER = re.compile(r"[-_ ]\d+( .*)?\Z")
_FRAME = re.compile(r"(?P<name>.+) \((?P<path>[^()]*?)(:\d+)?\)\Z")


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of CPU for each turn, sampling included: of all, and by kind of thread."""

    all: float
    threads: dict[str, float]


def record(bench: Bench, scale: Scale, file: Path) -> Cost:
    """Sample the server while the many users are at work, into folded stacks, which
    speedscope.app shows.

    Raises:
        RuntimeError: py-spy is not there, or may not look into the server.
    """
    spy = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
    if spy is None:
        raise RuntimeError("py-spy is not installed: run `make dev`")
    with stage(bench, "product", (scale.chunks, scale.rate)) as on:
        server = on.server.process
        before = server.threads()
        sampling = subprocess.Popen(
            [
                *(spy, "record", "--pid", str(server.pid), "--rate", str(RATE)),
                *("--format", "raw", "--function", "--full-filenames", "--output", str(file)),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            figures = loop(
                on,
                users=scale.users,
                turns=2,
                chunks=scale.chunks,
                rate=scale.rate,
                ramp=scale.ramp,
                settle=scale.settle,
            )
        finally:
            sampling.send_signal(signal.SIGINT)
            said = sampling.communicate()[1]
        names = _names(spy, server.pid)
        used: defaultdict[str, float] = defaultdict(float)
        for thread, seconds in server.threads().items():
            name = _NUMBER.sub("", names.get(thread, "of a library"))
            used[name] += seconds - before.get(thread, 0.0)
    if not file.exists():
        raise RuntimeError(f"py-spy has recorded nothing: {said[-500:]}")
    turns = figures["turns"]
    each = {
        name: 1000 * seconds / turns
        for name, seconds in sorted(used.items(), key=lambda one: -one[1])
    }
    return Cost(figures["cpu_ms"], each)


def _names(spy: str, pid: int) -> dict[int, str]:
    """What Python calls the threads that the kernel numbers."""
    said = subprocess.run(
        [spy, "dump", "--json", "--pid", str(pid)], capture_output=True, check=True
    ).stdout
    return {
        thread["os_thread_id"]: thread["thread_name"] or "unnamed" for thread in json.loads(said)
    }


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
    """Samples: by the function at work, by every function under way, and by the module of ours
    for which it was done (where there is none: by the library)."""

    total: int
    alone: Counter[Frame]
    within: Counter[Frame]
    owners: Counter[str]


def read(file: Path) -> Profile:
    """Folded stacks: frames from the outside in, and how often they were seen."""
    found = Profile(0, Counter(), Counter(), Counter())
    for line in file.read_text().splitlines():
        stack, _, number = line.rpartition(" ")
        count = int(number)
        frames = [frame for text in stack.split(";") if (frame := _frame(text)) is not None]
        if not frames:
            continue
        found.total += count
        found.alone[frames[-1]] += count
        for frame in set(frames):
            found.within[frame] += count
        ours = [frame for frame in frames if frame.ours]
        owner = ours[-1].module if ours else f"({_package(frames)})"
        found.owners[owner] += count
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


def markdown(found: Profile, cost: Cost, date: str) -> str:
    total = max(found.total, 1)
    ours = Counter({frame: count for frame, count in found.within.items() if frame.ours})
    head = (
        f"Recorded on {date} by `python -m benchmarks --profile`: 300 users, {found.total:,} "
        f"samples, {cost.all:.1f} ms of CPU a turn with the sampling.\n"
    )
    threads = ["| thread | CPU a turn |", "|---|--:|"]
    threads += [f"| {name} | {each:.1f} ms |" for name, each in cost.threads.items()]
    return "\n".join(
        [
            head,
            "\n".join(threads) + "\n",
            _table("done for", found.owners, total),
            _table("at work", found.alone, total),
            _table("under way", ours, total),
        ]
    )


def _table(title: str, counts: Counter[Frame] | Counter[str], total: int) -> str:
    out = [f"| {title} | share |", "|---|--:|"]
    out += [f"| `{key}` | {count / total:.1%} |" for key, count in counts.most_common(LONGEST)]
    return "\n".join(out) + "\n"

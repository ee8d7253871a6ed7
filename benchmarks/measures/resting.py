"""A server that nobody asks anything: how fast it starts, what it holds, what silence costs."""

from __future__ import annotations

import statistics
import time

from benchmarks.dialect import System
from benchmarks.jobs import Idle
from benchmarks.measures.base import Figures, Measure, Row, Scale, Stage, stage
from benchmarks.processes import Client
from benchmarks.systems import HOST, Bench

#: Seconds for what follows a start to be over.
_CALM = 1.0


def start(bench: Bench, scale: Scale, system: System) -> Figures:
    """Medians of several starts. ``first_seconds``: with a new data folder, which is once."""
    seconds, memory = [], []
    for _ in range(scale.starts):
        server = bench.start(system)
        with server.process:
            seconds.append(server.seconds)
            time.sleep(_CALM)
            memory.append(server.process.rss())
    first = bench.start(system, fresh=True)
    first.process.stop()
    return {
        "seconds": statistics.median(seconds),
        "first_seconds": first.seconds,
        "megabytes": statistics.median(memory) / 1e6,
    }


def idle(bench: Bench, scale: Scale, system: System) -> Figures:
    """As long as two pings (every 25 s), and late enough for the minute's check of who the
    devices are to fall into it."""
    with stage(bench, system, (1, 0)) as on:
        # The first devices bring in what all of them share.
        tokens = list(on.server.tokens[: scale.users])
        _held(on, tokens, max(scale.idle // 50, 1))
        before = on.server.process.rss()
        memory, cpu, errors = _held(on, tokens, scale.idle, scale.idle_calm, scale.idle_seconds)
    return {
        "kilobytes": (memory - before) / scale.idle / 1000,
        "cpu_percent": 100 * cpu,
        "errors": errors,
    }


def _held(
    on: Stage, tokens: list[str], connections: int, calm: float = 0.0, seconds: float = 0.0
) -> tuple[int, float, int]:
    """Memory (bytes) and share of a core while so many devices are connected, and how many of
    them were lost."""
    server = on.server
    job = Idle(
        system=server.system,
        host=HOST,
        port=server.port,
        tokens=tokens,
        connections=connections,
    )
    with Client(job, server.folder) as client:
        client.say("go")
        client.expect("connected")
        time.sleep(calm)
        before = server.process.cpu()
        time.sleep(seconds)
        used = server.process.cpu() - before
        memory = server.process.rss()
        client.say("enough")
        result = client.result()
    return memory, used / seconds if seconds else 0.0, result.errors


MEASURES = (
    Measure(
        "idle",
        "1,000 devices on the feed for 50 s, in which each is pinged twice",
        idle,
        (
            Row("memory of an idle feed connection", "kilobytes", "KB", 25, table=18),
            Row("CPU with 1,000 idle", "cpu_percent", "%", 1.2, table=1),
            Row("idle connections lost", "errors", "", 0),
        ),
        once=True,
    ),
    Measure(
        "start",
        "starts with a data folder in use; before a model is loaded",
        start,
        (
            Row("start to first /healthz", "seconds", "s", 1.0, table=0.4),
            Row("memory before a model", "megabytes", "MB", 90, table=34),
        ),
    ),
)

"""Turns in a closed loop: what they cost, how many there are, and how late their words come."""

from __future__ import annotations

import time

from benchmarks.dialect import System
from benchmarks.jobs import Load
from benchmarks.measures.base import Figures, Measure, Row, Scale, Stage, stage
from benchmarks.processes import Client
from benchmarks.systems import HOST, Bench
from benchmarks.wire import FIRST_SECONDS

#: Seconds after the last answer in which what comes after answers (titles) is still counted.
SETTLE = 1.5


def loaded(on: Stage, scale: Scale, **job: float) -> Figures:
    """The figures of one loop. ``job``: users, turns, chunks, rate and ramp."""
    server = on.server
    ask = Load(
        system=server.system,
        host=HOST,
        port=server.port,
        tokens=on.tokens,
        users=int(job["users"]),
        turns=int(job["turns"]),
        chunks=int(job["chunks"]),
        rate=int(job["rate"]),
        ramp=job.get("ramp", 0.0),
    )
    del scale
    with Client(ask, server.folder) as client:
        before, up = server.process.cpu(), on.upstream.cpu()
        client.say("go")
        result = client.result()
        upstream_cpu = (on.upstream.cpu() - up) / result.seconds
        time.sleep(SETTLE)
        cpu = server.process.cpu() - before
    for kind, count in result.failures.items():
        print(f"    {server.system}: {count} × {kind}")
    return {
        "turns": result.turns,
        "errors": result.errors,
        "seconds": result.seconds,
        "cpu_ms": 1000 * cpu / max(result.turns, 1),
        "turns_per_second": result.turns / result.seconds,
        "first_p50_ms": result.first_p50_ms,
        "first_p99_ms": result.first_p99_ms,
        "gap_p50_ms": result.gap_p50_ms,
        "gap_p99_ms": result.gap_p99_ms,
        "server_cpu": cpu / (result.seconds + SETTLE),
        "client_cpu": result.client_cpu,
        "upstream_cpu": upstream_cpu,
    }


def ideal(scale: Scale, users: int, turns: int = 2) -> float:
    """Turns a second of a loop in which nothing takes any time but the model."""
    last = scale.ramp * (users - 1) / users
    return users * turns / (last + turns * (FIRST_SECONDS + (scale.chunks - 1) / scale.rate))


def many(bench: Bench, scale: Scale, system: System) -> Figures:
    with stage(bench, system, (scale.chunks, scale.rate)) as on:
        figures = loaded(
            on,
            scale,
            users=scale.users,
            turns=2,
            chunks=scale.chunks,
            rate=scale.rate,
            ramp=scale.ramp,
        )
    return figures | {"ideal": ideal(scale, scale.users)}


def few(bench: Bench, scale: Scale, system: System) -> Figures:
    """Answers are a quarter as long, so that there are enough first words for a percentile."""
    chunks = max(scale.chunks // 4, 1)
    with stage(bench, system, (chunks, scale.rate)) as on:
        return loaded(
            on,
            scale,
            users=scale.few,
            turns=10 if scale.users > scale.few else 1,
            chunks=chunks,
            rate=scale.rate,
            ramp=chunks / scale.rate,
        )


def short(bench: Bench, scale: Scale, system: System) -> Figures:
    with stage(bench, system, (1, 0)) as on:
        # What is made once, on the first turns, is not what is asked about.
        loaded(on, scale, users=scale.few, turns=1, chunks=1, rate=0)
        return loaded(on, scale, users=scale.few, turns=scale.short_turns, chunks=1, rate=0)


def unpaced(bench: Bench, scale: Scale, system: System) -> Figures:
    chunks = scale.unpaced_chunks
    with stage(bench, system, (chunks, 0), core=0) as on:
        loaded(on, scale, users=4, turns=1, chunks=chunks, rate=0)
        figures = loaded(on, scale, users=4, turns=scale.unpaced_turns, chunks=chunks, rate=0)
    figures["chunks_per_second"] = figures["turns_per_second"] * chunks
    figures["chunks_per_cpu_second"] = 1000 * chunks / max(figures["cpu_ms"], 1e-9)
    return figures


CPU300 = Measure(
    "cpu300",
    "300 users, two turns each of 200 chunks at 50/s",
    many,
    (
        Row("server CPU per turn, K=300", "cpu_ms", "ms", 1.6, times_floor=True, table=12.8),
        Row("turns/s, K=300", "turns_per_second", "/s", 48.0, more=True, table=49.3),
        Row("errors, K=300", "errors", "", 0.0),
        Row("first token added p99, K=300", "first_p99_ms", "ms", 150.0, table=115.0),
        Row("gap between deltas p99, K=300", "gap_p99_ms", "ms", 55.0, table=34.0),
    ),
)
FIRST20 = Measure(
    "first20",
    "20 users, ten turns each of 50 chunks at 50/s",
    few,
    (
        Row("first token added p50, K=20", "first_p50_ms", "ms", 6.0, table=2.3),
        Row("first token added p99, K=20", "first_p99_ms", "ms", 25.0, table=12.0),
    ),
)
CHAT20 = Measure(
    "chat20",
    "20 users, new chats with one-chunk answers",
    short,
    (
        Row("CPU of a new chat with a one-chunk answer, K=20", "cpu_ms", "ms", 2.5, table=0.46),
        Row("its turns/s", "turns_per_second", "/s", 350.0, more=True, table=1763.0),
        Row("its errors", "errors", "", 0.0),
    ),
)
UNPACED = Measure(
    "unpaced",
    "four streams of 5,000 chunks as fast as they go, the server held to one core",
    unpaced,
    (
        Row(
            "unpaced chunks/s on one core",
            "chunks_per_second",
            "/s",
            80_000.0,
            more=True,
            table=167_000.0,
        ),
    ),
)

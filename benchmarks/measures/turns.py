"""Turns in a closed loop: what they cost, how many there are, and how late their words come."""

from __future__ import annotations

import time
from collections.abc import Mapping

from benchmarks.dialect import System
from benchmarks.jobs import Load
from benchmarks.measures.base import OF, Figures, Measure, Row, Scale, Stage, stage
from benchmarks.processes import Client, machine_cpu
from benchmarks.systems import HOST, Bench, Meters
from benchmarks.wire import FIRST_SECONDS


def loop(
    on: Stage,
    *,
    users: int,
    turns: int,
    chunks: int,
    rate: int,
    ramp: float = 0.0,
    settle: float = 0.0,
) -> Figures:
    """The figures of one closed loop of ``users``."""
    server = on.server
    job = Load(
        system=server.system,
        host=HOST,
        ports=list(server.ports),
        tokens=list(server.tokens),
        users=users,
        turns=turns,
        chunks=chunks,
        rate=rate,
        ramp=ramp,
    )
    with Client(job, server.folder) as client:
        server_before, upstream_before = server.process.cpu(), on.upstream.cpu()
        parts_before, services_before = read(server.parts), read(server.services)
        all_before = machine_cpu()
        client.say("go")
        result = client.result()
        upstream = on.upstream.cpu() - upstream_before
        known = server.process.cpu() - server_before + upstream
        known += result.client_cpu * result.seconds
        known += sum(used_since(services_before, server.services).values())
        others = machine_cpu() - all_before - known
        time.sleep(settle)
        cpu = server.process.cpu() - server_before
        apart = used_since(parts_before, server.parts)
        apart |= used_since(services_before, server.services)
    each = 1000 / max(result.turns, 1)
    for kind, count in result.failures.items():
        print(f"    {server.system}: {count} × {kind}")
    return {
        "turns": result.turns,
        "errors": result.errors,
        "seconds": result.seconds,
        "cpu_ms": each * cpu,
        "turns_per_second": result.turns / result.seconds,
        "first_p50_ms": result.first_p50_ms,
        "first_p99_ms": result.first_p99_ms,
        "gap_p50_ms": result.gap_p50_ms,
        "gap_p99_ms": result.gap_p99_ms,
        "server_cpu": cpu / (result.seconds + settle),
        "client_cpu": result.client_cpu,
        "upstream_cpu": upstream / result.seconds,
        "others_cpu": max(others, 0.0) / result.seconds,
        "bytes_read": result.bytes_read,
        **{f"{OF}{name}": each * seconds for name, seconds in apart.items()},
    }


def read(meters: Meters) -> dict[str, float]:
    return {name: meter() for name, meter in meters.items()}


def used_since(before: Mapping[str, float], meters: Meters) -> dict[str, float]:
    return {name: meter() - before[name] for name, meter in meters.items()}


def ideal(scale: Scale) -> float:
    """Turns a second of the many users if nothing took any time but the model."""
    last = scale.ramp * (scale.users - 1) / scale.users
    answer = FIRST_SECONDS + (scale.chunks - 1) / scale.rate
    return scale.users * 2 / (last + 2 * answer)


def many(bench: Bench, scale: Scale, system: System) -> Figures:
    with stage(bench, system, (scale.chunks, scale.rate)) as on:
        figures = loop(
            on,
            users=scale.users,
            turns=2,
            chunks=scale.chunks,
            rate=scale.rate,
            ramp=scale.ramp,
            settle=scale.settle,
        )
    return figures | {"ideal": ideal(scale)}


def few(bench: Bench, scale: Scale, system: System) -> Figures:
    """Answers are shorter than those of the many, so that there are enough first words for a
    percentile."""
    with stage(bench, system, (scale.few_chunks, scale.rate)) as on:
        return loop(
            on,
            users=scale.few,
            turns=scale.few_turns,
            chunks=scale.few_chunks,
            rate=scale.rate,
            ramp=scale.few_chunks / scale.rate,
        )


def short(bench: Bench, scale: Scale, system: System) -> Figures:
    with stage(bench, system, (1, 0)) as on:
        # What is done once, at the first turns, is not what is asked about.
        loop(on, users=scale.few, turns=1, chunks=1, rate=0)
        return loop(
            on, users=scale.few, turns=scale.short_turns, chunks=1, rate=0, settle=scale.settle
        )


def unpaced(bench: Bench, scale: Scale, system: System) -> Figures:
    users, chunks = scale.unpaced_users, scale.unpaced_chunks
    with stage(bench, system, (chunks, 0), core=0) as on:
        loop(on, users=users, turns=1, chunks=chunks, rate=0)
        figures = loop(on, users=users, turns=scale.unpaced_turns, chunks=chunks, rate=0)
    figures["chunks_per_second"] = figures["turns_per_second"] * chunks
    return figures


MEASURES = (
    Measure(
        "cpu300",
        "300 users, two turns each, of 200 chunks at 50/s",
        many,
        (
            Row("server CPU per turn, K=300", "cpu_ms", "ms", 1.6, times_floor=True, table=12.8),
            Row("turns/s, K=300", "turns_per_second", "/s", 48, more=True, table=49.3),
            Row("errors, K=300", "errors", "", 0),
            Row("first token added, p99, K=300", "first_p99_ms", "ms", 150, table=115),
            Row("gap between deltas, p99, K=300", "gap_p99_ms", "ms", 55, table=34),
        ),
    ),
    Measure(
        "first20",
        "20 users, ten turns each, of 50 chunks at 50/s",
        few,
        (
            Row("first token added, p50, K=20", "first_p50_ms", "ms", 6, table=2.3),
            Row("first token added, p99, K=20", "first_p99_ms", "ms", 25, table=12),
        ),
    ),
    Measure(
        "chat20",
        "20 users, 100 new chats each, of one chunk",
        short,
        (
            Row("CPU of a new chat with a one-chunk answer, K=20", "cpu_ms", "ms", 2.5, table=0.46),
            Row("turns/s of such, K=20", "turns_per_second", "/s", 350, more=True, table=1763),
            Row("errors of such, K=20", "errors", "", 0),
        ),
    ),
    Measure(
        "unpaced",
        "4 users, 20 turns each, of 5,000 chunks without pause; the server has one core",
        unpaced,
        (
            Row(
                "unpaced chunks/s on one core",
                "chunks_per_second",
                "/s",
                80_000,
                more=True,
                table=167_000,
            ),
        ),
    ),
)

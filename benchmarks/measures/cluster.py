"""What a cluster is held to: turns, resumed streams, a thousand at once, devices, bytes."""

from __future__ import annotations

from benchmarks.dialect import System
from benchmarks.jobs import Result, Resume
from benchmarks.measures import fair
from benchmarks.measures.base import Figures, Measure, Row, Scale, Stage, stage
from benchmarks.measures.resting import idle
from benchmarks.measures.turns import loop
from benchmarks.measures.volume import MEASURE
from benchmarks.processes import Client
from benchmarks.systems import HOST, Bench

#: CPU a turn with twice the nodes and twice the users, as a multiple of that with one of each.
FLAT = 1.1
#: One worker is to run all of the thousand.
_SLOTS = {"TERTULIA_TURNS__SLOTS": "1024"}
_SEED = 1


def _paced(
    bench: Bench, scale: Scale, system: System, users: int, turns: int, nodes: int = 1
) -> Figures:
    chunks, rate = scale.chunks, scale.rate
    with stage(bench, system, (1, 0), (chunks, rate), nodes=nodes) as on:
        # What is done once, at the first turns, is not what is asked about.
        loop(on, users=2 * scale.few, turns=1, chunks=1, rate=0)
        return loop(
            on,
            users=users,
            turns=turns,
            chunks=chunks,
            rate=rate,
            ramp=scale.ramp,
            settle=scale.settle,
        )


def hundred(bench: Bench, scale: Scale, system: System) -> Figures:
    return _paced(bench, scale, system, scale.hundred, scale.hundred_turns)


def many(bench: Bench, scale: Scale, system: System) -> Figures:
    return _paced(bench, scale, system, scale.users, 2)


def pair(bench: Bench, scale: Scale, system: System) -> Figures:
    """Twice the nodes for twice the users; ``flat``: as a multiple of one of each. Both are
    measured twice, in turns: what a machine's cycle is worth drifts meanwhile."""
    ones: list[Figures] = []
    twos: list[Figures] = []
    for _ in range(2):
        ones.append(_paced(bench, scale, system, scale.pair, 2))
        twos.append(_paced(bench, scale, system, 2 * scale.pair, 2, nodes=2))
    one, two = _mean(ones), _mean(twos)
    errors = sum(figures["errors"] for figures in ones + twos)
    return two | {"errors": errors, "one_ms": one["cpu_ms"], "flat": two["cpu_ms"] / one["cpu_ms"]}


def _mean(runs: list[Figures]) -> Figures:
    return {name: sum(run[name] for run in runs) / len(runs) for name in runs[0]}


def short(bench: Bench, scale: Scale, system: System) -> Figures:
    with stage(bench, system, (1, 0)) as on:
        loop(on, users=2 * scale.few, turns=1, chunks=1, rate=0)
        turns = max(scale.short_turns // 2, 1)
        return loop(on, users=scale.few, turns=turns, chunks=1, rate=0, settle=scale.settle)


def thousand(bench: Bench, scale: Scale, system: System) -> Figures:
    """All are under way at once: they begin in less time than an answer takes."""
    chunks, rate = scale.slow_chunks, scale.slow_rate
    with stage(bench, system, (chunks, rate), changes=_SLOTS) as on:
        return loop(
            on,
            users=scale.thousand,
            turns=1,
            chunks=chunks,
            rate=rate,
            ramp=0.8 * chunks / rate,
            settle=scale.settle,
        )


def resume(bench: Bench, scale: Scale, system: System) -> Figures:
    """Each stream is gone on with at the other of two API nodes."""
    with stage(bench, system, (scale.chunks, scale.rate), nodes=2) as on:
        # As above: connections are made, statements prepared.
        _resumed(on, scale, scale.few)
        result = _resumed(on, scale, scale.hundred)
    for kind, count in result.failures.items():
        print(f"    {system}: {count} × {kind}")
    return {
        "turns": result.turns,
        "errors": result.errors,
        "resumes": result.resumes,
        "resume_p50_ms": result.resume_p50_ms,
        "resume_p99_ms": result.resume_p99_ms,
    }


def _resumed(on: Stage, scale: Scale, users: int) -> Result:
    server = on.server
    job = Resume(
        host=HOST,
        ports=list(server.ports),
        tokens=list(server.tokens),
        users=users,
        chunks=scale.chunks,
        rate=scale.rate,
        ramp=scale.ramp * users / scale.hundred,
        most=scale.breaks,
        away=scale.away,
        seed=_SEED,
    )
    with Client(job, server.folder) as client:
        client.say("go")
        return client.result()


MEASURES = (
    Measure(
        "k100",
        "100 users, three turns each, of 200 chunks at 50/s",
        hundred,
        (
            Row("CPU of api and worker per turn, K=100", "cpu_ms", "ms", 3, times_floor=True),
            Row("errors, K=100", "errors", "", 0),
            Row("first token added, p50, K=100", "first_p50_ms", "ms", 15),
            Row("first token added, p99, K=100", "first_p99_ms", "ms", 100),
            Row("gap between deltas, p99, K=100", "gap_p99_ms", "ms", 60),
        ),
    ),
    Measure(
        "k300",
        "300 users, two turns each, of 200 chunks at 50/s",
        many,
        (
            Row("CPU of api and worker per turn, K=300", "cpu_ms", "ms", 3, times_floor=True),
            Row("errors, K=300", "errors", "", 0),
        ),
    ),
    Measure(
        "thousand",
        "1,000 users, one turn each, of 100 chunks at 10/s",
        thousand,
        (Row("turns lost of 1,000 streams at once", "errors", "", 0),),
    ),
    Measure(
        "resume",
        "100 readers whose connection breaks again and again, and who go on at the other node",
        resume,
        (
            Row("resumed: first event missed, p99", "resume_p99_ms", "ms", 150),
            Row("resumed streams with a gap, a double or another text", "errors", "", 0),
        ),
        floorless=True,
    ),
    Measure(
        "devices",
        "1,000 devices on the feed of one API node for 50 s, in which each is pinged twice",
        idle,
        (
            Row("memory of an idle feed connection", "kilobytes", "KB", 25),
            Row("idle connections lost", "errors", "", 0),
        ),
        once=True,
    ),
    Measure(
        "short",
        "20 users, 50 new chats each, of one chunk",
        short,
        (Row("errors of new chats with a one-chunk answer", "errors", "", 0),),
    ),
    Measure(
        "pair",
        "two api and two workers, 100 users, two turns each, of 200 chunks at 50/s",
        pair,
        (
            Row("CPU per turn, 2 + 2 nodes and K=100 : 1 + 1 and K=50", "flat", "", FLAT),
            Row("errors with 2 + 2 nodes", "errors", "", 0),
        ),
        floorless=True,
    ),
    MEASURE,
    *fair.MEASURES,
)

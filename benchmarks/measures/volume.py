"""How many bytes an answer takes: in Redis, in PostgreSQL, and on the wire."""

from __future__ import annotations

from benchmarks.cluster import Cluster
from benchmarks.dialect import System
from benchmarks.measures.base import Figures, Measure, Row, Scale, stage
from benchmarks.measures.turns import loop
from benchmarks.systems import Bench

#: Answers of each length.
_ANSWERS = 4
#: Chunks a second: some come together, as they do from a quick model.
_RATE = 500
#: Of all logs together, their keys and all that Redis keeps beside.
_MEMORY = """
local sum = 0
for _, key in ipairs(redis.call('KEYS', 'tertulia-*')) do
  sum = sum + (redis.call('MEMORY', 'USAGE', key, 'SAMPLES', 0) or 0)
end
return sum
"""


def volume(bench: Bench, scale: Scale, system: System) -> Figures:
    """Bytes for each answer by its length, and how much steeper they grow from the middle of the
    lengths to the longest than from the shortest to the middle."""
    assert isinstance(bench, Cluster)
    redis = bench.services.redis
    figures: Figures = {"errors": 0}
    models = [(length, _RATE) for length in scale.lengths]
    with stage(bench, system, (1, 0), *models) as on:
        loop(on, users=_ANSWERS, turns=1, chunks=1, rate=0)
        for length in scale.lengths:
            held, sent = _held(bench), int(redis.info("total_net_input_bytes"))
            done = loop(on, users=_ANSWERS, turns=1, chunks=length, rate=_RATE)
            figures["errors"] += done["errors"]
            figures[f"redis_{length}"] = (_held(bench) - held) / _ANSWERS
            figures[f"to_redis_{length}"] = (
                int(redis.info("total_net_input_bytes")) - sent
            ) / _ANSWERS
            figures[f"wire_{length}"] = done["bytes_read"] / _ANSWERS
    for what in ("redis", "to_redis", "wire"):
        figures[f"{what}_bend"] = _bend([(n, figures[f"{what}_{n}"]) for n in scale.lengths])
    return figures


def _held(bench: Cluster) -> int:
    return int(bench.services.redis.cli("EVAL", _MEMORY, "0"))


def _bend(points: list[tuple[int, float]]) -> float:
    """1 where bytes grow linearly; with the square of the length they would be some 9."""
    first, middle, last = points[0], points[len(points) // 2], points[-1]
    return _slope(middle, last) / _slope(first, middle)


def _slope(one: tuple[int, float], other: tuple[int, float]) -> float:
    return (other[1] - one[1]) / (other[0] - one[0])


MEASURE = Measure(
    "bytes",
    "answers of 100 to 3,200 chunks at 500/s",
    volume,
    (
        Row("bytes in Redis per chunk, 800 to 3,200 : 100 to 800", "redis_bend", "", 1.25),
        Row("bytes to Redis per chunk, the same", "to_redis_bend", "", 1.25),
        Row("bytes to the client per chunk, the same", "wire_bend", "", 1.25),
    ),
    once=True,
    floorless=True,
)

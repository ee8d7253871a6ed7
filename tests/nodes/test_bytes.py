"""What an answer costs in bytes grows linearly with its length: in Redis, in the store, on every
wire. Bytes are counted, not time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from tests.nodes.conftest import Fleet
from tests.nodes.test_together import PERSON
from tests.support.services.redis import RedisServer

WORDS = (1000, 2000, 4000)
#: For what a moment may change: how many deltas went out together, how often a timer looked.
MARGIN = 1.15

_OF_KEYS = """
local sum = 0
for _, key in ipairs(redis.call('KEYS', ARGV[1])) do
  sum = sum + redis.call('MEMORY', 'USAGE', key, 'SAMPLES', 0)
end
return sum
"""
_ROWS = (
    "SELECT sum(pg_column_size(r.*)) FROM responses r WHERE r.id = $1",
    "SELECT sum(pg_column_size(i.*)) FROM items i WHERE i.response_id = $1",
)


@pytest.fixture
def quiet_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """Nobody else's bytes are in it, or on their way to it."""
    folder = tmp_path / "quiet"
    folder.mkdir()
    server = RedisServer(folder)
    server.start()
    yield server
    server.stop()


async def test_bytes_per_answer_are_linear_in_its_length(
    fleet: Fleet, quiet_redis: RedisServer
) -> None:
    on_redis = {"eventlog": quiet_redis.url, "cache": quiet_redis.url, "queue": quiet_redis.url}
    api = await fleet.node("api", **on_redis)
    await fleet.node("worker", **on_redis)
    client = await api.client(await api.register(PERSON))

    async def answer(words: int) -> tuple[str, int]:
        """A response's id, and the bytes that its reader got."""
        body = {"model": f"scripted-{words}x0", "input": "go", "stream": True}
        async with client.stream("POST", "/v1/responses", json=body) as stream:
            read = await stream.aread()
        assert read.count(b"event: response.completed") == 1
        response_id = read.partition(b'"id":"resp_')[2].partition(b'"')[0].decode()
        return f"resp_{response_id}", len(read)

    database = await asyncpg.connect(fleet.store)
    try:
        await answer(10)  # connections are made, scripts are sent
        costs = []
        for words in WORDS:
            came, went = wires(quiet_redis)
            response_id, read = await answer(words)
            came_after, went_after = wires(quiet_redis)
            costs.append(
                {
                    "wire": read,
                    "to redis": came_after - came,
                    "from redis": went_after - went,
                    "redis": int(quiet_redis.cli("EVAL", _OF_KEYS, "0", f"*{{{response_id}}}*")),
                    "store": await stored(database, response_id),
                }
            )
    finally:
        await database.close()

    for what in costs[0]:
        sizes = [cost[what] for cost in costs]
        # A quadratic cost would be four times as much for twice the words.
        for shorter, longer in pairwise(sizes):
            assert longer < 2 * shorter * MARGIN, (what, costs)
        assert sizes[-1] > 1.5 * sizes[0], (what, costs)


def wires(redis: RedisServer) -> tuple[int, int]:
    """Bytes that Redis has got and has sent, from its start."""
    return int(redis.info("total_net_input_bytes")), int(redis.info("total_net_output_bytes"))


async def stored(database: Any, response_id: str) -> int:
    """Bytes of a response's row and items, as they lie in the tables."""
    return sum([await database.fetchval(sql, response_id) or 0 for sql in _ROWS])

"""One connection to Redis, under the loop that serves."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.services.redis import RedisServer

from tertulia.adapters.redis.address import parse
from tertulia.adapters.redis.wire import connect, pack

uvloop = pytest.importorskip("uvloop")


def test_what_is_written_to_a_broken_connection_is_lost(redis_server: RedisServer) -> None:
    async def run() -> None:
        address = parse(redis_server.url, setting="eventlog")
        wire = await connect(address, address.places[0], seconds=20)
        lost = asyncio.Event()
        wire.lost = lost.set
        wire.abort()
        wire.write(pack(["PING"]))
        await lost.wait()
        wire.write(pack(["PING"]))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())

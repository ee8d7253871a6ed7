"""The queues that the suite is for: each on its real broker, as several processes would open it."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.support.services.process import Service
from tests.support.services.redis import RedisServer

from tertulia.adapters.queue.broker import BrokerQueue, Tuning
from tertulia.adapters.queue.memory import MemoryQueue
from tertulia.adapters.queue.opening import open_queue
from tertulia.ports.queue import Queue

#: Fixture of the server of each kind of broker.
SERVERS = {
    "redis": "lasting_redis",
    "rabbitmq": "rabbitmq_server",
    "kafka": "kafka_server",
    "nats": "nats_server",
}
#: Those that a test may take from the others: a partition of Kafka belongs to one process, full or
#: not, and an offset can not be left behind.
SINGLE = ("redis", "rabbitmq", "nats")
#: Tansu keeps its topics in memory, whatever a Kafka does.
LASTING = ("redis", "rabbitmq", "nats")

OFTEN = {"check": 0.2, "longest_pause": 0.2}
ROOT = Path(__file__).parents[2]

_numbers = itertools.count()


@dataclass
class House:
    """One broker, and the processes of one deployment of the test's own."""

    kind: str
    url: str
    service: Service
    deployment: str = field(default_factory=lambda: f"test-{next(_numbers)}")
    opened: list[BrokerQueue] = field(default_factory=list)

    async def open(self, deployment: str | None = None, **tuning: Any) -> BrokerQueue:
        """As one more process would. It looks often, since tests wait for what it finds."""
        given = Tuning(**{**OFTEN, **tuning})
        queue = await open_queue(
            self.url, deployment or self.deployment, tuning=given, **self.options
        )
        assert isinstance(queue, BrokerQueue)
        self.opened.append(queue)
        return queue

    @property
    def options(self) -> dict[str, Any]:
        # Half of a session passes in joining Tansu's groups.
        return {"session": 1.0, "partitions": 4} if self.kind == "kafka" else {}

    def taker(self, **tuning: Any) -> subprocess.Popen[str]:
        """A process of its own, that tells what it took."""
        given = [json.dumps(each) for each in ({**OFTEN, **tuning}, self.options)]
        return subprocess.Popen(
            [sys.executable, "-m", "tests.support.taker", self.url, self.deployment, *given],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    async def close(self) -> None:
        for queue in self.opened:
            await queue.close()


@pytest.fixture(scope="session")
def lasting_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One that keeps its data; who pauses or stops it sees to it that it serves again."""
    server = RedisServer(tmp_path_factory.mktemp("redis"), appendonly="yes")
    try:
        server.start()
        yield server
    finally:
        server.stop()


def house_at(request: pytest.FixtureRequest, kind: str) -> House:
    server = request.getfixturevalue(SERVERS[kind])
    return House(kind, server.url, server)


async def _house(request: pytest.FixtureRequest) -> AsyncIterator[House]:
    house = house_at(request, request.param)
    try:
        yield house
    finally:
        await house.close()


@pytest.fixture(params=SERVERS)
async def house(request: pytest.FixtureRequest) -> AsyncIterator[House]:
    async for opened in _house(request):
        yield opened


@pytest.fixture(params=SINGLE)
async def single_house(request: pytest.FixtureRequest) -> AsyncIterator[House]:
    async for opened in _house(request):
        yield opened


@pytest.fixture
async def kafka_house(request: pytest.FixtureRequest) -> AsyncIterator[House]:
    house = house_at(request, "kafka")
    try:
        yield house
    finally:
        await house.close()


#: Opens a queue as another process of the same deployment.
OpenQueue = Callable[[], Any]


@pytest.fixture(params=("memory", *SERVERS, "redis-cluster"))
async def opener(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OpenQueue]:
    if request.param == "memory":
        queue = MemoryQueue()  # of one process, whoever asks

        async def same() -> Queue:
            return queue

        yield same
        await queue.close()
        return
    if request.param == "redis-cluster":
        cluster = request.getfixturevalue("redis_cluster")
        house = House("redis", cluster.url, cluster)
    else:
        house = house_at(request, request.param)
    yield house.open
    await house.close()


@pytest.fixture
async def queue(opener: OpenQueue) -> Queue:
    opened: Queue = await opener()
    return opened

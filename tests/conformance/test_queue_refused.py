"""Settings of a queue that no waiting would mend: a clear message, which names the setting."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aio_pika
import nats
import pytest
import structlog
from nats.js.api import StreamConfig
from redis.asyncio import Redis
from tests.support.services.kafka import Kafka
from tests.support.services.nats import Nats
from tests.support.services.process import Service
from tests.support.services.rabbitmq import RabbitMq
from tests.support.services.redis import RedisPair, RedisServer

from tertulia.adapters.queue.broker import BrokerQueue, Tuning
from tertulia.adapters.queue.opening import open_queue
from tertulia.errors import Misconfigured

SECRET = "correct-horse"
SETTING = "TERTULIA_QUEUE"


@contextmanager
def running(service: Service) -> Iterator[Service]:
    try:
        service.start()
        yield service
    finally:
        service.stop()


@asynccontextmanager
async def opened(url: str, **options: Any) -> AsyncIterator[BrokerQueue]:
    queue = await open_queue(url, "house", **options)
    assert isinstance(queue, BrokerQueue)
    try:
        yield queue
    finally:
        await queue.close()


async def _refusal(url: str, deployment: str = "house", **options: Any) -> str:
    with structlog.testing.capture_logs() as logs, pytest.raises(Misconfigured) as raised:
        await open_queue(url, deployment, **options)
    said = str(raised.value)
    assert said.startswith(f"{SETTING}: ")
    assert SECRET not in said
    assert SECRET not in str(logs)
    return said


@pytest.mark.parametrize(
    "url", ["mysql://127.0.0.1", "", "redis//127.0.0.1", f"http://ana:{SECRET}@127.0.0.1"]
)
async def test_a_url_of_another_kind(url: str) -> None:
    assert "begins with none of memory, redis" in await _refusal(url)


@pytest.mark.parametrize("url", ["kafka://", f"kafka+ssl://ana:{SECRET}@", "kafka:9092"])
async def test_a_kafka_url_without_a_host(url: str) -> None:
    assert "looks like kafka://" in await _refusal(url)


@pytest.mark.parametrize("name", ["", "a.b", "x" * 65, "Köln", "two words"])
@pytest.mark.parametrize("kind", ["redis", "amqp", "kafka", "nats"])
async def test_a_name_that_no_queue_can_have(kind: str, name: str) -> None:
    assert "cannot be part of a queue's name" in await _refusal(f"{kind}://127.0.0.1:1", name)


async def test_a_client_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "tertulia.adapters.queue.nats", raising=False)
    monkeypatch.setitem(sys.modules, "nats", None)
    assert "pip install 'tertulia[nats]'" in await _refusal("nats://127.0.0.1:1")


async def test_a_wrong_password_for_redis(tmp_path: Path) -> None:
    with running(RedisServer(tmp_path, requirepass="right")) as server:
        place = f"127.0.0.1:{server.port}"
        for login in (f":{SECRET}@", f"ana:{SECRET}@", ""):
            wrong = await _refusal(f"redis://{login}{place}")
            assert f"Redis at {place} lets nobody in with this user name and password" in wrong


async def test_a_wrong_password_for_rabbitmq(rabbitmq_server: RabbitMq) -> None:
    place = f"127.0.0.1:{rabbitmq_server.port}"
    wrong = await _refusal(f"amqp://guest:{SECRET}@{place}/")
    assert f"RabbitMQ at {place} refuses the user name or password" in wrong
    elsewhere = await _refusal(f"amqp://{place}/elsewhere")
    assert "virtual host" in elsewhere


async def test_a_wrong_password_for_nats(tmp_path: Path) -> None:
    with running(Nats(tmp_path, "--user", "ana", "--pass", "right")) as server:
        place = f"127.0.0.1:{server.port}"
        wrong = await _refusal(f"nats://ana:{SECRET}@{place}")
        assert f"NATS at {place} refuses the user name, password or token" in wrong


async def test_a_wrong_password_for_kafka(tmp_path: Path) -> None:
    with running(Kafka(tmp_path, "--authentication")) as server:
        place = f"127.0.0.1:{server.port}"
        # Tansu answers PLAIN by hanging up, which could be anything.
        wrong = await _refusal(f"kafka://ana:{SECRET}@{place}?mechanism=SCRAM-SHA-256")
        assert f"Kafka at {place} refuses the user name or password" in wrong


async def test_a_nats_without_jetstream(tmp_path: Path) -> None:
    with running(Nats(tmp_path, jetstream=False)) as server:
        assert isinstance(server, Nats)
        assert "has no JetStream" in await _refusal(server.url)


async def test_a_stream_of_nats_that_is_something_else(nats_server: Nats) -> None:
    client = await nats.connect(nats_server.url)
    await client.jetstream().add_stream(
        StreamConfig(name="taken-house-rings", subjects=["anything"])
    )
    await client.jetstream().add_stream(StreamConfig(name="wide", subjects=["wide.>"]))
    await client.close()
    await asyncio.sleep(0)
    assert "is no work queue" in await _refusal(nats_server.url, name="taken")
    assert "whose subjects take in wide.house.rings" in await _refusal(nats_server.url, name="wide")


async def test_a_queue_of_rabbitmq_that_is_something_else(rabbitmq_server: RabbitMq) -> None:
    async with await aio_pika.connect(rabbitmq_server.url) as connection:
        channel = await connection.channel()
        await channel.declare_queue("taken.house.rings", durable=True)
    assert "with other properties" in await _refusal(rabbitmq_server.url, name="taken")


async def test_a_key_of_redis_that_is_something_else(redis_server: RedisServer) -> None:
    async with Redis.from_url(redis_server.url) as client:
        await client.set("taken:house:rings", "something")
    assert "for something else" in await _refusal(redis_server.url, name="taken")


async def test_nothing_is_said_of_a_password_when_nobody_answers() -> None:
    with structlog.testing.capture_logs() as logs:
        for kind in ("redis", "amqp", "kafka", "nats"):
            async with opened(f"{kind}://ana:{SECRET}@127.0.0.1:1", tuning=Tuning(timeout=0.5)):
                pass
    assert [one["event"] for one in logs] == ["queue_away"] * 4
    assert {one["where"] for one in logs} == {"127.0.0.1:1"}
    assert SECRET not in str(logs)


async def test_a_redis_that_has_lost_its_data(own_redis: RedisServer) -> None:
    async with opened(own_redis.url, tuning=Tuning(check=0.1)) as queue:
        waiting = asyncio.create_task(queue.take())
        with structlog.testing.capture_logs() as logs:
            own_redis.cli("FLUSHALL")
            while not [one for one in logs if one["event"] == "queue_back"]:
                await asyncio.wait([waiting], timeout=0.05)
        await queue.ring(["resp_1"])
        assert (await waiting).response_id == "resp_1"


async def test_a_redis_that_fails_over(redis_pair: RedisPair) -> None:
    async with opened(redis_pair.url, tuning=Tuning(check=0.1, longest_pause=0.2)) as queue:
        waiting = asyncio.create_task(queue.take())
        with structlog.testing.capture_logs() as logs:
            redis_pair.fail_over()
            while not [one for one in logs if one["event"] == "queue_back"]:
                await asyncio.wait([waiting], timeout=0.05)
        await queue.ring(["resp_1"])
        assert (await waiting).response_id == "resp_1"

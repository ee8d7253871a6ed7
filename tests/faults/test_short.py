"""The short form: fifty clients, every kind of queue and store, every fault once over all."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.faults.history import History
from tests.faults.invariants import violations
from tests.faults.scenario import run
from tests.faults.schedule import FAULTS, SHORT, Kind, planned
from tests.faults.services import Store, services
from tests.support.services.mariadb import MariaDB
from tests.support.services.postgres import Postgres
from tests.support.services.rabbitmq import RabbitMq
from tests.support.services.redis import RedisCluster

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

SEED = 4


async def ran(
    kind: Kind,
    folder: Path,
    store: Store,
    *,
    rabbit: RabbitMq | None = None,
    cluster: RedisCluster | None = None,
) -> History:
    store_kind, faults = SHORT[kind]
    actions = planned(SEED, kind, store=store_kind, faults=faults)
    async with services(kind, folder, store=store, rabbit=rabbit, cluster=cluster) as parts:
        return await run(parts, folder, actions, seed=SEED)


def judged(history: History, kind: Kind) -> None:
    """Nothing is violated; and there was something to violate."""
    assert violations(history) == {}
    assert set(history.faults_by_kind()) == set(SHORT[kind][1])
    assert len(history.rows) > 50
    assert any(row.attempt > 1 for row in history.rows.values())
    assert len({view.client for view in history.rendered}) == 50


async def test_redis(postgres: Postgres, tmp_path: Path) -> None:
    judged(await ran("redis", tmp_path, postgres), "redis")


async def test_rabbitmq(postgres: Postgres, rabbitmq_server: RabbitMq, tmp_path: Path) -> None:
    judged(await ran("amqp", tmp_path, postgres, rabbit=rabbitmq_server), "amqp")


async def test_kafka_over_mariadb(mariadb: MariaDB, tmp_path: Path) -> None:
    judged(await ran("kafka", tmp_path, mariadb), "kafka")


async def test_nats_and_a_redis_cluster(
    postgres: Postgres, redis_cluster: RedisCluster, tmp_path: Path
) -> None:
    judged(await ran("nats", tmp_path, postgres, cluster=redis_cluster), "nats")


def test_every_fault_has_its_turn() -> None:
    assert {fault for _, faults in SHORT.values() for fault in faults} == set(FAULTS)

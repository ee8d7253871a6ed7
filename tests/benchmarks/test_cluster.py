"""The cluster's measures against real nodes and services; nothing here asks how long it took."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks import report
from benchmarks.cluster import Cluster
from benchmarks.measures.cluster import MEASURES
from benchmarks.processes import ROOT
from benchmarks.services import Services
from benchmarks.session import take
from tests.benchmarks.test_measures import LITTLE
from tests.support.services.postgres import Postgres
from tests.support.services.rabbitmq import RabbitMq
from tests.support.services.redis import RedisServer

FEW = replace(
    LITTLE, hundred=2, hundred_turns=1, lengths=(10, 200, 400), chunks=20, breaks=0.2, away=0.1
)
NAMES = ("k100", "resume", "bytes")


@pytest.mark.e2e
def test_nodes_give_every_text_and_what_each_part_took_is_told(
    tmp_path: Path, postgres: Postgres, redis_server: RedisServer, rabbitmq_server: RabbitMq
) -> None:
    services = Services(postgres, redis_server, rabbitmq_server)
    bench = Cluster(tmp_path, 2, {}, ROOT / "src", services=services)
    chosen = [measure for measure in MEASURES if measure.name in NAMES]

    session = take(bench, chosen, FEW, systems=("product",), runs=1, command="it")

    for taken in session.taken:
        (figures,) = taken.runs["product"]
        assert figures["errors"] == 0, taken.measure.name
    k100, resume, volume = (taken.runs["product"][0] for taken in session.taken)
    assert {"of_api", "of_worker", "of_PostgreSQL", "of_Redis", "of_RabbitMQ"} <= k100.keys()
    assert resume["resumes"] > 0
    assert volume["redis_400"] > volume["redis_200"] > volume["redis_10"]
    text = report.markdown(session)
    for name in ("CPU per turn, ms | api | worker | PostgreSQL", "resumed: first event missed"):
        assert name in text

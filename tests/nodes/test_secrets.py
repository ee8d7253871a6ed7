"""URLs hold passwords: whatever is away, no line of a log repeats one."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.nodes.conftest import Fleet
from tests.nodes.test_together import PERSON, ask
from tests.support.logs import quiet_again
from tests.support.readers import until
from tests.support.services.process import free_port

from tertulia import telemetry
from tertulia.errors import TertuliaError

PASSWORD = "canary-password-88d0"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    out = io.StringIO()
    with quiet_again():
        telemetry.configure(level="debug", form="json", stream=out)
        yield out
    assert PASSWORD not in out.getvalue()


def nowhere(scheme: str) -> str:
    return f"{scheme}://someone:{PASSWORD}@127.0.0.1:{free_port()}"


@pytest.mark.parametrize("scheme", ["redis", "amqp", "kafka", "nats"])
async def test_a_queue_that_is_away(fleet: Fleet, log: io.StringIO, scheme: str) -> None:
    url = nowhere(scheme)
    api = await fleet.node("api", queue=url)
    await fleet.node("worker", queue=url)
    token = await api.register(PERSON)
    answer = await ask(api, token, "chunks=2")
    assert answer.status_code == 200
    await until(lambda: "queue_away" in log.getvalue())
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    ids = {line.get("response_id") for line in lines if line["event"].startswith("turn_")}
    assert ids == {answer.json()["id"]}


@pytest.mark.parametrize("part", ["eventlog", "cache"])
async def test_a_redis_that_is_away(fleet: Fleet, log: io.StringIO, part: str) -> None:
    api = await fleet.node("api", **{part: nowhere("redis")})
    answer = await (await api.client()).get("/readyz")
    assert answer.json()["parts"][part]["ready"] is False
    assert PASSWORD not in answer.text


@pytest.mark.parametrize("name", ["store", "keys"])
@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
async def test_a_database_that_is_away(
    fleet: Fleet, log: io.StringIO, tmp_path: Path, name: str, scheme: str
) -> None:
    changes = {name: f"{nowhere(scheme)}/tertulia"}
    with pytest.raises(TertuliaError) as caught:
        await fleet.node("api", **changes)
    assert PASSWORD not in str(caught.value)

"""``/metrics``: who may read it, and that it tells what has happened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.support.live import live
from tests.support.served import error_of
from tests.transports.conftest import Serve

from tertulia.telemetry.instruments import CONNECTIONS, SLOTS
from tertulia.telemetry.metrics import CONTENT_TYPE

ELSEWHERE: dict[str, Any] = {"client": ("192.0.2.7", 1)}
TOKEN = "a token of some length"

Samples = dict[tuple[str, ...], float]


def read(answer: httpx.Response) -> Samples:
    """Samples by name and the values of their labels, in the order of the labels' names."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == CONTENT_TYPE
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


async def test_only_this_machine_may_ask(serve: Serve) -> None:
    served = await serve()
    assert read(await (await served.client()).get("/metrics"))
    stranger = await served.client(**ELSEWHERE)
    assert error_of(await stranger.get("/metrics"), 403)["code"] == "metrics_are_local"
    for header in ("x-forwarded-for", "forwarded", "via"):
        proxied = await served.client(headers={header: "for=192.0.2.7"})
        error_of(await proxied.get("/metrics"), 403)


@pytest.mark.parametrize("metrics", ["local", "open"])
async def test_a_token_opens_it_to_its_bearer_alone(serve: Serve, metrics: str) -> None:
    served = await serve(metrics=metrics, metrics_token=TOKEN)
    for options in (dict[str, Any](), ELSEWHERE):
        for wrong in ({}, {"authorization": "Bearer x"}, {"authorization": f"Basic {TOKEN}"}):
            client = await served.client(headers=wrong, **options)
            error_of(await client.get("/metrics"), 401)
        client = await served.client(headers={"authorization": f"Bearer {TOKEN}"}, **options)
        assert read(await client.get("/metrics"))


async def test_it_can_be_opened(serve: Serve) -> None:
    served = await serve(metrics="open")
    assert read(await (await served.client(**ELSEWHERE)).get("/metrics"))


async def test_switched_off_there_is_nothing(serve: Serve) -> None:
    served = await serve(metrics="off")
    error_of(await (await served.client()).get("/metrics"), 404)


async def test_a_worker_takes_its_slots_back_once(tmp_path: Path) -> None:
    """Though it is told to stop when the process drains, and again when it ends."""
    before = SLOTS.value()
    async with live(tmp_path) as server:
        assert SLOTS.value() == before + 512
        worker = server.node.worker
        assert worker is not None
        await worker.stop()
        assert SLOTS.value() == before
    assert SLOTS.value() == before


async def test_a_turn_shows_in_the_numbers(tmp_path: Path) -> None:
    async with live(tmp_path) as server:
        client = await server.client()
        before = read(await client.get("/metrics"))
        body: dict[str, Any] = {"model": "scripted", "input": "echo: one two three"}
        answered = await client.post("/v1/responses", json=body)
        usage = answered.json()["usage"]
        refused = await client.post("/v1/responses", json={"model": "no such", "input": "x"})
        assert refused.status_code == 404
        await server.device()
        after = read(await client.get("/metrics"))

    def rise(*sample: str) -> float:
        return after.get(sample, 0) - before.get(sample, 0)

    assert rise("tertulia_submitted_total", "accepted") == 1
    assert rise("tertulia_submitted_total", "refused") == 1
    assert rise("tertulia_turns_total", "scripted", "completed") == 1
    assert rise("tertulia_claims_total", "first") == 1
    assert rise("tertulia_attempts_total", "ended") == 1
    assert rise("tertulia_turn_seconds_count", "scripted") == 1
    assert rise("tertulia_time_to_first_token_seconds_count", "scripted") == 1
    assert rise("tertulia_queue_wait_seconds_count") == 1
    assert rise("tertulia_tokens_total", "output", "scripted") == usage["output_tokens"]
    assert rise("tertulia_tokens_total", "input", "scripted") == usage["input_tokens"]
    assert rise("tertulia_errors_total", "model_not_found", "request") == 1
    assert rise("tertulia_http_requests_total", "POST", "/v1/responses", "200") == 1
    assert rise("tertulia_http_requests_total", "POST", "/v1/responses", "404") == 1
    assert rise("tertulia_connections", "feed") == 1
    assert rise("tertulia_connections", "waiting") == 0
    assert rise("tertulia_streams_open") == rise("tertulia_running") == 0
    assert before["tertulia_slots",] >= 512
    # Its server has ended.
    assert CONNECTIONS.value("feed") == before.get(("tertulia_connections", "feed"), 0)
    assert SLOTS.value() == before["tertulia_slots",] - 512
    assert before["tertulia_queue_depth", "waiting"] == 0
    assert after["process_resident_memory_bytes",] > 1e6

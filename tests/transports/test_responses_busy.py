"""More than can be done: who is refused, with which status, and when to come again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from tests.support.live import Live, live
from tests.transports.test_responses_refused import refused

from tertulia.settings import Limits, Turns


@dataclass
class Busy:
    server: Live
    #: Of the user whose response takes the one slot.
    ann: httpx.AsyncClient
    hanging: str


@pytest.fixture
async def busy(tmp_path: Path) -> AsyncIterator[Busy]:
    """With one slot, which is taken, and a turn that has told how long turns take."""
    limits = Limits(running_per_user=1, waiting_per_user=1)
    turns = Turns(slots=1, shed_wait_seconds=0.0001, grace_seconds=0)
    async with live(tmp_path, auth=True, limits=limits, turns=turns) as started:
        client = await started.client(await started.register("ann@example.org"))
        answered = await ask(client, "chunks=2", background=False)
        assert answered.json()["status"] == "completed"
        yield Busy(started, client, (await ask(client, "hang")).json()["id"])


async def ask(client: httpx.AsyncClient, text: str, **more: object) -> httpx.Response:
    body = {"model": "scripted", "input": text, "background": True, **more}
    key = {"idempotency-key": "once"} if text == "hang" else {}
    return await client.post("/v1/responses", json=body, headers=key)


async def test_what_would_wait_too_long_for_others_is_refused(busy: Busy) -> None:
    ben = await busy.server.client(await busy.server.register("ben@example.org"))
    answer = await ask(ben, "hello")
    assert refused(answer, 503)["code"] == "overloaded"
    assert int(answer.headers["retry-after"]) >= 1
    assert (await ben.get("/v1/conversations")).json()["data"] == []


async def test_what_was_accepted_is_answered_for_as_before(busy: Busy) -> None:
    again = await ask(busy.ann, "hang")
    assert (again.status_code, again.json()["id"]) == (200, busy.hanging)
    assert refused(await ask(busy.ann, "one more"), 503)["code"] == "overloaded"
    assert (await busy.ann.post(f"/v1/responses/{busy.hanging}/cancel")).is_success


async def test_whose_own_places_are_taken_is_told_when_to_come_again(tmp_path: Path) -> None:
    limits = Limits(running_per_user=1, waiting_per_user=1)
    async with live(tmp_path, limits=limits) as started:
        client = await started.client()
        for _ in range(2):
            assert (await ask(client, "chunks=9 hang at 2")).status_code == 200
        answer = await ask(client, "one more")
        assert refused(answer, 429)["code"] == "rate_limit_exceeded"
        assert int(answer.headers["retry-after"]) >= 1

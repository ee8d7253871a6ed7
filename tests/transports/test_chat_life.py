"""What becomes of chat completions: they are read once, and nothing of them stays."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.chat import PATH, chat, chunks, text_of
from tests.support.live import Live, live

from tertulia.adapters.folder import DataFolder
from tertulia.settings import Limits, Turns
from tertulia.transports import chat_completions_stream
from tertulia.turns.recover import Sweeper

#: Tables that hold something of a response.
TABLES = ("responses", "items", "frames", "logs")

REQUESTS = 20


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Live]:
    turns = Turns(grace_seconds=0, reader_recheck_seconds=0.2, abandoned_seconds=0.05)
    limits = Limits(requests_per_minute=REQUESTS, connections_per_user=2)
    async with live(tmp_path, auth=True, turns=turns, limits=limits) as started:
        yield started


@pytest.fixture
async def ann(server: Live) -> httpx.AsyncClient:
    return await server.client(await server.register("ann@example.org"))


def keyed(key: str) -> dict[str, str]:
    return {"idempotency-key": key}


def rows(folder: Path) -> int:
    with closing(sqlite3.connect(DataFolder(folder).database)) as database:
        counts = [database.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in TABLES]
    return sum(counts)


async def forgotten(server: Live) -> None:
    """Wait until nothing is left; what was abandoned goes with a purge after its end."""
    sweeper = Sweeper(server.node.services.parts)
    while rows(server.node.services.settings.data):
        await sweeper.purge()


async def until(done: Callable[[], bool]) -> None:
    while True:
        if done():
            return
        await asyncio.sleep(0)


@pytest.mark.parametrize("text", ["chunks=4", "error 503", "chunks=4 fail at 2", "length"])
async def test_nothing_stays_of_what_was_read(
    server: Live, ann: httpx.AsyncClient, text: str
) -> None:
    await ann.post(PATH, json=chat(text))
    await ann.post(PATH, json=chat(text, stream=True, store=True))
    await forgotten(server)
    assert (await ann.get("/v1/conversations")).json()["data"] == []


async def test_nobody_can_fetch_one_while_it_is_written(ann: httpx.AsyncClient) -> None:
    body = chat("chunks=3 hang at 2", stream=True)
    async with ann.stream("POST", PATH, json=body) as response:
        line = await anext(response.aiter_lines())
        made = line.partition('"chatcmpl-')[2].partition('"')[0]
        for path in (f"/v1/responses/resp_{made}", f"{PATH}/chatcmpl-{made}"):
            assert (await ann.get(path)).status_code == 404


@pytest.mark.parametrize("stream", [False, True])
async def test_one_that_nobody_reads_is_cancelled(
    server: Live, ann: httpx.AsyncClient, stream: bool
) -> None:
    made = server.node.models.calls
    request = asyncio.create_task(ann.post(PATH, json=chat("chunks=3 hang at 2", stream=stream)))
    await until(lambda: len(made()) == 1)
    request.cancel()
    await asyncio.wait([request])
    await forgotten(server)
    assert [call.ended for call in made()] == ["cancelled"]


async def test_a_key_of_one_that_nobody_read_makes_it_anew(
    server: Live, ann: httpx.AsyncClient
) -> None:
    made = server.node.models.calls
    body = chat("chunks=3 hang at 2", stream=True)
    ids = []
    for _ in range(2):
        async with ann.stream("POST", PATH, json=body, headers=keyed("k")) as response:
            ids.append((await anext(response.aiter_lines())).split(",")[0])
        await until(lambda: all(call.ended for call in made()))
    assert len(set(ids)) == 2
    assert [call.ended for call in made()] == ["cancelled", "cancelled"]


async def test_silence_before_the_first_word(
    server: Live, ann: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The status comes without it, and then signs of life."""
    monkeypatch.setattr(chat_completions_stream, "SILENCE_SECONDS", 0.05)
    async with ann.stream("POST", PATH, json=chat("hang", stream=True)) as response:
        assert response.status_code == 200
        lines = response.aiter_lines()
        assert '"role":"assistant"' in await anext(lines)
        while await anext(lines) != ": ping":
            pass


async def test_what_fails_after_silence_is_an_event(
    ann: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_completions_stream, "SILENCE_SECONDS", 0.05)
    answer = await ann.post(PATH, json=chat("delay=0.2 chunks=2 fail at 0", stream=True))
    assert answer.status_code == 200
    *_, last, end = answer.text.split("\n\n")
    assert end == ""
    assert last.startswith('data: {"error":{"message":')


async def test_requests_that_race_with_one_key_are_one(
    server: Live, ann: httpx.AsyncClient
) -> None:
    body = chat("rate=50 chunks=10")
    both: Any = await asyncio.gather(
        *(ann.post(PATH, json=body, headers=keyed("k")) for _ in range(2))
    )
    assert both[0].json() == both[1].json()
    assert len(server.node.models.calls()) == 1


async def test_a_repeat_of_what_broke_is_told_from_the_start(
    server: Live, ann: httpx.AsyncClient
) -> None:
    body = chat("rate=50 chunks=20")
    async with ann.stream("POST", PATH, json={**body, "stream": True}, headers=keyed("k")) as cut:
        first = await anext(cut.aiter_lines())
        again = await ann.post(PATH, json={**body, "stream": True}, headers=keyed("k"))
    assert again.text.startswith(first)
    assert '"w0"' in again.text
    assert len(server.node.models.calls()) == 1


@pytest.mark.parametrize("text", ["chunks=2", "error 503"])
async def test_what_was_read_whole_is_made_anew(
    server: Live, ann: httpx.AsyncClient, text: str
) -> None:
    """So a model that was down is asked again by a client that tries again."""
    first = await ann.post(PATH, json=chat(text), headers=keyed("k"))
    await forgotten(server)
    again = await ann.post(PATH, json=chat(text), headers=keyed("k"))
    assert again.status_code == first.status_code
    assert len(server.node.models.calls()) == 2
    other = await ann.post(PATH, json=chat("chunks=7"), headers=keyed("k"))
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_key_reused")


async def test_a_key_of_a_response_is_not_one_of_a_chat(ann: httpx.AsyncClient) -> None:
    asked = {"model": "scripted", "input": "chunks=2"}
    assert (await ann.post("/v1/responses", json=asked, headers=keyed("k"))).status_code == 200
    assert text_of(await chunks(ann, **chat("chunks=2"))) == "w0 w1"
    answer = await ann.post(PATH, json=chat("chunks=2"), headers=keyed("k"))
    assert answer.json()["object"] == "chat.completion"


async def test_nobody_without_credentials(server: Live) -> None:
    nobody = await server.client()
    assert (await nobody.post(PATH, json=chat())).status_code == 401


async def test_too_many_streams(ann: httpx.AsyncClient) -> None:
    hanging = chat("chunks=2 hang at 1", stream=True)
    async with (
        ann.stream("POST", PATH, json=hanging) as one,
        ann.stream("POST", PATH, json=hanging) as two,
    ):
        assert (one.status_code, two.status_code) == (200, 200)
        crowded = await ann.post(PATH, json=hanging)
    assert (crowded.status_code, crowded.json()["error"]["code"]) == (429, "too_many_connections")


async def test_too_many_requests(ann: httpx.AsyncClient) -> None:
    answers = [await ann.post(PATH, json=chat("chunks=1")) for _ in range(REQUESTS + 1)]
    assert {answer.status_code for answer in answers[:-1]} == {200}
    assert (answers[-1].status_code, int(answers[-1].headers["retry-after"]) >= 1) == (429, True)

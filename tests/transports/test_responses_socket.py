"""WebSocket mode of ``/v1/responses``: turns one after the other, and what they go on from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.support.live import Live, live
from tests.support.sse import all_events
from tests.support.talk import Talk, talk, text_of

from tertulia.settings import Limits, Turns

Start = Callable[..., Awaitable[Live]]
NO_PREVIOUS = "previous_response_not_found"
OURS = {"tertulia-events": "1"}


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def started(**changes: Any) -> Live:
            return await stack.enter_async_context(live(tmp_path, **changes))

        yield started


@pytest.fixture
async def server(start: Start) -> Live:
    return await start()


@pytest.fixture
async def client(server: Live) -> Talk:
    return await talk(server)


def id_of(events: list[dict[str, Any]]) -> str:
    response_id: str = events[0]["response"]["id"]
    return response_id


def seen(events: list[dict[str, Any]]) -> int:
    """How much the model was sent; the scripted one counts words."""
    count: int = events[-1]["response"]["usage"]["input_tokens"]
    return count


async def test_the_events_are_those_of_a_stream(server: Live, client: Talk) -> None:
    events = await client.turn("chunks=20")
    http = await server.client()
    path = f"/v1/responses/{id_of(events)}"
    assert events == await all_events(http, "GET", path, params={"stream": "true"})
    assert text_of(events) == " ".join(f"w{n}" for n in range(20))
    assert (await http.get(path)).json() == events[-1]["response"]


async def test_turns_go_on_from_one_another(server: Live, client: Talk) -> None:
    first = id_of(await client.turn("echo: one"))
    second = await client.turn("echo: two", previous_response_id=first)
    assert seen(second) == 5  # echo: one · one · echo: two
    assert second[-1]["response"]["previous_response_id"] == first
    other = await talk(server)
    third = await other.turn("echo: three", previous_response_id=id_of(second))
    assert text_of(third) == "three"
    assert seen(third) == 8


async def test_creates_in_flight_are_answered_one_after_the_other(client: Talk) -> None:
    for n in range(5):
        await client.create(f"delay=0.05 echo: {n}")
    turns = [await client.rest() for _ in range(5)]
    assert [text_of(turn) for turn in turns] == list("01234")
    for turn in turns:
        assert [event["sequence_number"] for event in turn] == list(range(len(turn)))


async def test_too_many_in_flight_are_refused_and_none_is_lost(server: Live, client: Talk) -> None:
    await client.create("hang")
    first = (await client.until("response.created"))["response"]["id"]
    for n in range(19):
        await client.create(f"echo: {n}")
    for _ in range(3):
        error = await client.error()
        assert (error["status"], error["code"]) == (429, "too_many_in_flight")
    await (await server.client()).post(f"/v1/responses/{first}/cancel")
    assert (await client.rest())[-1]["response"]["status"] == "cancelled"
    assert [text_of(await client.rest()) for _ in range(16)] == [str(n) for n in range(16)]


async def test_one_that_is_not_stored_is_gone_on_from_while_it_is_the_latest(
    server: Live, client: Talk
) -> None:
    first = id_of(await client.turn("echo: alpha", store=False))
    second = id_of(await client.turn("echo: beta", store=False, previous_response_id=first))
    third = await client.turn("echo: gamma", store=False, previous_response_id=second)
    assert (text_of(third), seen(third)) == ("gamma", 8)
    http = await server.client()
    assert (await http.get(f"/v1/responses/{first}")).status_code == 404
    for previous, store in ((first, False), (id_of(third), True)):
        (error,) = await client.turn("echo: x", store=store, previous_response_id=previous)
        assert (error["status"], error["error"]["code"]) == (400, NO_PREVIOUS)
        assert error["error"]["param"] == "previous_response_id"


async def test_a_turn_that_fails_evicts_what_it_went_on_from(client: Talk) -> None:
    seed = id_of(await client.turn("echo: ember", store=False))
    (error,) = await client.turn("x", store=False, previous_response_id=seed, temperature=9)
    assert error["error"]["param"] == "temperature"
    (error,) = await client.turn("echo: x", store=False, previous_response_id=seed)
    assert error["error"]["code"] == NO_PREVIOUS
    assert text_of(await client.turn("echo: fresh", store=False)) == "fresh"


async def test_a_model_that_fails_evicts_too(client: Talk) -> None:
    seed = id_of(await client.turn("echo: ember", store=False))
    failed = await client.turn("error 500", store=False, previous_response_id=seed)
    assert failed[-1]["type"] == "response.failed"
    (error,) = await client.turn("echo: x", store=False, previous_response_id=seed)
    assert error["error"]["code"] == NO_PREVIOUS


async def test_what_is_not_stored_ends_with_its_connection(start: Start) -> None:
    turns = Turns(grace_seconds=0, reader_recheck_seconds=0.2, abandoned_seconds=0.05)
    server = await start(turns=turns)
    client, other = await talk(server), await talk(server)
    done = id_of(await client.turn("echo: one", store=False))
    (error,) = await other.turn("echo: x", store=False, previous_response_id=done)
    assert error["error"]["code"] == NO_PREVIOUS
    await client.create("hang", store=False, previous_response_id=done)
    await client.until("response.in_progress")
    await client.socket.close()
    calls = server.node.models.calls()
    while calls[-1].ended != "cancelled":
        calls = server.node.models.calls()
        await (await server.client()).get("/healthz")
    again = await talk(server)
    (error,) = await again.turn("echo: x", store=False, previous_response_id=done)
    assert error["error"]["code"] == NO_PREVIOUS
    fresh = await again.turn("echo: all of it once more", store=False)
    assert text_of(fresh) == "all of it once more"


@pytest.mark.parametrize("previous", [None, "resp_none"])
async def test_an_unknown_previous_response(client: Talk, previous: str | None) -> None:
    (*_, last) = await client.turn("echo: x", previous_response_id=previous)
    if previous is None:
        assert last["type"] == "response.completed"
        return
    assert last == {
        "type": "error",
        "status": 400,
        "error": {
            "type": "invalid_request_error",
            "code": NO_PREVIOUS,
            "message": "There is no response resp_none to go on from.",
            "param": "previous_response_id",
        },
    }


async def test_a_warm_up_generates_nothing_and_is_gone_on_from(server: Live, client: Talk) -> None:
    before = len(server.node.models.calls())
    warm = await client.turn("the rules", generate=False)
    assert [event["type"] for event in warm] == [
        "response.created",
        "response.queued",
        "response.in_progress",
        "response.completed",
    ]
    assert (warm[-1]["response"]["output"], warm[-1]["response"]["status"]) == ([], "completed")
    assert len(server.node.models.calls()) == before
    turns = [await client.turn(f"echo: {n}", previous_response_id=id_of(warm)) for n in range(2)]
    assert [text_of(turn) for turn in turns] == ["0", "1"]
    assert [seen(turn) for turn in turns] == [4, 4]  # the rules · echo: n
    last = await client.turn("echo: on", previous_response_id=id_of(turns[1]))
    assert (text_of(last), seen(last)) == ("on", 7)
    (error,) = await client.turn("x", generate=False, previous_response_id="resp_none")
    assert error["error"]["code"] == NO_PREVIOUS
    (error,) = await client.turn("x", generate=False, conversation="conv_1")
    assert error["error"]["param"] == "conversation"


async def test_our_events_for_who_asks(start: Start) -> None:
    turns = Turns(grace_seconds=0, reader_recheck_seconds=0.05)
    server = await start(limits=Limits(running_per_user=1), turns=turns)
    http = await server.client()
    body = {"model": "scripted", "input": "hang", "background": True}
    first = (await http.post("/v1/responses", json=body)).json()["id"]
    ours, plain = await talk(server, headers=OURS), await talk(server)
    await ours.create("echo: now")
    told = await ours.until("tertulia:position")
    assert (told["position"], told["after"]) == (1, 1)
    await plain.create("echo: then")
    await http.post(f"/v1/responses/{first}/cancel")
    assert text_of(await ours.rest()) == "now"
    assert text_of(await plain.rest()) == "then"
    assert not [m for m in plain.messages if m["type"].startswith("tertulia:")]

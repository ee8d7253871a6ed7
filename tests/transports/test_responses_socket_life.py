"""A WebSocket of ``/v1/responses`` from handshake to close: who gets in, what is answered with an
error, what ends it, and that no stored answer ends with it."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from openai.types.responses.responses_client_event_param import ResponseCreate
from tests.support.live import Live, live
from tests.support.sse import all_events
from tests.support.talk import Talk, talk, text_of
from websockets.exceptions import InvalidStatus

from tertulia.settings import Feed, Limits, Tokens, Turns

Start = Callable[..., Awaitable[Live]]

#: Small on both sides, so that not the kernel reads what the client does not.
BUFFER = 8192


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def started(**changes: Any) -> Live:
            return await stack.enter_async_context(live(tmp_path, **changes))

        yield started


async def refused(server: Live, token: str | None = None, **options: Any) -> InvalidStatus:
    with pytest.raises(InvalidStatus) as caught:
        await talk(server, token, **options)
    return caught.value


def status_of(refusal: InvalidStatus) -> tuple[int, str]:
    body = json.loads(refusal.response.body or b"{}")
    return refusal.response.status_code, body["error"]["code"]


# --- the official SDK ----------------------------------------------------------------------------


async def test_the_official_sdk_connects_and_goes_on(start: Start) -> None:
    server = await start(auth=True)
    token = await server.register("ann@example.org")
    async with server.sdk(token) as sdk, sdk.responses.connect() as connection:
        await connection.response.create(model="scripted", input="chunks=3", store=False)
        text, first = "", ""
        async for event in connection:
            if event.type == "response.output_text.delta":
                text += event.delta
            if event.type == "response.completed":
                first = event.response.id
                break
        assert text == "w0 w1 w2"
        again: ResponseCreate = {
            "type": "response.create",
            "model": "scripted",
            "input": "echo: and on",
            "previous_response_id": first,
            "store": False,
            "stream": True,
        }
        await connection.send(again)
        kinds = []
        while (event := await connection.recv()).type != "response.completed":
            kinds.append(event.type)
        assert event.response.output_text == "and on"
        assert kinds[:3] == ["response.created", "response.queued", "response.in_progress"]
        await connection.response.create(model="none", input="x")
        failed = await connection.recv()
        assert failed.type == "error"
        assert (failed.status, failed.error.param) == (404, "model")


# --- getting in ----------------------------------------------------------------------------------


async def test_the_header_says_who_it_is(start: Start) -> None:
    server = await start(auth=True)
    token = await server.register("ann@example.org")
    assert status_of(await refused(server)) == (401, "unauthorized")
    assert (await refused(server, "nonsense")).response.status_code == 401
    client = await talk(server, token)
    response = (await client.turn("echo: mine"))[-1]["response"]
    ben = await talk(server, await server.register("ben@example.org"))
    (error,) = await ben.turn("echo: x", previous_response_id=response["id"])
    assert error["error"]["code"] == "previous_response_not_found"


async def test_too_many_connections(start: Start) -> None:
    server = await start(limits=Limits(connections_per_user=1))
    held = await talk(server)
    assert status_of(await refused(server)) == (429, "too_many_connections")
    await held.turn("echo: x")


async def test_a_page_of_another_origin_is_not_served(start: Start) -> None:
    server = await start()
    assert status_of(await refused(server, origin="https://evil.example"))[0] == 403


async def test_a_server_that_is_about_to_stop_takes_nobody(start: Start) -> None:
    server = await start(draining=lambda: True)
    refusal = await refused(server)
    assert status_of(refusal) == (503, "unavailable")
    assert refusal.response.headers["retry-after"] == "1"


# --- what is wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "param"),
    [
        ("{", None),
        ("[]", None),
        ("null", None),
        ("", None),
        (b"binary", None),
        ('{"a":' + "[" * 5000 + "]" * 5000 + "}", None),
        ("{}", "type"),
        ('{"type":7}', "type"),
        ('{"type":"response.cancel","response_id":"resp_1"}', "type"),
        ('{"type":"response.create","input":5}', "input"),
        ('{"type":"response.create","input":""}', "input"),
        ('{"type":"response.create","input":"x","model":"none"}', "model"),
        ('{"type":"response.create","input":"x","stream":false}', "stream"),
        ('{"type":"response.create","input":"x","background":true}', "background"),
        ('{"type":"response.create","input":"x","generate":"no"}', "generate"),
        ('{"type":"response.create","input":"x","stream_id":"a"}', "stream_id"),
        ('{"type":"response.create","input":"x","store":false,"conversation":"c"}', "store"),
    ],
)
async def test_what_is_wrong_is_answered_and_the_socket_goes_on(
    start: Start, sent: str | bytes, param: str | None
) -> None:
    client = await talk(await start())
    await client.socket.send(sent)
    event = await client.next()
    assert event["type"] == "error"
    assert event["status"] in (400, 404)
    assert event["error"]["param"] == param
    assert event["error"]["message"]
    assert text_of(await client.turn("echo: well")) == "well"


async def test_garbage_does_not_disturb_what_runs(start: Start) -> None:
    client = await talk(await start())
    await client.create("delay=0.2 chunks=5")
    for sent in ("{", b"\x00", '{"type":"sing"}'):
        await client.socket.send(sent)
    for _ in range(3):
        assert (await client.error())["status"] == 400
    assert (await client.rest())[-1]["type"] == "response.completed"


async def test_too_large_a_message(start: Start) -> None:
    server = await start(limits=Limits(body_bytes=10_000))
    client = await talk(server)
    (error,) = await client.turn("x" * 10_000)
    assert (error["status"], error["error"]["code"]) == (413, "request_too_large")
    assert text_of(await client.turn("echo: well")) == "well"
    # Only the head of a frame: what is left unread at a close makes the kernel drop the close.
    client.socket.transport.write(b"\x81\xff" + (2**25).to_bytes(8, "big") + b"mask")
    assert await client.code() == 1009


async def test_text_that_is_none(start: Start) -> None:
    client = await talk(await start())
    await client.socket.send(b"\xff", text=True)
    assert await client.code() == 1007


async def test_too_many_requests_and_too_many_messages(start: Start) -> None:
    server = await start(limits=Limits(requests_per_minute=1))
    client = await talk(server)
    await client.turn("echo: x")
    (error,) = await client.turn("echo: x")
    assert (error["status"], error["error"]["code"]) == (429, "rate_limit_exceeded")
    assert int(error["error"]["headers"]["retry-after"]) > 0
    for _ in range(300):
        await client.socket.send("{}")
    assert await client.code() == 1008
    assert client.messages[-1]["status"] == 429


# --- the end -------------------------------------------------------------------------------------


async def test_cut_off_in_mid_answer_and_resumed(start: Start) -> None:
    server = await start()
    client = await talk(server)
    await client.create("rate=100 chunks=40")
    while not text_of(client.messages):
        await client.next()
    held = client.messages[-1]["sequence_number"]
    response_id = client.messages[0]["response"]["id"]
    client.socket.transport.abort()
    http = await server.client()
    position = {"stream": "true", "starting_after": str(held)}
    rest = await all_events(http, "GET", f"/v1/responses/{response_id}", params=position)
    whole = client.messages + rest
    assert [event["sequence_number"] for event in whole] == list(range(len(whole)))
    assert text_of(whole) == " ".join(f"w{n}" for n in range(40))
    assert rest[-1]["type"] == "response.completed"


async def slow_talk(server: Live) -> Talk:
    """With a network that holds little."""
    own = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    own.setblocking(False)
    host, port = server.url.removeprefix("http://").split(":")
    own.connect_ex((host, int(port)))
    return await talk(server, sock=own, max_queue=1)


async def test_a_slow_reader_loses_nothing(start: Start) -> None:
    server = await start(send_buffer=BUFFER)
    slow = await slow_talk(server)
    await slow.create("chunks=60000")
    created = await slow.until("response.created")
    http = await server.client()
    path = f"/v1/responses/{created['response']['id']}"
    whole = await all_events(http, "GET", path, params={"stream": "true"})
    await slow.rest()
    assert slow.messages == whole


async def test_drained_between_turns_and_in_one(start: Start) -> None:
    server = await start()
    idle, busy = await talk(server), await talk(server)
    await idle.turn("echo: x")
    await busy.create("rate=50 chunks=30")
    await busy.create("echo: never")
    await busy.until("response.output_text.delta")
    drained = asyncio.create_task(server.node.services.feed.drain(0.05))
    assert await idle.code() == 1012
    assert await busy.code() == 1012
    last, error = busy.messages[-2:]
    assert text_of(busy.messages) == " ".join(f"w{n}" for n in range(30))
    assert last["type"] == "response.completed"
    assert (error["status"], error["error"]["code"]) == (503, "unavailable")
    await drained


async def test_an_hour_is_enough(start: Start) -> None:
    server = await start(limits=Limits(socket_seconds=0.3))
    idle, busy = await talk(server), await talk(server)
    await busy.create("rate=50 chunks=30")
    assert await idle.code() == 1001
    assert idle.messages[-1]["status"] == 400
    assert idle.messages[-1]["error"]["code"] == "websocket_connection_limit_reached"
    assert await busy.code() == 1001
    assert [e["type"] for e in busy.messages[-2:]] == ["response.completed", "error"]


async def test_who_takes_nothing_is_cut_when_the_time_is_over(start: Start) -> None:
    turns = Turns(grace_seconds=0, running_seconds=0.3)
    limits, feed = Limits(socket_seconds=0.1, connections_per_user=1), Feed(slow_seconds=0.1)
    server = await start(send_buffer=BUFFER, limits=limits, turns=turns, feed=feed)
    deaf = await slow_talk(server)
    await deaf.create("chunks=60000")
    while True:  # until its place is free
        with suppress(InvalidStatus):
            await talk(server)
            return


async def test_a_key_that_is_revoked_and_a_token_that_expires(start: Start) -> None:
    server = await start(auth=True, tokens=Tokens(access_seconds=3))
    token = await server.register("ann@example.org")
    http = await server.client(token)
    made = (await http.post("/v1/keys", json={"name": "agent"})).json()
    by_key, by_login = await talk(server, made["key"]), await talk(server, token)
    await by_key.turn("echo: x")
    assert (await http.delete(f"/v1/keys/{made['id']}")).is_success
    assert await by_key.code() == 1008
    assert by_key.messages[-1]["status"] == 401
    assert await by_login.code() == 1008
    assert by_login.messages[-1]["error"]["code"] == "token_expired"


async def test_what_is_left_behind(start: Start) -> None:
    """A client that leaves frees its place, and the answer it did not wait for is stored."""
    server = await start(limits=Limits(connections_per_user=1))
    client: Talk = await talk(server)
    await client.create("rate=100 chunks=20")
    created = await client.until("response.created")
    await client.socket.close()
    http = await server.client()
    path = f"/v1/responses/{created['response']['id']}"
    while (await http.get(path)).json()["status"] != "completed":
        pass
    assert text_of(await (await talk(server)).turn("echo: again")) == "again"

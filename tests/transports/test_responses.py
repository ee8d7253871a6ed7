"""``/v1/responses`` over a real socket: create, read again, resume, cancel, delete."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.live import Live, live
from tests.support.sse import all_events, events

from tertulia.transports import sse


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path) as started:
        yield started


@pytest.fixture
async def client(server: Live) -> httpx.AsyncClient:
    return await server.client()


def ask(text: str = "chunks=3", **more: Any) -> dict[str, Any]:
    return {"model": "scripted", "input": text, **more}


def text_of(resource: dict[str, Any]) -> str:
    return "".join(p["text"] for i in resource["output"] for p in i.get("content", ()))


async def created(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await client.post("/v1/responses", json=ask(**body))
    assert answer.status_code == 200, answer.text
    resource: dict[str, Any] = answer.json()
    return resource


async def until(client: httpx.AsyncClient, response_id: str) -> dict[str, Any]:
    """The terminal resource, waited for on its stream."""
    path = f"/v1/responses/{response_id}"
    await all_events(client, "GET", path, params={"stream": "true"})
    resource: dict[str, Any] = (await client.get(path)).json()
    return resource


async def test_a_plain_create_answers_with_the_end(client: httpx.AsyncClient) -> None:
    resource = await created(client, metadata={"k": "v"}, instructions="Be brief.")
    assert resource["status"] == "completed"
    assert text_of(resource) == "w0 w1 w2"
    assert resource["metadata"] == {"k": "v"}
    assert resource["instructions"] == "Be brief."
    assert resource["usage"]["output_tokens"] == 3
    again = await client.get(f"/v1/responses/{resource['id']}")
    assert again.json() == resource


@pytest.mark.parametrize(
    ("text", "status", "reason"),
    [("chunks=9 length", "incomplete", "max_output_tokens"), ("error 400", "failed", None)],
)
async def test_an_answer_that_went_wrong_is_a_resource_too(
    client: httpx.AsyncClient, text: str, status: str, reason: str | None
) -> None:
    resource = await created(client, text=text)
    assert resource["status"] == status
    assert (resource["incomplete_details"] or {}).get("reason") == reason
    assert (resource["error"] is None) is (reason is not None)


async def test_a_stream_tells_everything_in_order(client: httpx.AsyncClient) -> None:
    stream = await all_events(client, "POST", "/v1/responses", json=ask(stream=True))
    assert [e["sequence_number"] for e in stream] == list(range(len(stream)))
    kinds = [e["type"] for e in stream]
    assert kinds[:5] == [
        "response.created",
        "response.queued",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert kinds[-1] == "response.completed"
    deltas = [e["delta"] for e in stream if e["type"] == "response.output_text.delta"]
    assert "".join(deltas) == "w0 w1 w2"
    assert text_of(stream[-1]["response"]) == "w0 w1 w2"


async def test_background_answers_at_once_and_is_followed_later(client: httpx.AsyncClient) -> None:
    resource = await created(client, text="delay=0.2 chunks=3", background=True)
    assert (resource["status"], resource["background"]) == ("queued", True)
    assert text_of(await until(client, resource["id"])) == "w0 w1 w2"


async def test_every_position_of_a_log_goes_on_without_a_gap(client: httpx.AsyncClient) -> None:
    whole = await all_events(client, "POST", "/v1/responses", json=ask("chunks=40", stream=True))
    path = f"/v1/responses/{whole[0]['response']['id']}"
    for held, event in enumerate(whole, 1):
        params = {"stream": "true", "starting_after": event["sequence_number"]}
        rest = await all_events(client, "GET", path, params=params)
        assert whole[:held] + rest == whole


async def test_positions_of_a_running_log_go_on_without_a_gap(client: httpx.AsyncClient) -> None:
    body = ask("rate=100 chunks=40", stream=True)
    readers: list[tuple[int, asyncio.Task[list[dict[str, Any]]]]] = []
    whole: list[dict[str, Any]] = []
    async with client.stream("POST", "/v1/responses", json=body) as response:
        async for event in events(response):
            whole.append(event)
            path = f"/v1/responses/{whole[0]['response']['id']}"
            params = {"stream": "true", "starting_after": event["sequence_number"]}
            if len(readers) < 15:  # what one user may have open
                reader = asyncio.create_task(all_events(client, "GET", path, params=params))
                readers.append((len(whole), reader))
    for held, reader in readers:
        assert whole[:held] + await reader == whole


async def test_a_position_beyond_the_log_is_lost(client: httpx.AsyncClient) -> None:
    resource = await created(client)
    path = f"/v1/responses/{resource['id']}"
    answer = await client.get(path, params={"stream": "true", "starting_after": 999})
    assert answer.status_code == 410
    assert answer.json()["error"]["code"] == "position_lost"


async def test_a_client_that_leaves_cancels_nothing(client: httpx.AsyncClient) -> None:
    body = ask("rate=100 chunks=30", stream=True)
    async with client.stream("POST", "/v1/responses", json=body) as response:
        first = await anext(events(response))
    assert text_of(await until(client, first["response"]["id"])).split()[-1] == "w29"


async def test_a_plain_request_that_is_given_up_cancels_nothing(client: httpx.AsyncClient) -> None:
    request = asyncio.create_task(created(client, text="rate=100 chunks=30"))
    while not (sidebar := (await client.get("/v1/diagnostics/scripted")).json()["data"]):
        assert not request.done()
    request.cancel()
    await asyncio.wait([request])
    assert text_of(await until(client, sidebar[0]["response_id"])).split()[-1] == "w29"


async def test_a_silent_stream_shows_that_it_lives(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "SILENCE_SECONDS", 0.05)
    body = ask("hang", stream=True)
    async with client.stream("POST", "/v1/responses", json=body) as response:
        lines = response.aiter_lines()
        while await anext(lines) != ": ping":
            pass


async def test_cancel_keeps_what_was_written(client: httpx.AsyncClient) -> None:
    body = ask("chunks=3 hang at 2", stream=True)
    seen: list[dict[str, Any]] = []
    async with client.stream("POST", "/v1/responses", json=body) as response:
        async for event in events(response):
            seen.append(event)
            if event["type"] == "response.output_text.delta":
                running = f"/v1/responses/{seen[0]['response']['id']}"
                assert (await client.post(f"{running}/cancel")).status_code == 200
    assert seen[-1]["type"] == "response.incomplete"
    assert seen[-1]["response"]["status"] == "cancelled"
    assert text_of(seen[-1]["response"]).startswith("w0")
    again = await client.post(f"/v1/responses/{seen[0]['response']['id']}/cancel")
    assert again.json()["status"] == "cancelled"


async def test_delete_erases_what_has_ended(client: httpx.AsyncClient) -> None:
    running = await created(client, text="hang", background=True)
    path = f"/v1/responses/{running['id']}"
    refused = await client.delete(path)
    assert (refused.status_code, refused.json()["error"]["type"]) == (409, "invalid_request_error")
    await client.post(f"{path}/cancel")
    await until(client, running["id"])
    deleted = await client.delete(path)
    assert deleted.json() == {"id": running["id"], "object": "response", "deleted": True}
    assert (await client.get(path)).status_code == 404
    assert (await client.get(path, params={"stream": "true"})).status_code == 404


async def test_input_items_come_in_pages(client: httpx.AsyncClient) -> None:
    said = [{"role": "user", "content": f"word {n}"} for n in range(5)]
    resource = await created(client, input=said)
    path = f"/v1/responses/{resource['id']}/input_items"

    def texts(page: dict[str, Any]) -> list[str]:
        return [item["content"][0]["text"] for item in page["data"]]

    first = (await client.get(path, params={"limit": 2})).json()
    assert first["object"] == "list"
    assert texts(first) == ["word 4", "word 3"]
    assert (first["first_id"], first["last_id"]) == (first["data"][0]["id"], first["data"][1]["id"])
    assert first["has_more"]
    rest = (await client.get(path, params={"after": first["last_id"]})).json()
    assert texts(rest) == ["word 2", "word 1", "word 0"]
    assert not rest["has_more"]
    forward = (await client.get(path, params={"order": "asc"})).json()
    assert texts(forward) == [f"word {n}" for n in range(5)]
    for params in ({"limit": "0"}, {"limit": "101"}, {"limit": "x"}, {"order": "up"}):
        assert (await client.get(path, params=params)).status_code == 400
    assert (await client.get(path, params={"after": "msg_none"})).status_code == 404


async def test_responses_go_on_from_one_another(client: httpx.AsyncClient) -> None:
    first = await created(client, text="echo: one")
    second = await created(client, text="echo: two", previous_response_id=first["id"])
    assert second["previous_response_id"] == first["id"]
    entries = (await client.get("/v1/diagnostics/scripted")).json()["data"]
    assert [call["entries"] for call in entries][-1] > entries[0]["entries"]


async def test_a_conversation_has_a_head_branches_and_siblings(client: httpx.AsyncClient) -> None:
    conversation = (await client.post("/v1/conversations", json={})).json()["id"]
    first = await created(client, conversation=conversation)
    second = await created(client, conversation={"id": conversation})
    assert first["conversation"] == {"id": conversation}
    assert second["previous_response_id"] == first["id"]
    root = await created(client, conversation=conversation, previous_response_id=None)
    assert root["previous_response_id"] is None
    other = await client.post(
        "/v1/responses", json={"conversation": conversation, "regenerate_of": second["id"]}
    )
    assert other.json()["previous_response_id"] == first["id"]
    head = (await client.get(f"/v1/conversations/{conversation}")).json()["head"]
    assert head == other.json()["id"]


async def test_the_document_describes_every_route(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    paths = document["paths"]
    create = paths["/v1/responses"]["post"]
    assert "regenerate_of" in document["components"]["schemas"]["CreateResponse"]["properties"]
    assert "text/event-stream" in create["responses"]["200"]["content"]
    assert {"get", "delete"} <= set(paths["/v1/responses/{response_id}"])
    assert "post" in paths["/v1/responses/{response_id}/cancel"]
    assert "get" in paths["/v1/responses/{response_id}/input_items"]

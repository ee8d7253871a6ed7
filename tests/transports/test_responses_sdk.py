"""The official OpenAI SDK as a client, and every event strictly of the SDK's own types."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, get_args

import openai
import pytest
from openai import AsyncOpenAI
from openai.types.responses import ResponseItem, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter
from tests.support.live import Live, live
from tests.support.sse import all_events

TOOL: Any = {
    "type": "function",
    "name": "look_up",
    "parameters": {"type": "object", "properties": {"word": {"type": "string"}}},
    "strict": False,
}

EVENTS: dict[str, type[BaseModel]] = {
    kind: event
    for event in get_args(get_args(ResponseStreamEvent)[0])
    for kind in get_args(event.model_fields["type"].annotation)
}


def check_event(event: dict[str, Any]) -> None:
    """Strictly of its SDK type; but for error codes and the reason ``interrupted``, as the
    standard leaves open what the SDK lists as OpenAI's own. Of reasoning the two name the events
    differently: ours are the standard's."""
    if event["type"].startswith("response.reasoning."):
        event = {**event, "type": event["type"].replace("reasoning", "reasoning_text")}
    if "response" in event:
        told = dict(event["response"])
        if told["error"] is not None:
            assert told.pop("error")["code"]
        if told["incomplete_details"] == {"reason": "interrupted"}:
            del told["incomplete_details"]
        event = {**event, "response": told}
    EVENTS[event["type"]].model_validate_json(json.dumps(event), strict=True)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path) as started:
        yield started


@pytest.fixture
async def sdk(server: Live) -> AsyncIterator[AsyncOpenAI]:
    async with server.sdk() as client:
        yield client


async def test_create(sdk: AsyncOpenAI) -> None:
    response = await sdk.responses.create(model="scripted", input="chunks=5", metadata={"a": "b"})
    assert response.status == "completed"
    assert response.output_text == "w0 w1 w2 w3 w4"
    assert response.usage is not None
    assert response.metadata == {"a": "b"}


async def test_a_background_stream_that_breaks_is_resumed(sdk: AsyncOpenAI) -> None:
    stream = await sdk.responses.create(
        model="scripted", input="rate=100 chunks=40", background=True, stream=True
    )
    text, last, response_id = "", -1, ""
    async for event in stream:
        last = event.sequence_number
        if event.type == "response.created":
            response_id = event.response.id
        if event.type == "response.output_text.delta":
            text += event.delta
            break
    await stream.close()
    assert text.startswith("w0")
    resumed = await sdk.responses.retrieve(response_id, stream=True, starting_after=last)
    async for event in resumed:
        assert event.sequence_number == last + 1
        last = event.sequence_number
        if event.type == "response.output_text.delta":
            text += event.delta
    assert text.split() == [f"w{n}" for n in range(40)]
    stored = await sdk.responses.retrieve(response_id)
    assert (stored.status, stored.output_text) == ("completed", text)


async def test_cancel_delete_and_input_items(sdk: AsyncOpenAI) -> None:
    response = await sdk.responses.create(model="scripted", input="hang", background=True)
    assert response.status == "queued"
    await sdk.responses.cancel(response.id)
    stream = await sdk.responses.retrieve(response.id, stream=True)
    assert [event.type async for event in stream][-1] == "response.incomplete"
    assert (await sdk.responses.retrieve(response.id)).status == "cancelled"
    items = [item async for item in sdk.responses.input_items.list(response.id, limit=1)]
    assert [item.type for item in items] == ["message"]
    await sdk.responses.delete(response.id)
    with pytest.raises(openai.NotFoundError):
        await sdk.responses.retrieve(response.id)


async def test_pages_of_input_items(sdk: AsyncOpenAI) -> None:
    said: Any = [{"role": "user", "content": f"word {n}"} for n in range(5)]
    response = await sdk.responses.create(model="scripted", input=said)
    pages = sdk.responses.input_items.list(response.id, limit=2, order="asc")
    texts = [item.model_dump()["content"][0]["text"] async for item in pages]
    assert texts == [f"word {n}" for n in range(5)]


async def test_a_tool_is_called_and_answered(sdk: AsyncOpenAI) -> None:
    first = await sdk.responses.create(model="scripted", input="calls=1", tools=[TOOL])
    (call,) = first.output
    assert call.type == "function_call"
    assert (call.name, isinstance(json.loads(call.arguments), dict)) == ("look_up", True)
    second = await sdk.responses.create(
        model="scripted",
        previous_response_id=first.id,
        input=[{"type": "function_call_output", "call_id": call.call_id, "output": "42"}],
    )
    assert second.status == "completed"
    by_hand: Any = [
        {"role": "user", "content": "calls=1"},
        call.model_dump(),
        {"type": "function_call_output", "call_id": call.call_id, "output": "42"},
    ]
    third = await sdk.responses.create(model="scripted", input=by_hand)
    assert third.status == "completed"


async def test_errors_are_the_sdks_own(sdk: AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as unknown:
        await sdk.responses.create(model="no-such-model", input="x")
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as wrong:
        await sdk.responses.create(model="scripted", input="x", temperature=9)
    assert wrong.value.param == "temperature"
    done = await sdk.responses.create(model="scripted", input="x")
    with pytest.raises(openai.APIStatusError) as lost:
        await sdk.responses.retrieve(done.id, stream=True, starting_after=10_000)
    assert (lost.value.status_code, lost.value.code) == (410, "position_lost")


@pytest.mark.parametrize(
    "body",
    [
        {"input": "chunks=3"},
        {"input": "chunks=3 length"},
        {"input": "chunks=5 fail at 2"},
        {"input": "error 500"},
        {"input": "look_up", "tools": [TOOL]},
        {"input": "calls=1", "tools": [TOOL], "tool_choice": "required"},
        {
            "input": "x",
            "text": {"format": {"type": "json_schema", "name": "a", "schema": {"type": "object"}}},
            "reasoning": {"effort": "low"},
            "metadata": {"k": "v"},
            "instructions": "Be brief.",
            "max_output_tokens": 64,
        },
    ],
)
async def test_every_event_has_the_sdks_type(server: Live, body: dict[str, Any]) -> None:
    client = await server.client()
    request = {"model": "scripted", "stream": True, **body}
    stream = await all_events(client, "POST", "/v1/responses", json=request)
    for event in stream:
        check_event(event)
    response_id = stream[0]["response"]["id"]
    resource = (await client.get(f"/v1/responses/{response_id}")).json()
    assert resource == stream[-1]["response"]
    items = (await client.get(f"/v1/responses/{response_id}/input_items")).json()["data"]
    adapter: TypeAdapter[ResponseItem] = TypeAdapter(ResponseItem)
    for item in items:
        adapter.validate_json(json.dumps(item), strict=True)

"""``input_tokens`` and the context of a response, over HTTP and with the official SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import pytest_asyncio
from openai import AsyncOpenAI
from tests.support.live import Live, live
from tests.support.served import error_of

from tertulia.transports.context_routes import ContextResource

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOOL: Any = {
    "type": "function",
    "name": "look_up",
    "parameters": {"type": "object", "properties": {"word": {"type": "string"}}},
    "strict": False,
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    async with live(tmp_path_factory.mktemp("data")) as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sdk(server: Live) -> AsyncIterator[AsyncOpenAI]:
    async with server.sdk() as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(server: Live) -> httpx.AsyncClient:
    return await server.client()


async def context(client: httpx.AsyncClient, response_id: str) -> dict[str, Any]:
    answer = await client.get(f"/v1/responses/{response_id}/context")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    ContextResource.model_validate(found, strict=True)
    return found


async def test_counted_before_and_told_after(sdk: AsyncOpenAI, client: httpx.AsyncClient) -> None:
    first = await sdk.responses.create(model="scripted", input="echo: one two")
    asked: Any = {
        "model": "scripted",
        "input": "echo: three",
        "instructions": "Be brief.",
        "previous_response_id": first.id,
        "tools": [TOOL],
    }
    counted = await sdk.responses.input_tokens.count(**asked)
    assert counted.object == "response.input_tokens"
    alone = await sdk.responses.input_tokens.count(model="scripted", input="echo: three")
    assert alone.input_tokens < counted.input_tokens
    second = await sdk.responses.create(**asked)
    found = await context(client, second.id)
    assert found["input_tokens"] == counted.input_tokens
    assert sum(line["tokens"] for line in found["data"]) == counted.input_tokens
    assert (found["object"], found["response_id"]) == ("response.context", second.id)
    assert (found["recorded"], found["attempt"], found["truncation"]) == (True, 1, "disabled")
    assert [(line["kind"], line["source"], line["text"]) for line in found["data"]] == [
        ("instructions", "request", "Be brief."),
        ("tools", "request", "look_up"),
        ("item", "history", "echo: one two"),
        ("item", "history", "one two"),
        ("item", "input", "echo: three"),
    ]
    (origin,) = found["data"][3]["items"]
    assert origin == {"id": first.output[0].id, "response_id": first.id}


async def test_counting_makes_nothing(server: Live, client: httpx.AsyncClient) -> None:
    conversation = (await client.post("/v1/conversations", json={})).json()["id"]
    before = server.node.models.calls()
    body = {"model": "scripted", "input": "hi", "conversation": conversation, "stream": True}
    answer = await client.post("/v1/responses/input_tokens", json=body)
    assert answer.json()["input_tokens"] > 0
    held = (await client.get(f"/v1/conversations/{conversation}/tree")).json()
    assert (held["conversation"]["head"], held["responses"]) == (None, [])
    assert server.node.models.calls() == before


async def test_the_sdk_is_told_what_is_wrong(sdk: AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        await sdk.responses.input_tokens.count(input="hi", previous_response_id="resp_gone")
    assert missing.value.code == "previous_response_not_found"
    with pytest.raises(openai.NotFoundError) as unknown:
        await sdk.responses.input_tokens.count(input="hi", model="none")
    assert unknown.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ([], None),
        ({"input": 1}, "input"),
        ({"input": "hi", "tools": [{"type": "mcp"}]}, "tools[0].type"),
        ({"input": "hi", "truncation": "some"}, "truncation"),
    ],
)
async def test_bodies_that_make_no_sense(
    client: httpx.AsyncClient, body: Any, param: str | None
) -> None:
    error = error_of(await client.post("/v1/responses/input_tokens", json=body), 400)
    assert error["param"] == param


async def test_what_is_not_stored_has_no_context_to_others(
    sdk: AsyncOpenAI, client: httpx.AsyncClient
) -> None:
    gone = await sdk.responses.create(model="scripted", input="hi", store=False)
    for response_id in (gone.id, "resp_gone"):
        error = error_of(await client.get(f"/v1/responses/{response_id}/context"), 404)
        assert error["param"] == "response_id"


async def test_others_see_nothing_of_it(tmp_path: Path) -> None:
    async with live(tmp_path, auth=True) as server:
        ann = await server.client(await server.register("ann@example.org"))
        ben = await server.client(await server.register("ben@example.org"))
        body = {"model": "scripted", "input": "echo: hi"}
        made = (await ann.post("/v1/responses", json=body)).json()["id"]
        error_of(await ben.get(f"/v1/responses/{made}/context"), 404)
        body["previous_response_id"] = made
        error_of(await ben.post("/v1/responses/input_tokens", json=body), 404)
        stranger = await server.client()
        error_of(await stranger.get(f"/v1/responses/{made}/context"), 401)
        error_of(await stranger.post("/v1/responses/input_tokens", json=body), 401)
        assert (await context(ann, made))["recorded"] is True


async def test_too_long_is_refused_before_it_is_accepted(
    sdk: AsyncOpenAI, client: httpx.AsyncClient
) -> None:
    """OpenAI's default is to refuse; with leave the oldest turns are left out, and told."""
    long = "echo: " + "word " * 12_000
    first = await sdk.responses.create(model="scripted", input=long)
    with pytest.raises(openai.BadRequestError) as refused:
        await sdk.responses.create(model="scripted", input=long, previous_response_id=first.id)
    assert refused.value.code == "context_length_exceeded"
    second = await sdk.responses.create(
        model="scripted", input=long, previous_response_id=first.id, truncation="auto"
    )
    found = await context(client, second.id)
    assert [line["reason"] for line in found["data"]] == ["budget", "budget", None]
    assert [line["included"] for line in found["data"]] == [False, False, True]
    assert found["left_out_tokens"] == sum(line["tokens"] for line in found["data"][:2])

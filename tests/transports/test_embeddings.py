"""``/v1/embeddings`` over a real socket, with the packaged model."""

from __future__ import annotations

import asyncio
import base64
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import pytest_asyncio
from tests.support.live import Live, live
from tests.support.served import error_of
from tests.support.weights import minilm

from tertulia.domain.vector import numbers
from tertulia.settings import Limits

pytestmark = pytest.mark.asyncio(loop_scope="module")

MODEL = "all-minilm-l6-v2"
TEXTS = ["The cat sits on the mat.", "Interest rates rose again in October."]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    folder = tmp_path_factory.mktemp("data")
    await minilm(folder)
    async with live(folder, limits=Limits(embedding_chars=20_000)) as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(server: Live) -> httpx.AsyncClient:
    return await server.client()


async def post(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await client.post("/v1/embeddings", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


# --- what the official SDK gets -----------------------------------------------------------------


async def test_the_sdk(server: Live) -> None:
    """By default it asks for base64 and decodes it."""
    async with server.sdk() as sdk:
        packed = await sdk.embeddings.create(model=MODEL, input=TEXTS)
        plain = await sdk.embeddings.create(model=MODEL, input=TEXTS, encoding_format="float")
        short = await sdk.embeddings.create(model=MODEL, input=TEXTS[0], dimensions=64, user="me")
    assert (packed.object, packed.model) == ("list", MODEL)
    assert [(one.object, one.index) for one in packed.data] == [("embedding", 0), ("embedding", 1)]
    assert packed.usage.prompt_tokens == packed.usage.total_tokens == 9 + 9
    for one, other in zip(packed.data, plain.data, strict=True):
        assert len(one.embedding) == 384
        assert one.embedding == pytest.approx(other.embedding, abs=1e-7)
        assert math.hypot(*one.embedding) == pytest.approx(1, abs=1e-6)
    assert len(short.data[0].embedding) == 64
    assert math.hypot(*short.data[0].embedding) == pytest.approx(1, abs=1e-6)
    scale = packed.data[0].embedding[0] / short.data[0].embedding[0]
    assert packed.data[0].embedding[63] == pytest.approx(short.data[0].embedding[63] * scale)


async def test_the_sdk_is_told_what_is_wrong(server: Live) -> None:
    async with server.sdk() as sdk:
        with pytest.raises(openai.BadRequestError) as refused:
            await sdk.embeddings.create(model=MODEL, input=["fine", "word " * 600])
        with pytest.raises(openai.NotFoundError) as unknown:
            await sdk.embeddings.create(model="text-embedding-3-small", input="hi")
        listed = [model async for model in sdk.models.list()]
        found = await sdk.models.retrieve(MODEL)
    assert (refused.value.code, refused.value.param) == ("context_length_exceeded", "input[1]")
    assert unknown.value.code == "model_not_found"
    assert MODEL in str(unknown.value)
    assert [model.id for model in listed] == ["scripted", MODEL]
    assert found.owned_by == "sentence-transformers"


# --- what else there is -------------------------------------------------------------------------


async def test_floats_unless_asked_otherwise(client: httpx.AsyncClient) -> None:
    plain = (await post(client, model=MODEL, input=TEXTS[0]))["data"][0]["embedding"]
    packed = (await post(client, model=MODEL, input=[TEXTS[0]], encoding_format="base64"))["data"]
    assert plain == pytest.approx(numbers(base64.b64decode(packed[0]["embedding"])).tolist())


@pytest.mark.parametrize("model", [{}, {"model": None}, {"model": "scripted"}])
async def test_a_client_that_knows_one_model_only(
    client: httpx.AsyncClient, model: dict[str, Any]
) -> None:
    assert (await post(client, input="hi", **model))["model"] == MODEL


async def test_it_is_listed_with_what_it_is(client: httpx.AsyncClient) -> None:
    found = (await client.get("/v1/models")).json()["data"]
    assert [(one["id"], one["type"]) for one in found] == [
        ("scripted", "chat"),
        (MODEL, "embedding"),
    ]
    embedding = (await client.get(f"/v1/models/{MODEL}")).json()
    assert set(embedding) == set(found[0])
    assert embedding == found[1]
    assert (embedding["dimensions"], embedding["context_window"]) == (384, 512)
    assert not any(embedding["capabilities"].values())
    assert embedding["default"] is False


async def test_nobody_can_talk_to_it(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/responses", json={"model": MODEL, "input": "hi"})
    assert error_of(answer, 404)["code"] == "model_not_found"


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        ({}, 400, "missing_required_parameter", "input"),
        ({"input": None}, 400, "missing_required_parameter", "input"),
        ({"input": ""}, 400, "string_below_min_length", "input"),
        ({"input": []}, 400, "empty_array", "input"),
        ({"input": ["a", ""]}, 400, "string_below_min_length", "input[1]"),
        ({"input": ["a", None]}, 400, "missing_required_parameter", "input[1]"),
        ({"input": ["a", 1]}, 400, "invalid_type", "input[1]"),
        ({"input": [1, 2]}, 400, "unsupported_value", "input"),
        ({"input": [[1, 2], [3]]}, 400, "unsupported_value", "input"),
        ({"input": 7}, 400, "invalid_type", "input"),
        ({"input": {"text": "a"}}, 400, "invalid_type", "input"),
        ({"input": ["a"] * 2049}, 400, "array_above_max_length", "input"),
        ({"input": ["a" * 10_000] * 3}, 400, "string_above_max_length", "input"),
        ({"input": "a", "dimensions": 385}, 400, "above_max_value", "dimensions"),
        ({"input": "a", "dimensions": 0}, 400, "below_min_value", "dimensions"),
        ({"input": "a", "dimensions": "64"}, 400, "invalid_type", "dimensions"),
        ({"input": "a", "dimensions": True}, 400, "invalid_type", "dimensions"),
        ({"input": "a", "encoding_format": "hex"}, 400, "invalid_value", "encoding_format"),
        ({"input": "a", "encoding_format": 1}, 400, "invalid_type", "encoding_format"),
        ({"input": "a", "user": 1}, 400, "invalid_type", "user"),
        ({"input": "a", "model": 1}, 400, "invalid_type", "model"),
        ({"input": "a", "model": "nobody's"}, 404, "model_not_found", "model"),
        ({"input": "a " * 600}, 400, "context_length_exceeded", "input[0]"),
        ([], 400, "invalid_type", None),
    ],
)
async def test_bad_input(
    client: httpx.AsyncClient, body: Any, status: int, code: str, param: str | None
) -> None:
    error = error_of(await client.post("/v1/embeddings", json=body), status)
    assert (error["code"], error["param"]) == (code, param)


async def test_the_refusal_of_token_numbers_says_what_to_do(client: httpx.AsyncClient) -> None:
    error = error_of(await client.post("/v1/embeddings", json={"input": [[1]]}), 400)
    assert "check_embedding_ctx_length" in error["message"]


async def test_a_client_that_leaves_ends_its_work(
    server: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedding = server.node.embedding
    assert embedding is not None
    begun, ended = asyncio.Event(), asyncio.Event()

    async def for_ever(*_: Any) -> Any:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    monkeypatch.setattr(embedding, "embed", for_ever)
    leaving = await server.client()
    task = asyncio.create_task(leaving.post("/v1/embeddings", json={"input": "hi"}))
    await begun.wait()
    task.cancel()
    await asyncio.wait([task])
    await leaving.aclose()
    await ended.wait()


async def test_strangers_and_a_server_that_embeds_nothing(tmp_path: Path) -> None:
    async with live(tmp_path, auth=True, embedding="none") as server:
        stranger = await server.client()
        error_of(await stranger.post("/v1/embeddings", json={"input": "hi"}), 401)
        user = await server.client(await server.register("ann@example.org"))
        error = error_of(await user.post("/v1/embeddings", json={"input": "hi"}), 404)
        assert "embedding is none" in error["message"]
        assert [one["type"] for one in (await user.get("/v1/models")).json()["data"]] == ["chat"]


async def test_without_weights_and_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    async with live(tmp_path, limits=Limits(requests_per_minute=1)) as server:
        client = await server.client()
        before = (await client.get(f"/v1/models/{MODEL}")).json()["state"]
        assert (before["status"], before["detail"]) == ("absent", "downloaded at its first use")
        error = error_of(await client.post("/v1/embeddings", json={"input": "hi"}), 503)
        assert error["code"] == "model_unavailable"
        assert "pip could not fetch" in error["message"]
        after = (await client.get(f"/v1/models/{MODEL}")).json()["state"]
        assert after["status"] == "failed"
        error_of(await client.post("/v1/embeddings", json={"input": "hi"}), 429)


async def test_the_examples_of_the_document_run(server: Live, client: httpx.AsyncClient) -> None:
    operation = server.app.openapi()["paths"]["/v1/embeddings"]["post"]
    content = operation["requestBody"]["content"]["application/json"]
    assert len(content["examples"]) == 2
    for example in content["examples"].values():
        await post(client, **example["value"])
    assert {"200", "400", "401", "404", "413", "429", "502", "503"} <= set(operation["responses"])

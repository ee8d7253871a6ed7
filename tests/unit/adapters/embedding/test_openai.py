"""The client of embedding servers against a real HTTP server that misbehaves on demand."""

from __future__ import annotations

import base64
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from tertulia.adapters.embedding.openai import EmbeddingEndpoint, OpenAIEmbedding
from tertulia.domain.vector import numbers
from tertulia.errors import (
    ContextTooLong,
    ModelGarbage,
    ModelRateLimited,
    ModelRefused,
    ModelUnauthorized,
    ModelUnavailable,
    TertuliaError,
)

KEY = "sk-secret"


class Server:
    """Answers with what `answers` holds, one after the other; the last one for ever."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.answers: list[Any] = []
        self.url = ""

    async def embed(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(await request.json())
        self.headers.append(dict(request.headers))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, web.Response):
            return web.Response(status=answer.status, body=answer.body, headers=answer.headers)
        return web.json_response(answer)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    app = web.Application()
    app.router.add_post("/v1/embeddings", made.embed)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    yield made
    await runner.cleanup()


@pytest.fixture
async def waits() -> list[float]:
    return []


@pytest.fixture
async def model(server: Server, waits: list[float]) -> AsyncIterator[OpenAIEmbedding]:
    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    endpoint = EmbeddingEndpoint(
        server.url, "e5", "far", KEY, query="query: ", document="passage: ", answer_seconds=20
    )
    made = OpenAIEmbedding(endpoint, sleep=sleep)
    yield made
    await made.close()


def vectors(*found: Any, **usage: int) -> dict[str, Any]:
    data = [{"object": "embedding", "index": i, "embedding": e} for i, e in enumerate(found)]
    return {"object": "list", "data": data, "model": "e5", "usage": usage or None}


def failure(status: int, message: str = "no", **headers: str) -> web.Response:
    return web.json_response({"error": {"message": message}}, status=status, headers=headers)


async def test_what_it_sends_and_what_it_takes(server: Server, model: OpenAIEmbedding) -> None:
    packed = base64.b64encode(struct.pack("<2f", 0, 5)).decode()
    answer = vectors([3.0, 4.0], packed, prompt_tokens=7)
    answer["data"].reverse()
    server.answers = [answer]
    before = model.info
    done = await model.embed(["a", "b"])
    assert [list(numbers(v)) for v in done.vectors] == [pytest.approx([0.6, 0.8]), [0, 1]]
    assert (before.dimensions, model.info.dimensions, done.tokens) == (None, 2, 7)
    assert server.asked == [{"model": "e5", "input": ["passage: a", "passage: b"]}]
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
    server.answers = [vectors([1.0, 0.0])]
    done = await model.embed(["why?"], "query")
    assert server.asked[-1]["input"] == ["query: why?"]
    assert done.tokens > 0  # estimated: this server does not tell


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (failure(401, f"key {KEY}"), ModelUnauthorized),
        (failure(400, "input is strange"), ModelRefused),
        (failure(404), ModelRefused),
        (failure(400, "maximum context length is 512 tokens"), ContextTooLong),
        (failure(302, Location="http://127.0.0.1:9/"), ModelGarbage),
        (web.Response(text="<html>"), ModelGarbage),
        (web.Response(body=b"\xff\xfe"), ModelGarbage),
        ({"data": [{"index": 0}]}, ModelGarbage),
        (vectors(), ModelGarbage),
        (vectors([1.0], [1.0]), ModelGarbage),
        ({"data": [{"index": 7, "embedding": [1.0]}]}, ModelGarbage),
        (vectors([]), ModelGarbage),
        (vectors([0.0, 0.0]), ModelGarbage),
        (vectors([1e300]), ModelGarbage),
        (vectors("no base64"), ModelGarbage),
        (vectors("AAA="), ModelGarbage),
    ],
)
async def test_answers_that_are_none(
    server: Server, model: OpenAIEmbedding, answer: Any, kind: type[TertuliaError]
) -> None:
    server.answers = [answer]
    with pytest.raises(kind) as raised:
        await model.embed(["canary"])
    assert type(raised.value) is kind
    assert KEY not in str(raised.value)
    assert "canary" not in str(raised.value)
    assert len(server.asked) == 1


async def test_vectors_of_another_size_are_refused(server: Server, model: OpenAIEmbedding) -> None:
    """Whoever compares vectors relies on it, so a model that was changed must not go unseen."""
    server.answers = [vectors([1.0, 0.0]), vectors([1.0, 0.0, 0.0])]
    await model.embed(["a"])
    with pytest.raises(ModelGarbage, match="several sizes"):
        await model.embed(["a"])


async def test_a_server_that_recovers(
    server: Server, model: OpenAIEmbedding, waits: list[float]
) -> None:
    server.answers = [failure(503), failure(429, **{"Retry-After": "3"}), vectors([1.0])]
    assert len((await model.embed(["a"])).vectors) == 1
    assert waits == [0.5, 3.0]


async def test_a_server_that_does_not(
    server: Server, model: OpenAIEmbedding, waits: list[float]
) -> None:
    server.answers = [failure(500)]
    with pytest.raises(ModelUnavailable):
        await model.embed(["a"])
    assert (len(server.asked), waits) == (3, [0.5, 1.0])
    server.answers = [failure(429, **{"Retry-After": "60"})]
    with pytest.raises(ModelRateLimited) as raised:
        await model.embed(["a"])
    assert raised.value.retry_after == 60
    assert len(server.asked) == 4


async def test_a_server_that_is_not_there() -> None:
    made = OpenAIEmbedding(EmbeddingEndpoint("http://127.0.0.1:9/v1", "e5", "far", retries=0))
    with pytest.raises(ModelUnavailable, match=r"far cannot be reached"):
        await made.embed(["a"])
    assert made.state().status == "ready"
    await made.close()

"""The OpenAI-compatible client against a real server that misbehaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
import structlog
from tests.support.upstream import TEXT, UNICODE, Upstream, upstream

from tertulia.adapters.model.openai import OpenAIModel
from tertulia.adapters.model.openai_client import ChatClient, Endpoint
from tertulia.errors import (
    ContextTooLong,
    ModelGarbage,
    ModelRateLimited,
    ModelRefused,
    ModelUnauthorized,
    ModelUnavailable,
    TertuliaError,
)
from tertulia.ports.model import (
    Call,
    Chunk,
    Finished,
    Message,
    ModelInfo,
    ReasoningChunk,
    TextChunk,
    TextPart,
    ToolCallChunk,
    Usage,
)

CALL = Call("x", [Message("user", (TextPart("secret prompt"),))])

#: Short enough not to be felt; what the server does in these tests, it does never or at once.
AT_ONCE = 0.3


class Waits:
    """Takes the place of sleeping between tries."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@asynccontextmanager
async def client(server: Upstream, waits: Waits | None = None, **more: Any) -> AsyncIterator[Any]:
    made = ChatClient(
        Endpoint("fake", server.base_url, **{"retries": 0, **more}),
        sleep=waits or Waits(),
        chance=lambda: 1.0,
    )
    try:
        yield made
    finally:
        await made.close()


@pytest.fixture
async def server() -> AsyncIterator[Upstream]:
    async with upstream() as made:
        yield made


async def run(
    server: Upstream, habit: str, got: list[Chunk] | None = None, **more: Any
) -> list[Chunk]:
    chunks: list[Chunk] = got if got is not None else []
    async with client(server, **more) as made, aclosing(made.chat(CALL, habit)) as batches:
        async for batch in batches:
            chunks.extend(batch)
    return chunks


def text(chunks: list[Chunk]) -> str:
    return "".join(c.text for c in chunks if isinstance(c, TextChunk))


async def test_text_and_usage(server: Upstream) -> None:
    chunks = await run(server, "ok", api_key="sk-1")
    assert text(chunks) == TEXT
    assert chunks[-1] == Finished("stop", Usage(7, 12, 3, 2))
    assert server.headers[0]["Authorization"] == "Bearer sk-1"


@pytest.mark.parametrize("habit", ["bytes", "crlf"])
async def test_however_the_bytes_come(server: Upstream, habit: str) -> None:
    assert text(await run(server, habit)) == UNICODE


async def test_usage_is_estimated_where_none_is_told(server: Upstream) -> None:
    for habit in ("no-usage", "no-done", "hang-end"):
        chunks = await run(server, habit, chunk_seconds=AT_ONCE)
        assert text(chunks) == "all"
        assert isinstance(chunks[-1], Finished)
        assert chunks[-1].usage is not None
        assert not chunks[-1].usage.exact
        assert chunks[-1].usage.input_tokens > 0


async def test_reasoning_refusal_and_filter(server: Upstream) -> None:
    chunks = await run(server, "reasoning")
    assert chunks[:2] == [ReasoningChunk("hm"), ReasoningChunk("so")]
    assert text(await run(server, "refusal")) == "I will not."
    assert isinstance(end := (await run(server, "filter"))[-1], Finished)
    assert end.reason == "content_filter"


@pytest.mark.parametrize("habit", ["tools", "tools-no-index", "tools-same-index"])
async def test_tool_calls_side_by_side(server: Upstream, habit: str) -> None:
    chunks = await run(server, habit)
    calls = [c for c in chunks if isinstance(c, ToolCallChunk)]
    starts = [(c.index, c.call_id, c.name) for c in calls if c.name]
    assert starts == [(0, "call_a", "first"), (1, "call_b", "second")]
    arguments = ["".join(c.arguments for c in calls if c.index == i) for i in (0, 1)]
    assert arguments == ['{"x": 1}', '{"y": 2}']
    assert isinstance(end := chunks[-1], Finished)
    assert end.reason == "tool_calls"


@pytest.mark.parametrize(
    ("habit", "error", "begun"),
    [
        ("400", ModelRefused, ""),
        ("401", ModelUnauthorized, ""),
        ("403", ModelUnauthorized, ""),
        ("404", ModelRefused, ""),
        ("422", ModelRefused, ""),
        ("429", ModelRateLimited, ""),
        ("500", ModelUnavailable, ""),
        ("502-html", ModelUnavailable, ""),
        ("302", ModelGarbage, ""),
        ("too-long", ContextTooLong, ""),
        ("too-long-code", ContextTooLong, ""),
        ("html", ModelGarbage, ""),
        ("json", ModelGarbage, ""),
        ("plain", ModelGarbage, ""),
        ("binary", ModelGarbage, ""),
        ("garbage", ModelGarbage, "begun"),
        ("utf8", ModelGarbage, "begun"),
        ("surrogate", ModelGarbage, "begun"),
        ("wrong-types", ModelGarbage, "begun"),
        ("endless", ModelGarbage, "begun"),
        ("tools-nameless", ModelGarbage, ""),
        ("cut", ModelUnavailable, "begun"),
        ("cut-clean", ModelUnavailable, "begun"),
        ("cut-empty", ModelUnavailable, ""),
        ("aborted", ModelUnavailable, "begun"),
        ("error-event", ModelUnavailable, "begun"),
    ],
)
async def test_what_goes_wrong_is_told_apart_and_what_came_stands(
    server: Upstream, habit: str, error: type[TertuliaError], begun: str
) -> None:
    got: list[Chunk] = []
    with structlog.testing.capture_logs() as logs, pytest.raises(error) as raised:
        await run(server, habit, got)
    assert text(got) == begun
    assert not any(isinstance(chunk, Finished) for chunk in got)
    # The server's words may quote the prompt: for the user, not for the log.
    assert "secret" not in str(logs)
    assert "sk-abc" not in str(raised.value) + str(logs)


async def test_the_reason_is_shown_to_the_user(server: Upstream) -> None:
    with pytest.raises(ModelRefused, match="secret prompt is odd"):
        await run(server, "400")


@pytest.mark.parametrize("habit", ["hang", "hang-headers"])
async def test_silence_before_the_first_chunk(server: Upstream, habit: str) -> None:
    with pytest.raises(ModelUnavailable, match="sent nothing") as raised:
        await run(server, habit, first_chunk_seconds=AT_ONCE, retries=2)
    assert raised.value.code == "timeout"
    # It may still be at work on it: asking again would only add to that.
    assert server.asked(habit) == 1
    assert await server.left.get() == habit


async def test_silence_in_mid_answer(server: Upstream) -> None:
    got: list[Chunk] = []
    with pytest.raises(ModelUnavailable, match="sent nothing"):
        await run(server, "hang-mid", got, chunk_seconds=AT_ONCE)
    assert text(got) == "begun"
    assert await server.left.get() == "hang-mid"


async def test_nobody_listens() -> None:
    async with upstream() as server:
        gone = server
    with pytest.raises(ModelUnavailable, match="cannot be reached"):
        await run(gone, "ok")


@pytest.mark.parametrize(
    ("habit", "waited"), [("500-once", [0.5]), ("429-once", [3.0]), ("cut-once", [0.5])]
)
async def test_it_tries_again_before_the_first_chunk(
    server: Upstream, habit: str, waited: list[float]
) -> None:
    waits = Waits()
    assert text(await run(server, habit, waits=waits, retries=2)) == TEXT
    assert waits.seconds == waited


async def test_it_gives_up_after_its_tries(server: Upstream) -> None:
    waits = Waits()
    with pytest.raises(ModelUnavailable):
        await run(server, "500", waits=waits, retries=2)
    assert server.asked("500") == 3
    assert waits.seconds == [0.5, 1.0]


async def test_too_long_a_wait_is_left_to_the_caller(server: Upstream) -> None:
    with pytest.raises(ModelRateLimited) as raised:
        await run(server, "429", retries=2)
    assert raised.value.retry_after == 40
    assert server.asked("429") == 1


@pytest.mark.parametrize("habit", ["400", "401", "cut", "garbage"])
async def test_what_would_fail_again_is_not_tried_again(server: Upstream, habit: str) -> None:
    with pytest.raises(TertuliaError):
        await run(server, habit, retries=2)
    assert server.asked(habit) == 1


async def test_closing_hangs_up(server: Upstream) -> None:
    async with client(server) as made:
        model = OpenAIModel(made, ModelInfo("x", "x", "fake", 8192), "hang-mid")
        async with aclosing(model.generate(CALL)) as batches:
            await anext(batches)
        assert await server.left.get() == "hang-mid"


async def test_cancelling_hangs_up(server: Upstream) -> None:
    async with client(server) as made:
        begun = asyncio.Event()

        async def read() -> None:
            async with aclosing(made.chat(CALL, "hang-mid")) as batches:
                async for _ in batches:
                    begun.set()

        task = asyncio.create_task(read())
        await begun.wait()
        task.cancel()
        assert await server.left.get() == "hang-mid"
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_finished_answer_keeps_its_connection(server: Upstream) -> None:
    async with client(server) as made:
        ports = set()
        for _ in range(3):
            async with aclosing(made.chat(CALL, "ok")) as batches:
                async for _ in batches:
                    pass
            ports.add(len(made._session.connector._conns))
    assert ports == {1}


async def test_the_list_of_models(server: Upstream) -> None:
    server.listed = [
        {"id": "a", "max_model_len": 4096},
        {"id": "b", "context_length": 1000},
        {"id": "c", "meta": {"n_ctx": 512}},
        {"id": "d", "meta": None},
    ]
    async with client(server) as made:
        assert [(m.id, m.window) for m in await made.models()] == [
            ("a", 4096),
            ("b", 1000),
            ("c", 512),
            ("d", None),
        ]
        server.listed = None
        with pytest.raises(ModelUnavailable):
            await made.models()
        server.listed = [{"name": "no id"}]
        with pytest.raises(ModelGarbage):
            await made.models()

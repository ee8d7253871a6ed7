"""Chat completions by the official OpenAI SDK, its helpers included."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import openai
import pytest
from openai import AsyncOpenAI
from pydantic import BaseModel
from tests.support.chat import function
from tests.support.live import Live, live

ASKED: Any = [{"role": "user", "content": "calls=2"}]
TOOLS: Any = [function("look_up"), function("translate")]


class Verdict(BaseModel):
    answer: Literal["yes", "no"]
    reasons: list[str]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path) as started:
        yield started


@pytest.fixture
async def sdk(server: Live) -> AsyncIterator[AsyncOpenAI]:
    async with server.sdk() as client:
        yield client


async def test_create(sdk: AsyncOpenAI) -> None:
    completion = await sdk.chat.completions.create(
        model="scripted", messages=[{"role": "user", "content": "chunks=5"}], stop=["w4"]
    )
    assert completion.choices[0].message.content == "w0 w1 w2 w3 "
    assert completion.usage is not None
    assert completion.usage.total_tokens == 6


async def test_stream(sdk: AsyncOpenAI) -> None:
    stream = await sdk.chat.completions.create(
        model="scripted",
        messages=[{"role": "user", "content": "rate=100 chunks=20"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    pieces = [chunk async for chunk in stream]
    text = "".join(c.choices[0].delta.content or "" for c in pieces if c.choices)
    assert text.split() == [f"w{n}" for n in range(20)]
    assert pieces[-1].usage is not None
    assert pieces[-1].usage.completion_tokens == 20


async def test_the_stream_helper_puts_text_together(sdk: AsyncOpenAI) -> None:
    said: Any = [{"role": "user", "content": "chunks=6"}]
    async with sdk.chat.completions.stream(model="scripted", messages=said) as stream:
        kinds = [event.type async for event in stream]
        final = await stream.get_final_completion()
    assert kinds.count("content.done") == 1
    assert final.choices[0].message.content == "w0 w1 w2 w3 w4 w5"
    assert final.choices[0].finish_reason == "stop"


@pytest.mark.parametrize("streamed", [False, True])
async def test_parallel_calls_there_and_back(sdk: AsyncOpenAI, streamed: bool) -> None:
    if streamed:
        async with sdk.chat.completions.stream(
            model="scripted", messages=ASKED, tools=TOOLS
        ) as stream:
            done = [e async for e in stream if e.type == "tool_calls.function.arguments.done"]
            first: Any = await stream.get_final_completion()
        assert [(event.index, event.name) for event in done] == [(0, "look_up"), (1, "translate")]
    else:
        first = await sdk.chat.completions.create(model="scripted", messages=ASKED, tools=TOOLS)
    message = first.choices[0].message
    assert first.choices[0].finish_reason == "tool_calls"
    assert [call.function.name for call in message.tool_calls] == ["look_up", "translate"]
    for call in message.tool_calls:
        assert json.loads(call.function.arguments) == {"word": "word0"}
    answers = [
        {"role": "tool", "tool_call_id": call.id, "content": f"answer {index}"}
        for index, call in enumerate(message.tool_calls)
    ]
    history: Any = [*ASKED, message.model_dump(), *answers]
    second = await sdk.chat.completions.create(model="scripted", messages=history, tools=TOOLS)
    assert second.choices[0].finish_reason == "stop"
    assert second.choices[0].message.content


async def test_a_schema_is_parsed_into_its_class(sdk: AsyncOpenAI) -> None:
    said: Any = [{"role": "user", "content": "Is it so?"}]
    parsed = await sdk.chat.completions.parse(
        model="scripted", messages=said, response_format=Verdict
    )
    assert isinstance(parsed.choices[0].message.parsed, Verdict)
    async with sdk.chat.completions.stream(
        model="scripted", messages=said, response_format=Verdict
    ) as stream:
        streamed = (await stream.get_final_completion()).choices[0].message.parsed
    assert streamed == parsed.choices[0].message.parsed
    json_mode = await sdk.chat.completions.create(
        model="scripted", messages=said, response_format={"type": "json_object"}
    )
    assert isinstance(json.loads(json_mode.choices[0].message.content or ""), dict)


async def test_a_typed_tool_is_parsed(sdk: AsyncOpenAI) -> None:
    parsed = await sdk.chat.completions.parse(
        model="scripted",
        messages=ASKED,
        tools=[openai.pydantic_function_tool(Verdict)],
    )
    calls = parsed.choices[0].message.tool_calls
    assert calls is not None
    assert isinstance(calls[0].function.parsed_arguments, Verdict)


@pytest.mark.parametrize(
    ("text", "error", "code"),
    [
        ("error 400", openai.BadRequestError, "model_refused"),
        ("error context", openai.BadRequestError, "context_length_exceeded"),
        ("error 404", openai.NotFoundError, "model_not_found"),
        ("error 429", openai.RateLimitError, "model_rate_limited"),
        ("error 401", openai.InternalServerError, "model_unauthorized"),
        ("error 503", openai.InternalServerError, "model_unavailable"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_errors_are_the_sdks_own(
    sdk: AsyncOpenAI, text: str, error: type[openai.APIStatusError], code: str, stream: bool
) -> None:
    said: Any = [{"role": "user", "content": text}]
    with pytest.raises(error) as caught:
        await sdk.chat.completions.create(model="scripted", messages=said, stream=stream)
    assert caught.value.code == code


async def test_the_sdk_tries_a_model_that_is_down_again(server: Live) -> None:
    said: Any = [{"role": "user", "content": "error 503"}]
    async with server.sdk().with_options(max_retries=1) as sdk:
        with pytest.raises(openai.InternalServerError):
            await sdk.chat.completions.create(model="scripted", messages=said, stream=True)
    assert len(server.node.models.calls()) == 2


async def test_an_answer_that_breaks_off_is_an_error_after_its_text(sdk: AsyncOpenAI) -> None:
    said: Any = [{"role": "user", "content": "chunks=9 fail at 3"}]
    stream = await sdk.chat.completions.create(model="scripted", messages=said, stream=True)
    text = ""

    async def read() -> None:
        nonlocal text
        async for chunk in stream:
            text += chunk.choices[0].delta.content or ""

    with pytest.raises(openai.APIError, match="break off") as caught:
        await read()
    assert text == "w0 w1 w2"
    assert caught.value.code == "model_unavailable"
    with pytest.raises(openai.InternalServerError):
        await sdk.chat.completions.create(model="scripted", messages=said)

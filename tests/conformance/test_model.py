"""What every model adapter promises, held against all of them.

The scripted model, the OpenAI-compatible client against a real HTTP server, and the real small
model in this process.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
import pytest_asyncio
from tests.support.upstream import TEXT, upstream
from tests.support.weights import smollm2

from tertulia.adapters.model.local import LocalModel
from tertulia.adapters.model.openai import OpenAIModel
from tertulia.adapters.model.openai_client import ChatClient, Endpoint
from tertulia.adapters.model.scripted import ScriptedModel
from tertulia.adapters.model.scripted_calls import CallLog
from tertulia.errors import ContextTooLong
from tertulia.ports.model import (
    Call,
    Chunk,
    Finished,
    Message,
    Model,
    ModelInfo,
    TextChunk,
    TextPart,
)

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

PARALLEL = 2


@dataclass
class Subject:
    """A model, and calls of it that come out in a known way."""

    model: Model
    short: Call
    #: Goes on until it is stopped, having begun.
    endless: Call
    too_long: Call
    #: What ``short`` is answered with, where that is certain.
    text: str | None


def says(text: str, **more: Any) -> Call:
    return Call("x", [Message("user", (TextPart(text),))], temperature=0.0, **more)


@asynccontextmanager
async def scripted() -> AsyncIterator[Subject]:
    yield Subject(
        ScriptedModel("scripted", CallLog()),
        says("echo: one two three four"),
        says("chunks=9 hang at 2"),
        says("error context"),
        "one two three four",
    )


@asynccontextmanager
async def openai() -> AsyncIterator[Subject]:
    async with upstream() as server:
        client = ChatClient(Endpoint("fake", server.base_url, retries=0))
        info = ModelInfo("ok", "ok", "fake", 8192, prefill=True, json_schema=True)
        # One model whose habit follows from what it is told, as the other subjects do.
        habits = {"go on": "hang-mid", "too much": "too-long"}

        class Chosen(OpenAIModel):
            def generate(self, call: Call) -> Any:
                first = call.entries[0]
                assert isinstance(first, Message)
                return client.chat(call, habits.get(first.text, "ok"))

        try:
            yield Subject(
                Chosen(client, info, "ok"), says("hi"), says("go on"), says("too much"), TEXT
            )
        finally:
            await client.close()


@asynccontextmanager
async def local() -> AsyncIterator[Subject]:
    model = LocalModel(await smollm2(), parallel=PARALLEL, window=1024)
    try:
        await model.ready()
        yield Subject(
            model,
            says("Name three colours.", max_output_tokens=24),
            says("Write a long story.", extra={"ignore_eos": True}, max_output_tokens=1000),
            says("word " * 2000),
            None,
        )
    finally:
        await model.close()


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="module",
    params=[scripted, openai, local],
    ids=lambda p: p.__name__,
)
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    async with request.param() as made:
        yield made


async def collect(model: Model, call: Call) -> list[Chunk]:
    chunks: list[Chunk] = []
    async with aclosing(model.generate(call)) as batches:
        async for batch in batches:
            assert batch, "an empty batch"
            chunks.extend(batch)
    return chunks


def text_of(chunks: Sequence[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, TextChunk))


async def first_text(batches: AsyncIterator[Sequence[Chunk]]) -> str:
    async for batch in batches:
        if text_of(batch):
            return text_of(batch)
    raise AssertionError("it ended without text")


async def test_text_comes_in_chunks_and_finished_is_last(subject: Subject) -> None:
    chunks = await collect(subject.model, subject.short)
    *before, last = chunks
    assert isinstance(last, Finished)
    assert last.reason in ("stop", "length")
    assert not any(isinstance(chunk, Finished) for chunk in before)
    assert len(before) > 1
    assert subject.text is None or text_of(chunks) == subject.text
    assert last.usage is not None
    assert last.usage.input_tokens > 0
    assert last.usage.output_tokens > 0


async def test_a_limit_ends_the_answer_as_length(subject: Subject) -> None:
    chunks = await collect(subject.model, replace(subject.short, max_output_tokens=3))
    assert isinstance(chunks[-1], Finished)
    assert chunks[-1].reason == "length"
    assert text_of(chunks)


async def test_a_stop_sequence_ends_the_answer_before_it(subject: Subject) -> None:
    whole = text_of(await collect(subject.model, subject.short))
    stop = " " + whole.split(" ")[2]
    chunks = await collect(subject.model, replace(subject.short, stop=(stop, "none of it")))
    assert text_of(chunks) == whole.partition(stop)[0] != ""
    assert isinstance(chunks[-1], Finished)
    assert chunks[-1].reason == "stop"


async def test_an_answer_goes_on_from_its_prefix(subject: Subject) -> None:
    assert subject.model.info.prefill
    chunks = await collect(subject.model, subject.short)
    pieces = [chunk.text for chunk in chunks if isinstance(chunk, TextChunk)]
    whole = "".join(pieces)
    prefix = "".join(pieces[: len(pieces) // 2])
    rest = text_of(await collect(subject.model, replace(subject.short, prefix=prefix)))
    assert rest
    assert not rest.startswith(prefix)
    if subject.text is not None:
        assert prefix + rest == whole


async def test_calls_run_side_by_side_and_do_not_mix(subject: Subject) -> None:
    answers = await asyncio.gather(
        *(collect(subject.model, subject.short) for _ in range(3 * PARALLEL))
    )
    assert all(isinstance(answer[-1], Finished) for answer in answers)
    if subject.text is not None:
        assert {text_of(answer) for answer in answers} == {subject.text}


async def test_closing_stops_it_and_frees_its_place(subject: Subject) -> None:
    for _ in range(PARALLEL + 1):
        async with aclosing(subject.model.generate(subject.endless)) as batches:
            assert await first_text(batches)
    assert isinstance((await collect(subject.model, subject.short))[-1], Finished)


async def test_cancelling_the_reader_stops_it_and_frees_its_place(subject: Subject) -> None:
    begun = asyncio.Queue[None]()

    async def read() -> None:
        async with aclosing(subject.model.generate(subject.endless)) as batches:
            async for _ in batches:
                begun.put_nowait(None)

    # More than have a place: the last ones are cancelled while they wait for it.
    tasks = [asyncio.create_task(read()) for _ in range(PARALLEL + 2)]
    for _ in range(PARALLEL):
        await begun.get()
    for task in tasks:
        task.cancel()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in done)
    assert isinstance((await collect(subject.model, subject.short))[-1], Finished)


async def test_too_long_a_conversation_is_told_apart(subject: Subject) -> None:
    with pytest.raises(ContextTooLong):
        await collect(subject.model, subject.too_long)


async def test_it_is_ready_and_says_so(subject: Subject) -> None:
    await subject.model.ready()
    assert subject.model.state().status == "ready"


async def test_tokens_are_counted(subject: Subject) -> None:
    count = subject.model.count_tokens
    assert count("") == 0
    assert 0 < count("Name three colours.") <= count("Name three colours. " * 5)
    assert count("漢字 🙂") > 0


async def test_a_schema_is_kept(subject: Subject) -> None:
    assert subject.model.info.json_schema
    schema = {
        "type": "object",
        "properties": {"colour": {"type": "string", "maxLength": 12}, "n": {"enum": [1, 2]}},
        "required": ["colour", "n"],
        "additionalProperties": False,
    }
    call = replace(subject.short, json_schema=schema, max_output_tokens=200)
    answer = json.loads(text_of(await collect(subject.model, call)))
    assert set(answer) == {"colour", "n"}
    assert answer["n"] in (1, 2)

"""The scripted model: its ids, its rules, its pace and its record of calls."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from tertulia.adapters.model.scripted import ScriptedModel
from tertulia.adapters.model.scripted_calls import CallLog
from tertulia.adapters.model.scripted_rules import MARKDOWN, parse_id
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
    Entry,
    Finished,
    Message,
    ReasoningChunk,
    TextChunk,
    TextPart,
    Tool,
    ToolCall,
    ToolCallChunk,
    ToolOutput,
)

LOOK_UP = Tool(
    "look_up",
    None,
    {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]},
)
OTHER = Tool("other", None, None)


class Clock:
    """Time passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


def user(text: str) -> Message:
    return Message("user", (TextPart(text),))


def assistant(text: str) -> Message:
    return Message("assistant", (TextPart(text),))


async def run(model: ScriptedModel, call: Call) -> list[Chunk]:
    return [chunk async for batch in model.generate(call) for chunk in batch]


async def ask(
    message: str, model_id: str = "scripted", log: CallLog | None = None, **more: Any
) -> list[Chunk]:
    model = ScriptedModel(model_id, log or CallLog())
    return await run(model, Call(model_id, [user(message)], **more))


def text(chunks: Sequence[Chunk]) -> str:
    return "".join(c.text for c in chunks if isinstance(c, TextChunk))


def end(chunks: Sequence[Chunk]) -> Finished:
    assert isinstance(chunks[-1], Finished)
    return chunks[-1]


@pytest.mark.parametrize(
    "model_id",
    ["scripted-", "scripted-0x1", "scripted-5", "scripted-5x", "scripted-x5", "scripted-ax5",
     "Scripted", "scripted-5x5-", "scripted-5x-5", "scripted-9999999x0", "other"],
)  # fmt: skip
def test_what_is_no_id(model_id: str) -> None:
    assert parse_id(model_id) is None
    with pytest.raises(ValueError, match=re.escape(model_id)):
        ScriptedModel(model_id, CallLog())


async def test_every_chunk_is_one_numbered_word() -> None:
    chunks = await ask("whatever", "scripted-5x0")
    assert chunks[:-1] == [TextChunk(t) for t in ("w0", " w1", " w2", " w3", " w4")]
    assert end(chunks).reason == "stop"


@pytest.mark.parametrize(
    ("prefix", "rest"),
    [
        ("", "w0 w1 w2 w3 w4"),
        ("w0 w1", " w2 w3 w4"),
        ("w0 w1 ", "w2 w3 w4"),
        ("w0 w1 w", "2 w3 w4"),
        ("w0 w1 w2 w3 w4", ""),
        ("changed by moderation w2", " w3 w4"),
        ("something else", "w0 w1 w2 w3 w4"),
    ],
)
async def test_words_go_on_after_a_prefix(prefix: str, rest: str) -> None:
    assert text(await ask("x", "scripted-5x0", prefix=prefix)) == rest


async def test_the_rate_is_kept_and_a_late_reader_gets_a_burst() -> None:
    clock = Clock()
    model = ScriptedModel("scripted-10x4", CallLog(), clock=clock, sleep=clock.sleep)
    arrived: list[tuple[float, int]] = []
    async for batch in model.generate(Call("x", [user("x")])):
        arrived.append((clock.now - 100, len(batch)))
        if len(arrived) == 3:
            clock.now += 1.0
    assert arrived[:5] == [(0.0, 1), (0.25, 1), (0.5, 1), (1.5, 4), (1.75, 1)]
    assert arrived[-2:] == [(2.25, 1), (2.25, 1)]


async def test_the_delay_comes_before_the_first_chunk() -> None:
    clock = Clock()
    model = ScriptedModel("scripted", CallLog(), clock=clock, sleep=clock.sleep)
    await run(model, Call("x", [user("delay=0.5 rate=10 chunks=3")]))
    assert clock.now == pytest.approx(100.7)


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        ("Hello there", "Scripted answer to: Hello there"),
        ("hang on a second", "Scripted answer to: hang on a second"),
        ("chunks=3", "w0 w1 w2"),
        ("rate=1000 chunks=2", "w0 w1"),
        ("markdown", MARKDOWN),
        ("echo: two  spaces\nand a line\n", "two  spaces\nand a line\n"),
        ("echo:", "Scripted answer."),
        ("echo: echo: chunks=3", "echo: chunks=3"),
        ("rate=1000 split: 漢字 🙂", "漢字 🙂"),
        ("", "Scripted answer."),
    ],
)
async def test_rules(message: str, answer: str) -> None:
    assert text(await ask(message)) == answer


async def test_split_gives_a_chunk_a_character() -> None:
    assert (await ask("split: aé🙂"))[:-1] == [TextChunk("a"), TextChunk("é"), TextChunk("🙂")]


async def test_thoughts_come_first_and_are_not_repeated_after_a_prefix() -> None:
    chunks = await ask("think chunks=2")
    assert isinstance(chunks[0], ReasoningChunk)
    assert text(chunks) == "w0 w1"
    again = await ask("think chunks=2", prefix="w0")
    assert again[:-1] == [TextChunk(" w1")]


async def test_an_effort_is_thought_and_counted() -> None:
    chunks = await ask("chunks=2", reasoning_effort="low")
    thoughts = [c.text for c in chunks if isinstance(c, ReasoningChunk)]
    assert "".join(thoughts).split() == [f"t{i}" for i in range(40)]
    assert text(chunks) == "w0 w1"
    usage = end(chunks).usage
    assert usage is not None
    assert (usage.output_tokens, usage.reasoning_tokens) == (42, 40)
    for effort in (None, "none"):
        assert not isinstance((await ask("hi", reasoning_effort=effort))[0], ReasoningChunk)


async def test_thoughts_use_up_the_bound_too() -> None:
    async def cut(bound: int) -> tuple[int, str, str, int]:
        chunks = await ask("chunks=3", reasoning_effort="minimal", max_output_tokens=bound)
        thoughts = sum(isinstance(c, ReasoningChunk) for c in chunks)
        usage = end(chunks).usage
        assert usage is not None
        return thoughts, text(chunks), end(chunks).reason, usage.output_tokens

    assert await cut(4) == (4, "", "length", 4)
    assert await cut(10) == (10, "", "length", 10)
    assert await cut(12) == (10, "w0 w1", "length", 12)
    assert await cut(13) == (10, "w0 w1 w2", "stop", 13)


async def test_what_was_said_before_shows() -> None:
    model = ScriptedModel("scripted", CallLog())
    call = Call("x", [user("I am Io."), assistant("Hello"), user("Who am I?")])
    assert text(await run(model, call)) == "Scripted answer after: I am Io. to: Who am I?"


async def test_reasons() -> None:
    assert end(await ask("length chunks=1")).reason == "length"
    assert end(await ask("filter chunks=1")).reason == "content_filter"
    limited = await ask("chunks=5", max_output_tokens=2)
    assert (text(limited), end(limited).reason) == ("w0 w1", "length")
    assert end(await ask("chunks=2", max_output_tokens=2)).reason == "stop"


@pytest.mark.parametrize(
    ("stop", "shown"),
    [
        (["w3"], "w0 w1 w2 "),
        (["4", "w2 w"], "w0 w1 "),
        (["w0"], ""),
        (["none of it"], "w0 w1 w2 w3 w4"),
    ],
)
async def test_a_stop_sequence_ends_the_text_before_it(stop: list[str], shown: str) -> None:
    chunks = await ask("chunks=5", stop=stop)
    assert (text(chunks), end(chunks).reason) == (shown, "stop")
    again = await ask("chunks=5 length", stop=stop, prefix="w0")
    assert text(again) == shown.removeprefix("w0")
    assert end(again).reason == ("length" if shown.endswith("w4") else "stop")


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("400", ModelRefused),
        ("401", ModelUnauthorized),
        ("404", ModelRefused),
        ("429", ModelRateLimited),
        ("500", ModelUnavailable),
        ("context", ContextTooLong),
        ("garbage", ModelGarbage),
    ],
)
async def test_errors(kind: str, error: type[TertuliaError]) -> None:
    with pytest.raises(error):
        await ask(f"error {kind}")


async def test_it_breaks_off_once_and_goes_on_from_there() -> None:
    log = CallLog()
    model = ScriptedModel("scripted", log)
    got: list[Chunk] = []

    async def read() -> None:
        async for batch in model.generate(Call("x", [user("chunks=5 fail at 3")])):
            got.extend(batch)

    with pytest.raises(ModelUnavailable):
        await read()
    assert text(got) == "w0 w1 w2"
    rest = await ask("chunks=5 fail at 3", log=log, prefix="w0 w1 w2")
    assert text(rest) == " w3 w4"
    assert [(c.first, c.last, c.ended) for c in log.calls()] == [
        (0, 2, "failed"),
        (3, 4, "finished"),
    ]


async def test_a_schema_is_answered_in_chunks() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    chunks = await ask("anything", json_schema=schema)
    assert len(chunks) > 2
    assert json.loads(text(chunks)) == {"n": 1}
    assert json.loads(text(await ask("anything", json_schema={})))
    whole = text(chunks)
    assert text(await ask("anything", json_schema=schema, prefix=whole[:4])) == whole[4:]
    with pytest.raises(ModelRefused):
        await ask("anything", json_schema={"$ref": "#"})


async def test_it_calls_the_tool_it_hears_of_or_the_chosen_one() -> None:
    chunks = await ask("look it up", tools=[LOOK_UP, OTHER])
    assert end(chunks).reason == "tool_calls"
    first, *pieces = [c for c in chunks if isinstance(c, ToolCallChunk)]
    assert (first.index, first.name) == (0, "look_up")
    assert first.call_id
    assert json.loads("".join(c.arguments for c in pieces)) == {"word": "word0"}
    chosen = (await ask("do it", tools=[LOOK_UP, OTHER], tool_choice="other"))[0]
    assert isinstance(chosen, ToolCallChunk)
    assert chosen.name == "other"


async def test_it_calls_several_tools_where_that_is_allowed() -> None:
    async def names(**more: Any) -> list[str | None]:
        chunks = await ask("calls=2", tools=[LOOK_UP, OTHER], **more)
        return [c.name for c in chunks if isinstance(c, ToolCallChunk) and c.name]

    assert await names() == ["look_up", "other"]
    assert await names(parallel_tool_calls=False) == ["look_up"]
    assert await names(tool_choice="required") == ["look_up", "other"]


async def test_all_tools_are_called_where_a_call_is_required() -> None:
    async def names(message: str = "do it", **more: Any) -> list[str | None]:
        chunks = await ask(message, tools=[LOOK_UP, OTHER], tool_choice="required", **more)
        return [c.name for c in chunks if isinstance(c, ToolCallChunk) and c.name]

    assert await names() == ["look_up", "other"]
    assert await names("calls=1") == ["look_up"]
    assert await names(parallel_tool_calls=False) == ["look_up"]


async def test_it_answers_in_text_when_no_tool_is_wanted() -> None:
    assert text(await ask("no tools chunks=1", tools=[LOOK_UP])) == "w0"
    assert text(await ask("chunks=1", tools=[LOOK_UP], tool_choice="none")) == "w0"
    entries: list[Entry] = [user("Hi"), ToolCall("c", "look_up", "{}"), ToolOutput("c", "found")]
    answer = await run(ScriptedModel("scripted", CallLog()), Call("x", entries, tools=[LOOK_UP]))
    assert text(answer) == "The tool answered: found"


async def test_a_bad_tool_schema_is_refused() -> None:
    with pytest.raises(ModelRefused):
        await ask("a bad one", tools=[Tool("bad", None, {"$ref": "#"})])


async def test_a_portable_model_repeats_a_little_as_real_ones_do() -> None:
    model = ScriptedModel("scripted-6x0-portable", CallLog())
    assert not model.info.prefill
    call = Call("x", [user("Go"), assistant("w0 w1 w2"), user("Continue exactly from here.")])
    assert text(await run(model, call)) == "w1 w2 w3 w4 w5"
    fresh = Call("x", [user("Go"), assistant("w0 w1 w2 w3 w4 w5"), user("Again.")])
    assert text(await run(model, fresh)) == "w0 w1 w2 w3 w4 w5"


async def test_a_call_tells_who_wrote_which_words() -> None:
    log = CallLog()
    model = ScriptedModel("scripted-40x0", log)
    call = Call("x", [user("a"), user("b")], prefix="w0 w1", response_id="resp_1", attempt=2)
    async with aclosing(model.generate(call)) as batches:
        await anext(batches)
    (record,) = log.calls()
    assert (record.number, record.response_id, record.attempt) == (1, "resp_1", 2)
    assert (record.model, record.prefix, record.entries) == ("scripted-40x0", "w0 w1", 2)
    assert (record.first, record.last, record.ended) == (2, 33, "cancelled")


async def test_closing_after_the_end_is_no_cancel() -> None:
    log = CallLog()
    async with aclosing(ScriptedModel("scripted-1x0", log).generate(Call("x", []))) as batches:
        async for batch in batches:
            if isinstance(batch[-1], Finished):
                break
    assert log.calls()[0].ended == "finished"


async def test_the_record_outlives_its_process(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    log = CallLog(path)
    killed = ScriptedModel("scripted-40x0", log).generate(Call("x", [user("secret")]))
    await anext(killed)
    with path.open("a") as file:
        file.write('{"number": 1, "las')  # as a process leaves it that is killed while it writes
    after = CallLog(path)
    await ask("secret", "scripted-3x0", after, prefix="w0")
    await ask("echo: secret words", log=after, prefix="secret")
    calls = CallLog(path).calls()
    assert [c.number for c in calls] == [1, 2, 3]
    assert (calls[0].first, calls[0].last, calls[0].ended) == (0, 31, None)
    assert (calls[1].prefix, calls[1].first, calls[1].ended) == ("w0", 1, "finished")
    assert calls[2].prefix == "(6 characters)"
    assert "secret" not in path.read_text()
    await killed.aclose()


def test_the_record_is_limited() -> None:
    log = CallLog(limit=2)
    for number in range(3):
        log.begin(model="m", response_id=str(number), attempt=1, entries=0, prefix="")
    assert [c.number for c in log.calls()] == [2, 3]


async def test_usage_counts_words() -> None:
    chunks = await ask("three words here", "scripted-5x0", prefix="w0 w1")
    usage = end(chunks).usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.exact) == (5, 3, True)

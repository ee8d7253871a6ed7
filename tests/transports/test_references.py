"""`item_reference`: input that names items which are stored."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from tests.support.live import Live, live

TOOL: Any = {
    "type": "function",
    "name": "look_up",
    "parameters": {"type": "object", "properties": {"word": {"type": "string"}}},
    "strict": False,
}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path) as started:
        yield started


@pytest.fixture
async def sdk(server: Live) -> AsyncIterator[AsyncOpenAI]:
    async with server.sdk() as client:
        yield client


def named(item_id: str) -> Any:
    return {"type": "item_reference", "id": item_id}


async def test_a_call_is_answered_by_reference(sdk: AsyncOpenAI) -> None:
    """As the Vercel AI SDK goes on after a tool: no previous response, but the call's id."""
    asked: Any = {"role": "user", "content": "think calls=1"}
    first = await sdk.responses.create(model="scripted", input=[asked], tools=[TOOL])
    kinds = [item.type for item in first.output]
    assert kinds == ["reasoning", "function_call"]
    call = first.output[1]
    assert call.type == "function_call"
    output: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "42"}
    again: Any = {"role": "user", "content": "and?"}
    second = await sdk.responses.create(
        model="scripted",
        input=[again, *(named(str(item.id)) for item in first.output), output],
        tools=[TOOL],
    )
    assert second.output_text == "The tool answered: 42"
    kept = (await sdk.responses.input_items.list(second.id, order="asc")).data
    assert [item.type for item in kept] == [
        "message", "reasoning", "function_call", "function_call_output",
    ]  # fmt: skip
    copied = kept[2]
    assert copied.type == "function_call"
    assert (copied.call_id, copied.arguments) == (call.call_id, call.arguments)
    assert copied.id != call.id


async def test_the_copy_outlives_what_it_was_copied_from(sdk: AsyncOpenAI) -> None:
    first = await sdk.responses.create(model="scripted", input="echo: remember")
    name = str(first.output[0].id)
    second = await sdk.responses.create(
        model="scripted", input=[{"id": name}, {"role": "user", "content": "go"}]
    )
    await sdk.responses.delete(first.id)
    kept = (await sdk.responses.input_items.list(second.id, order="asc")).data
    assert kept[0].type == "message"
    assert kept[0].content[0].text == "remember"  # type: ignore[union-attr]
    with pytest.raises(openai.NotFoundError) as caught:
        await sdk.responses.create(model="scripted", input=[named(name)])
    assert caught.value.code == "item_not_found"


async def test_a_conversation_takes_references(sdk: AsyncOpenAI) -> None:
    first = await sdk.responses.create(model="scripted", input="echo: remember")
    name = str(first.output[0].id)
    talk = await sdk.conversations.create(items=[named(name)])
    (item,) = (await sdk.conversations.items.list(talk.id)).data
    assert item.type == "message"
    assert item.content[0].text == "remember"  # type: ignore[union-attr]
    assert item.id != name
    again = await sdk.responses.create(model="scripted", input=[named(str(item.id))])
    assert again.status == "completed"


@pytest.mark.parametrize("name", ["msg_none", "resp_none", "'; drop table items --", "§"])
async def test_an_unknown_item_is_refused(sdk: AsyncOpenAI, name: str) -> None:
    asked: Any = {"role": "user", "content": "x"}
    with pytest.raises(openai.NotFoundError, match="Item with id .* not found") as caught:
        await sdk.responses.create(model="scripted", input=[asked, named(name)])
    assert caught.value.param == "input[1].id"


async def test_what_is_kept_nowhere_cannot_be_named(sdk: AsyncOpenAI) -> None:
    first = await sdk.responses.create(model="scripted", input="x", store=False)
    with pytest.raises(openai.NotFoundError):
        await sdk.responses.create(model="scripted", input=[named(str(first.output[0].id))])


async def test_what_is_anothers_cannot_be_named(tmp_path: Path) -> None:
    async with live(tmp_path / "auth", auth=True) as server:
        tokens = [await server.register(f"{who}@example.org") for who in ("ann", "ben")]
        async with server.sdk(tokens[0]) as ann, server.sdk(tokens[1]) as ben:
            first = await ann.responses.create(model="scripted", input="x")
            name = named(str(first.output[0].id))
            assert (await ann.responses.create(model="scripted", input=[name])).id
            with pytest.raises(openai.NotFoundError):
                await ben.responses.create(model="scripted", input=[name])

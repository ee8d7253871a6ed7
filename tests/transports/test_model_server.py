"""Model servers that do not do what they were asked: what a client of ours sees of it.

The server is `tests.support.upstream`: real HTTP, a bad habit for each model.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.live import live
from tests.support.sse import all_events
from tests.support.upstream import TEXT, Upstream, upstream

from tertulia.settings import Models

HABITS = (
    "ok", "tools", "tools-mixed", "tools-same-index", "tools-no-index", "tools-after-text",
    "thinks", "no-json",
)  # fmt: skip


def tool(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "function", "name": name, "parameters": {"type": "object"}, **more}


TOOLS = [tool("first"), tool("second")]


@pytest.fixture
async def server() -> AsyncIterator[Upstream]:
    async with upstream() as made:
        yield made


@pytest.fixture
async def client(server: Upstream, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    place = {"name": "odd", "base_url": server.base_url, "models": HABITS}
    models = Models.model_validate(
        {"local": None, "scripted": True, "discover": False, "default": "ok", "servers": [place]}
    )
    async with live(tmp_path, models=models) as started:
        yield await started.client()


async def ask(client: httpx.AsyncClient, model: str, **body: Any) -> dict[str, Any]:
    sent = {"model": model, "input": "Hello", **body}
    answer = await client.post("/v1/responses", json=sent)
    assert answer.status_code == 200, answer.text
    resource: dict[str, Any] = answer.json()
    return resource


def calls(resource: dict[str, Any]) -> list[tuple[str, str]]:
    return [(i["name"], i["arguments"]) for i in resource["output"] if i["type"] == "function_call"]


def text(resource: dict[str, Any]) -> str:
    return "".join(
        p["text"] for i in resource["output"] if i["type"] == "message" for p in i["content"]
    )


def ended(resource: dict[str, Any]) -> tuple[str, str | None]:
    return resource["status"], resource["error"] and resource["error"]["code"]


@pytest.mark.parametrize("habit", ["tools", "tools-mixed", "tools-same-index", "tools-no-index"])
async def test_parallel_calls_however_they_are_sent(client: httpx.AsyncClient, habit: str) -> None:
    resource = await ask(client, habit, tools=TOOLS)
    assert ended(resource) == ("completed", None)
    assert calls(resource) == [("first", '{"x": 1}'), ("second", '{"y": 2}')]
    body = {"model": habit, "input": "Hello", "tools": TOOLS, "stream": True}
    events = await all_events(client, "POST", "/v1/responses", json=body)
    begun = [e["output_index"] for e in events if e["type"] == "response.output_item.added"]
    done = [e["output_index"] for e in events if e["type"] == "response.output_item.done"]
    assert begun == done == [0, 1]


@pytest.mark.parametrize(
    "choice",
    [
        {"tools": [tool("other")]},
        {},
        {"tools": TOOLS, "tool_choice": "none"},
        {"tools": TOOLS, "tool_choice": {"type": "function", "name": "second"}},
        {"tools": TOOLS, "tool_choice": {"type": "allowed_tools", "mode": "required",
                                         "tools": [{"type": "function", "name": "second"}]}},
    ],
)  # fmt: skip
async def test_a_call_that_is_not_allowed(
    client: httpx.AsyncClient, choice: dict[str, Any]
) -> None:
    resource = await ask(client, "tools", **choice)
    assert (ended(resource), resource["output"]) == (("failed", "tool_not_allowed"), [])
    resource = await ask(client, "tools-after-text", **choice)
    assert (ended(resource), text(resource)) == (("incomplete", "tool_not_allowed"), "Let me see.")
    assert calls(resource) == []
    body = {"model": "tools-after-text", "input": "Hello", "stream": True, **choice}
    events = await all_events(client, "POST", "/v1/responses", json=body)
    assert not [e for e in events if "function_call" in e["type"]]
    assert not [e for e in events if e.get("item", {}).get("type") == "function_call"]


async def test_only_so_many_calls_as_are_allowed(
    client: httpx.AsyncClient, server: Upstream
) -> None:
    resource = await ask(client, "tools", tools=TOOLS, parallel_tool_calls=False)
    assert (ended(resource), calls(resource)) == (("completed", None), [("first", '{"x": 1}')])
    assert server.requests[-1]["parallel_tool_calls"] is False
    resource = await ask(client, "tools", tools=TOOLS, max_tool_calls=1)
    assert (ended(resource), calls(resource)) == (("completed", None), [("first", '{"x": 1}')])
    assert (resource["max_tool_calls"], resource["parallel_tool_calls"]) == (1, True)


async def test_an_answer_in_place_of_the_required_call(client: httpx.AsyncClient) -> None:
    resource = await ask(client, "ok", tools=TOOLS, tool_choice="required")
    assert (ended(resource), text(resource)) == (("incomplete", "tool_call_missing"), TEXT)


async def test_arguments_that_break_a_strict_schema(client: httpx.AsyncClient) -> None:
    closed = {"type": "object", "properties": {}, "additionalProperties": False}
    strict = [tool("first", parameters=closed, strict=True)]
    resource = await ask(client, "tools-after-text", tools=strict)
    assert (ended(resource), text(resource)) == (
        ("incomplete", "invalid_tool_arguments"), "Let me see.",
    )  # fmt: skip
    assert resource["output"][-1]["status"] == "incomplete"
    lenient = [tool("first", parameters=closed)]
    resource = await ask(client, "tools-after-text", tools=lenient)
    assert (ended(resource), calls(resource)) == (("completed", None), [("first", '{"x": 1}')])


async def test_ids_that_a_server_uses_again(client: httpx.AsyncClient) -> None:
    first = await ask(client, "tools", tools=TOOLS)
    ids = [item["call_id"] for item in first["output"]]
    assert ids == ["call_a", "call_b"]
    outputs = [{"type": "function_call_output", "call_id": i, "output": "x"} for i in ids]
    again = {"previous_response_id": first["id"], "tools": TOOLS}
    second = await ask(client, "tools", input=outputs, **again)
    assert not {item["call_id"] for item in second["output"]} & set(ids)


async def test_output_that_is_not_what_was_asked(
    client: httpx.AsyncClient, server: Upstream
) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    shape = {"type": "json_schema", "name": "n", "schema": schema}
    strict = {"text": {"format": {**shape, "strict": True}}}
    resource = await ask(client, "no-json", **strict)
    assert (ended(resource), text(resource)) == (
        ("incomplete", "invalid_output"), 'Sure! {"n": "one"}',
    )  # fmt: skip
    sent = server.requests[-1]["response_format"]
    assert sent["json_schema"] == {"name": "n", "schema": schema, "strict": True}
    lenient = await ask(client, "no-json", text={"format": shape})
    assert ended(lenient) == ("completed", None)
    assert "strict" not in server.requests[-1]["response_format"]["json_schema"]
    loose = await ask(client, "no-json", text={"format": {"type": "json_object"}})
    assert ended(loose) == ("incomplete", "invalid_output")
    assert ended(await ask(client, "ok", **strict)) == ("completed", None)


async def test_reasoning_is_an_item_of_its_own(client: httpx.AsyncClient, server: Upstream) -> None:
    body = {
        "model": "thinks",
        "input": "Hello",
        "stream": True,
        "reasoning": {"effort": "high", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
    }
    events = await all_events(client, "POST", "/v1/responses", json=body)
    assert server.requests[-1]["reasoning_effort"] == "high"
    resource = events[-1]["response"]
    thought, message = resource["output"]
    assert (thought["type"], message["type"]) == ("reasoning", "message")
    assert thought["content"] == [{"type": "reasoning_text", "text": "First the question."}]
    assert thought["summary"] == []
    assert "encrypted_content" not in thought
    assert resource["reasoning"] == {"effort": "high", "summary": "auto"}
    assert resource["usage"]["output_tokens_details"] == {"reasoning_tokens": 2}
    of_thought = [e["type"] for e in events if e.get("item_id") == thought["id"]]
    assert [kind for kind in of_thought if kind != "response.reasoning.delta"] == [
        "response.content_part.added", "response.reasoning.done", "response.content_part.done",
    ]  # fmt: skip
    deltas = [e["delta"] for e in events if e["type"] == "response.reasoning.delta"]
    assert "".join(deltas) == "First the question."


async def test_reasoning_that_comes_back_is_kept_and_not_shown_to_the_model(
    client: httpx.AsyncClient, server: Upstream
) -> None:
    first = await ask(client, "thinks")
    sealed = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "sealed"}
    history = [
        {"role": "user", "content": "Hello"}, *first["output"], sealed,
        {"role": "user", "content": "And?"},
    ]  # fmt: skip
    second = await ask(client, "ok", input=history)
    assert ended(second) == ("completed", None)
    roles = [message["role"] for message in server.requests[-1]["messages"]]
    assert roles == ["user", "assistant", "user"]
    path = f"/v1/responses/{second['id']}/input_items?order=asc"
    kept = (await client.get(path)).json()["data"]
    assert [item["type"] for item in kept] == [
        "message", "reasoning", "message", "reasoning", "message",
    ]  # fmt: skip
    assert kept[1]["content"] == first["output"][0]["content"]
    assert kept[3]["encrypted_content"] == "sealed"


async def test_arguments_that_are_no_json_do_not_break_a_server(
    client: httpx.AsyncClient, server: Upstream
) -> None:
    cut = {"type": "function_call", "call_id": "c", "name": "first", "arguments": '{"x',
           "status": "incomplete"}  # fmt: skip
    history = [{"role": "user", "content": "Hello"}, cut, {"role": "user", "content": "And?"}]
    assert ended(await ask(client, "ok", input=history)) == ("completed", None)
    assert [m["role"] for m in server.requests[-1]["messages"]] == ["user", "user"]


async def test_every_option_is_echoed_and_reaches_the_server(
    client: httpx.AsyncClient, server: Upstream
) -> None:
    options = {
        "max_output_tokens": 16,
        "max_tool_calls": 3,
        "metadata": {"k": "v"},
        "service_tier": "flex",
        "truncation": "auto",
        "top_logprobs": 0,
        "prompt_cache_key": "cache",
        "safety_identifier": "someone",
        "temperature": 0.5,
        "top_p": 0.25,
        "presence_penalty": 0.5,
        "frequency_penalty": -0.5,
        "instructions": "Be brief.",
        "parallel_tool_calls": False,
    }
    resource = await ask(
        client,
        "ok",
        text={"verbosity": "low"},
        stream_options={"include_obfuscation": False},
        **options,
    )
    assert options.items() <= resource.items()
    assert resource["text"] == {"format": {"type": "text"}, "verbosity": "low"}
    sent = server.requests[-1]
    assert (sent["max_tokens"], sent["temperature"], sent["top_p"]) == (16, 0.5, 0.25)
    assert (sent["presence_penalty"], sent["frequency_penalty"]) == (0.5, -0.5)
    # Those that only OpenAI knows are sent to nobody else.
    assert not {"verbosity", "prompt_cache_key", "safety_identifier", "metadata"} & sent.keys()

"""Function tools over a socket: the loop of calls and outputs, and what of it is refused."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.live import Live, live
from tests.support.sse import all_events

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a place.",
    "parameters": {
        "type": "object",
        "properties": {"place": {"type": "string"}},
        "required": ["place"],
        "additionalProperties": False,
    },
    "strict": True,
}
BOTH = "The weather in Lima and Quito?"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path) as started:
        yield started


@pytest.fixture
async def client(server: Live) -> httpx.AsyncClient:
    return await server.client()


def output(call_id: str, said: str = "sunny") -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": said}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def called(call_id: str = "c1", **more: Any) -> dict[str, Any]:
    call = {"type": "function_call", "call_id": call_id, "name": "f", "arguments": "{}"}
    return call | more


def text_of(resource: dict[str, Any]) -> str:
    return "".join(p["text"] for i in resource["output"] for p in i.get("content", ()))


async def ask(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await client.post("/v1/responses", json={"model": "scripted", **body})
    assert answer.status_code == 200, answer.text
    resource: dict[str, Any] = answer.json()
    return resource


async def refused(client: httpx.AsyncClient, code: str, param: str, **body: Any) -> str:
    answer = await client.post("/v1/responses", json={"model": "scripted", **body})
    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (400, "invalid_request_error"), answer.text
    assert (error["code"], error["param"]) == (code, param)
    return str(error["message"])


# --- the loop -----------------------------------------------------------------------------------


async def test_the_loop_by_reference(client: httpx.AsyncClient) -> None:
    first = await ask(client, input=BOTH, tools=[WEATHER])
    assert (first["status"], [i["type"] for i in first["output"]]) == (
        "completed",
        ["function_call", "function_call"],
    )
    one, two = (i["call_id"] for i in first["output"])
    second = await ask(
        client,
        previous_response_id=first["id"],
        input=[output(two, "rain"), output(one, "wind")],
        tools=[WEATHER],
    )
    assert text_of(second) == "The tools answered: rain; wind"
    third = await ask(client, previous_response_id=second["id"], input="Hello", tools=[WEATHER])
    assert third["status"] == "completed"


async def test_the_loop_with_everything_sent_again(client: httpx.AsyncClient) -> None:
    said: list[dict[str, Any]] = [user("rounds=2 calls=1")]
    for _ in range(2):
        answer = await ask(client, input=said, tools=[WEATHER], store=False)
        (call,) = answer["output"]
        assert json.loads(call["arguments"]) == {"place": "word0"}
        said += [call, output(call["call_id"])]
    last = await ask(client, input=said, tools=[WEATHER], store=False)
    assert (last["status"], text_of(last)) == ("completed", "Scripted answer.")
    ids = [item["call_id"] for item in said if item.get("type") == "function_call"]
    assert len(set(ids)) == 2


async def test_the_loop_in_a_conversation(client: httpx.AsyncClient) -> None:
    conversation = (await client.post("/v1/conversations", json={})).json()["id"]
    turn = {"conversation": conversation, "tools": [WEATHER]}
    first = await ask(client, input="Weather?", **turn)
    call_id = first["output"][0]["call_id"]
    message = await refused(client, "tool_output_missing", "input", input="Well?", **turn)
    assert message == f"No tool output found for function call {call_id}."
    second = await ask(client, input=[output(call_id), user("And?")], **turn)
    assert second["status"] == "completed"
    await refused(client, "duplicate_tool_output", "input[0].call_id",
                  input=[output(call_id)], **turn)  # fmt: skip


async def test_a_key_gives_its_result_whatever_has_come_since(client: httpx.AsyncClient) -> None:
    conversation = (await client.post("/v1/conversations", json={})).json()["id"]
    first = await ask(client, conversation=conversation, input="Weather?", tools=[WEATHER])
    body = {
        "model": "scripted",
        "conversation": conversation,
        "input": [output(first["output"][0]["call_id"])],
    }
    key = {"idempotency-key": "k"}
    answers = [await client.post("/v1/responses", json=body, headers=key) for _ in range(2)]
    assert [a.status_code for a in answers] == [200, 200]
    assert answers[0].json()["id"] == answers[1].json()["id"]


async def test_arguments_are_streamed_in_order(client: httpx.AsyncClient) -> None:
    body = {"model": "scripted", "input": BOTH, "tools": [WEATHER], "stream": True}
    events = await all_events(client, "POST", "/v1/responses", json=body)
    told = [(e["output_index"], e["type"].removeprefix("response.")) for e in events
            if "output_index" in e]  # fmt: skip
    assert told == sorted(told, key=lambda each: each[0])
    for item in events[-1]["response"]["output"]:
        of_item = [e for e in events if e.get("item_id") == item["id"]]
        *deltas, done = of_item
        assert {e["type"] for e in deltas} == {"response.function_call_arguments.delta"}
        assert "".join(e["delta"] for e in deltas) == item["arguments"] == done["arguments"]
        assert done["type"] == "response.function_call_arguments.done"


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("items", "code", "param"),
    [
        ([user("x"), output("c9")], "tool_call_not_found", "input[1].call_id"),
        ([output("c1"), called()], "tool_call_not_found", "input[0].call_id"),
        ([user("x"), called(), output("c1"), output("c1")], "duplicate_tool_output",
         "input[3].call_id"),
        ([user("x"), called(), user("y")], "tool_output_missing", "input"),
        ([user("x"), called()], "tool_output_missing", "input"),
        ([user("x"), called(), called("c2"), output("c1")], "tool_output_missing", "input"),
        ([user("x"), called(arguments="{x"), output("c1")], "invalid_tool_arguments",
         "input[1].arguments"),
        ([user("x"), called(arguments="[1]"), output("c1")], "invalid_tool_arguments",
         "input[1].arguments"),
    ],
)  # fmt: skip
async def test_calls_and_outputs_that_do_not_pair(
    client: httpx.AsyncClient, items: list[dict[str, Any]], code: str, param: str
) -> None:
    message = await refused(client, code, param, input=items)
    if code == "tool_call_not_found":
        found = items[int(param[6])]["call_id"]
        assert message == f"No tool call found for function call output with call_id {found}."


@pytest.mark.parametrize(
    "items",
    [
        [user("x"), called(arguments=""), output("c1")],
        [user("x"), called(arguments="{x", status="incomplete"), output("c1"), user("y")],
        [user("x"), called(arguments="{x", status="incomplete"), user("y")],
        [user("x"), called(), output("c1"), called(), output("c1"), user("y")],
    ],
)
async def test_histories_as_clients_keep_them(
    client: httpx.AsyncClient, items: list[dict[str, Any]]
) -> None:
    assert (await ask(client, input=items))["status"] == "completed"


async def test_an_output_for_another_response(client: httpx.AsyncClient) -> None:
    plain = await ask(client, input="chunks=1")
    await refused(client, "tool_call_not_found", "input[0].call_id",
                  previous_response_id=plain["id"], input=[output("c1")])  # fmt: skip
    body = {"model": "scripted", "previous_response_id": "resp_none", "input": [output("c1")]}
    answer = await client.post("/v1/responses", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (
        404, "previous_response_not_found",
    )  # fmt: skip


async def test_an_output_for_a_call_that_is_not_made_yet(client: httpx.AsyncClient) -> None:
    """The parent is still at work: only its end can tell, and then it is told."""
    parent = await ask(client, input="delay=0.3 chunks=2", background=True)
    child = await ask(client, previous_response_id=parent["id"], input=[output("c1")])
    assert (child["status"], child["error"]["code"]) == ("failed", "tool_call_not_found")


async def test_a_call_nobody_answered_ends_no_conversation(client: httpx.AsyncClient) -> None:
    """A person goes on in the web client, which offers no functions."""
    first = await ask(client, input="Weather?", tools=[WEATHER])
    second = await ask(client, previous_response_id=first["id"], input="chunks=1")
    assert (second["status"], text_of(second)) == ("completed", "w0")
    third = await ask(client, previous_response_id=second["id"], input="Hi", tools=[WEATHER])
    assert third["status"] == "completed"


CLOSED = {"type": "json_schema", "name": "n", "strict": True}


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"tools": [WEATHER]}, "tools", "unsupported_value"),
        ({"text": {"format": {"type": "json_object"}}}, "text.format", "unsupported_value"),
    ],
)
async def test_what_a_model_cannot_do_is_refused(
    client: httpx.AsyncClient, body: dict[str, Any], param: str, code: str
) -> None:
    message = await refused(client, code, param, model="scripted-3x0", input="x", **body)
    assert "scripted-3x0" in message


async def test_tools_that_may_not_be_called_need_no_model_that_calls(
    client: httpx.AsyncClient,
) -> None:
    quiet = {"model": "scripted-3x0", "tools": [WEATHER], "tool_choice": "none"}
    assert text_of(await ask(client, input="x", **quiet)) == "w0 w1 w2"


async def test_a_schema_that_the_model_cannot_keep_is_refused(client: httpx.AsyncClient) -> None:
    endless = {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}
    shape = {"format": {**CLOSED, "schema": endless}}
    await refused(client, "invalid_json_schema", "text.format.schema", input="x", text=shape)
    shape = {"format": {**CLOSED, "schema": {"type": "objekt"}}}
    await refused(client, "invalid_json_schema", "text.format.schema", input="x", text=shape)


async def test_output_that_broke_its_schema_is_kept_and_told(client: httpx.AsyncClient) -> None:
    schema = {"type": "string", "not": {"const": "word0"}}  # what the scripted model would say
    broken = await ask(client, input="x", text={"format": {**CLOSED, "schema": schema}})
    assert (broken["status"], broken["error"]["code"]) == ("incomplete", "invalid_output")
    assert text_of(broken) == '"word0"'
    cut = {"type": "object", "properties": {"a": {"const": "w " * 40}}, "required": ["a"]}
    short = await ask(
        client, input="x", max_output_tokens=16, text={"format": {**CLOSED, "schema": cut}}
    )
    assert (short["status"], short["incomplete_details"], short["error"]) == (
        "incomplete", {"reason": "max_output_tokens"}, None,
    )  # fmt: skip

"""What ``/v1/chat/completions`` refuses: each with its status, and the server as well as before."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import jsonschema_rs
import pytest
import pytest_asyncio
from tests.support.chat import PATH, chat, chunks, function
from tests.support.images import data_url, png
from tests.support.live import Live, live

from tertulia import errors
from tertulia.domain.frame import Frame
from tertulia.domain.response import Request, Response
from tertulia.settings import Limits
from tertulia.transports import chat_completions_schema as schema
from tertulia.transports.chat_completions_answer import completion
from tertulia.transports.reply import encode

#: One server for all: each refusal must leave it as it was.
pytestmark = pytest.mark.asyncio(loop_scope="module")

PIXEL = data_url(png())
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
BODY = schema.CREATE["requestBody"]["content"]["application/json"]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    limits = Limits(requests_per_minute=1000, message_chars=2000, images_per_request=2)
    async with live(tmp_path_factory.mktemp("data"), limits=limits) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def client(server: Live) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
        yield client
        answer = await client.post(PATH, json=chat("chunks=2"))
        assert answer.json()["choices"][0]["finish_reason"] == "stop", "not as well as before"


def refused(answer: httpx.Response, status: int, param: str | None) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    error: dict[str, Any] = answer.json()["error"]
    assert set(error) == {"message", "type", "code", "param"}
    assert error["param"] == param, error
    return error


def said(*messages: Any) -> dict[str, Any]:
    return {"messages": list(messages)}


def user(*parts: Any) -> dict[str, Any]:
    return said({"role": "user", "content": list(parts)})


def image(url: Any, **more: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **more}}


HI = {"role": "user", "content": "chunks=1"}
OUTPUT = {"role": "tool", "content": "x"}
ANSWERED = {**OUTPUT, "tool_call_id": "c1"}
GARBLED = {"id": "c2", "type": "function", "function": {"name": "f", "arguments": "[1"}}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": {"role": "user"}}, "messages"),
        (said("hello"), "messages[0]"),
        (said({"content": "x"}), "messages[0].role"),
        (said(HI, {"role": "wizard", "content": "x"}), "messages[1].role"),
        (said({"role": "function", "name": "f", "content": "x"}), "messages[0].role"),
        (said({"role": "user"}), "messages[0].content"),
        (said({"role": "user", "content": ""}), "messages[0].content"),
        (said(HI, {"role": "user", "content": " \n"}), "messages[1].content"),
        (said({"role": "user", "content": 5}), "messages[0].content"),
        (said({"role": "user", "content": "x" * 2001}), "messages[0].content"),
        (said({"role": "assistant", "content": ""}), "messages"),
        (said({"role": "assistant"}, HI), "messages[0].content"),
        (said({"role": "assistant", "content": "x", "function_call": {}}, HI),
         "messages[0].function_call"),
        (said({"role": "assistant", "content": "x", "reasoning_content": 5}, HI),
         "messages[0].reasoning_content"),
        (said({"role": "assistant", "content": "x", "audio": {"id": "a"}}, HI),
         "messages[0].audio"),
        (said({"role": "assistant", "tool_calls": [{}]}, HI), "messages[0].tool_calls[0].type"),
        (said({"role": "assistant", "tool_calls": [{**CALL, "id": ""}]}, HI),
         "messages[0].tool_calls[0].id"),
        (said({"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "a b"}}]}, HI),
         "messages[0].tool_calls[0].function.name"),
        (said({"role": "assistant", "content": [{"type": "image_url"}]}, HI),
         "messages[0].content[0].type"),
        (said(HI, {**OUTPUT, "tool_call_id": "c1"}), "messages[1].tool_call_id"),
        (said(HI, OUTPUT), "messages[1].tool_call_id"),
        (said(HI, {"role": "assistant", "tool_calls": [CALL]}, {**OUTPUT, "tool_call_id": "c2"}),
         "messages[2].tool_call_id"),
        (said(HI, {"role": "assistant", "tool_calls": [CALL]}), "messages"),
        (said(HI, {"role": "assistant", "content": "x", "tool_calls": [CALL]}, ANSWERED, ANSWERED),
         "messages[3].tool_call_id"),
        (said(HI, {"role": "assistant", "content": "x", "tool_calls": [CALL, GARBLED]}, ANSWERED),
         "messages[1].tool_calls[1].function.arguments"),
        (said({"role": "system", "content": [image(PIXEL)]}, HI), "messages[0].content[0].type"),
        (user({"type": "input_audio", "input_audio": {}}), "messages[0].content[0].type"),
        (user({"type": "file", "file": {}}), "messages[0].content[0].type"),
        (user({"type": "hologram"}), "messages[0].content[0].type"),
        (user({"type": "text"}), "messages[0].content[0].text"),
        (user(image("https://example.org/a.png")), "messages[0].content[0].image_url.url"),
        (user(image("data:image/png;base64,!!!")), "messages[0].content[0].image_url.url"),
        (user(image("data:text/plain;base64,eA==")), "messages[0].content[0].image_url.url"),
        (user(image(None)), "messages[0].content[0].image_url.url"),
        (user({"type": "image_url", "image_url": PIXEL}), "messages[0].content[0].image_url"),
    ],
)  # fmt: skip
async def test_messages_that_are_wrong(
    client: httpx.AsyncClient, body: dict[str, Any], param: str
) -> None:
    for stream in (False, True):
        answer = await client.post(PATH, json={"model": "scripted", "stream": stream, **body})
        error = refused(answer, 400, param)
        assert error["type"] == "invalid_request_error"
        assert "wizard" not in error["message"]


TOOL = function("f")
NAMED = {"type": "function", "function": {"name": "g"}}
#: What no schema of one field can say.
BETWEEN_FIELDS = {
    "tools[1].function.name",
    "tool_choice",
    "tool_choice.function.name",
    "tool_choice.allowed_tools.tools[0].function.name",
}
SHAPE = {"name": "a", "schema": {"type": "object"}}


@pytest.mark.parametrize(
    ("field", "value", "param"),
    [
        ("model", 5, "model"),
        ("temperature", 2.1, "temperature"),
        ("temperature", "hot", "temperature"),
        ("temperature", True, "temperature"),
        ("top_p", -1, "top_p"),
        ("presence_penalty", 3, "presence_penalty"),
        ("frequency_penalty", -3, "frequency_penalty"),
        ("max_tokens", 0, "max_tokens"),
        ("max_tokens", 1.5, "max_tokens"),
        ("max_completion_tokens", -1, "max_completion_tokens"),
        ("stop", "", "stop"),
        ("stop", ["a", ""], "stop[1]"),
        ("stop", ["a", "b", "c", "d", "e"], "stop"),
        ("stop", {"a": 1}, "stop"),
        ("seed", "x", "seed"),
        ("n", 2, "n"),
        ("n", 0, "n"),
        ("logprobs", True, "logprobs"),
        ("logprobs", 1, "logprobs"),
        ("top_logprobs", 5, "top_logprobs"),
        ("logit_bias", [1], "logit_bias"),
        ("logit_bias", {"a": 1}, "logit_bias"),
        ("logit_bias", {"1": 101}, "logit_bias"),
        ("logit_bias", {str(n): 1 for n in range(1025)}, "logit_bias"),
        ("stream", "yes", "stream"),
        ("stream_options", True, "stream_options"),
        ("stream_options", {"include_usage": 1}, "stream_options.include_usage"),
        ("modalities", ["text", "audio"], "modalities[1]"),
        ("audio", {"voice": "x"}, "audio"),
        ("functions", [{"name": "f"}], "functions"),
        ("function_call", "auto", "function_call"),
        ("web_search_options", {}, "web_search_options"),
        ("moderation", {"model": "m"}, "moderation"),
        ("reasoning_effort", "extreme", "reasoning_effort"),
        ("verbosity", "loud", "verbosity"),
        ("service_tier", "gold", "service_tier"),
        ("metadata", {"k": 1}, "metadata"),
        ("user", 7, "user"),
        ("safety_identifier", "x" * 65, "safety_identifier"),
        ("tools", [function(f"f{n}") for n in range(200)], "tools"),
        ("tools", {"f": TOOL}, "tools"),
        ("tools", [{"type": "function"}], "tools[0].function"),
        ("tools", [{"type": "function", "function": {}}], "tools[0].function.name"),
        ("tools", [TOOL, TOOL], "tools[1].function.name"),
        ("tools", [function("a b")], "tools[0].function.name"),
        ("tools", [function("a", parameters="x")], "tools[0].function.parameters"),
        ("tools", [function("a", strict="x")], "tools[0].function.strict"),
        ("tools", [{"type": "custom", "custom": {"name": "a"}}], "tools[0].type"),
        ("tool_choice", "required", "tool_choice"),
        ("tool_choice", "perhaps", "tool_choice"),
        ("tool_choice", 1, "tool_choice"),
        ("tool_choice", NAMED, "tool_choice.function.name"),
        ("tool_choice", {"type": "allowed_tools", "allowed_tools": {"tools": [NAMED]}},
         "tool_choice.allowed_tools.tools[0].function.name"),
        ("tool_choice", {"type": "allowed_tools", "allowed_tools": {"tools": []}},
         "tool_choice.allowed_tools.tools"),
        ("response_format", "json", "response_format"),
        ("response_format", {"type": "xml"}, "response_format.type"),
        ("response_format", {"type": "json_schema"}, "response_format.json_schema"),
        ("response_format", {"type": "json_schema", "json_schema": {**SHAPE, "name": "a b"}},
         "response_format.json_schema.name"),
        ("response_format", {"type": "json_schema", "json_schema": {"name": "a"}},
         "response_format.json_schema.schema"),
    ],
)  # fmt: skip
async def test_options_that_are_wrong(
    client: httpx.AsyncClient, field: str, value: Any, param: str
) -> None:
    answer = await client.post(PATH, json=chat(**{field: value}))
    refused(answer, 400, param)
    if param not in BETWEEN_FIELDS:
        with pytest.raises(jsonschema_rs.ValidationError):  # the document says so too
            jsonschema_rs.validate(BODY["schema"], chat(**{field: value}))


async def test_too_many_images_and_a_model_that_sees_none(client: httpx.AsyncClient) -> None:
    many = {"model": "scripted", **user(*[image(PIXEL)] * 3)}
    assert refused(await client.post(PATH, json=many), 400, "messages[0]")
    blind = {"model": "scripted-2x0", **user(image(PIXEL))}
    answer = await client.post(PATH, json=blind)
    refused(answer, 400, "messages[0]")


async def test_a_model_that_keeps_to_no_format_says_so_in_the_words_of_this_api(
    client: httpx.AsyncClient,
) -> None:
    body = chat("x", response_format={"type": "json_object"}) | {"model": "scripted-2x0"}
    error = refused(await client.post(PATH, json=body), 400, "response_format")
    assert "Leave response_format out" in error["message"]


async def test_a_model_that_is_not_there(client: httpx.AsyncClient) -> None:
    answer = await client.post(PATH, json=chat() | {"model": "none"})
    assert refused(answer, 404, "model")["code"] == "model_not_found"


async def test_more_than_the_window(client: httpx.AsyncClient) -> None:
    long = [{"role": "user", "content": "a " * 1000}] * 40
    answer = await client.post(PATH, json={"model": "scripted", "messages": long})
    assert refused(answer, 400, "messages")["code"] == "context_length_exceeded"


async def test_bodies_that_are_no_json_objects(client: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/json"}
    for body in (b"", b"{", b"[]", b"null", b'"x"', b'{"messages":"\xff"}', b"[" * 100_000):
        refused(await client.post(PATH, content=body, headers=headers), 400, None)
    text = await client.post(PATH, content=b"x", headers={"content-type": "text/plain"})
    assert refused(text, 415, None)["code"] == "unsupported_media_type"
    assert refused(await client.get(PATH), 405, None)["code"] == "method_not_allowed"
    assert refused(await client.post(PATH, json=chat("x" * 10_000_000)), 413, None)


async def test_fields_that_nobody_knows_are_ignored(client: httpx.AsyncClient) -> None:
    more = {"top_k": 5, "chat_template_kwargs": {}, "xyz": None, "prediction": {"type": "content"}}
    answer = await client.post(PATH, json=chat("chunks=2", **more))
    assert answer.status_code == 200


@pytest.mark.parametrize("name", list(BODY["examples"]))
async def test_the_examples_run_and_answers_are_as_documented(
    client: httpx.AsyncClient, name: str
) -> None:
    example = BODY["examples"][name]["value"]
    jsonschema_rs.validate(BODY["schema"], example)
    if example.get("stream"):
        for chunk in await chunks(client, **example):
            jsonschema_rs.validate(schema.CHUNK, chunk)
    else:
        answer = await client.post(PATH, json=example)
        jsonschema_rs.validate(schema.COMPLETION, answer.json())


def kinds(of: type[errors.TertuliaError]) -> list[type[errors.TertuliaError]]:
    return [of, *(kind for each in of.__subclasses__() for kind in kinds(each))]


@pytest.mark.parametrize(
    "kind", [*kinds(errors.ModelError), errors.ContextTooLong, errors.Unavailable]
)
async def test_a_response_that_failed_has_the_status_of_its_error(
    kind: type[errors.TertuliaError],
) -> None:
    response = Response(
        id="resp_1", user_id="u", request=Request(model="m"), status="failed", created_at=0.0
    )
    failed = {"status": "failed", "error": {"code": kind.default_code, "message": "why"}}
    frame = Frame(3, "response.failed", encode({"response": failed}))
    with pytest.raises(kind, match="why") as caught:
        completion(response, frame)
    assert (caught.value.status, caught.value.code) == (kind.status, kind.default_code)

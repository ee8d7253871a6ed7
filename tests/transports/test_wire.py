"""Bodies of the Responses API: what is taken, and the exact path of what is not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.images import PIXEL, data_url, gif, png

from tertulia.domain.item import (
    FunctionCall,
    FunctionCallOutput,
    InputImage,
    InputText,
    ItemReference,
    Message,
    OutputText,
    Reasoning,
    Refusal,
)
from tertulia.errors import InvalidInput
from tertulia.ports.turns import HEAD
from tertulia.settings.sections import Limits
from tertulia.transports import wire

MANY = {"type": "object", "properties": {f"p{i}": {} for i in range(2_000)}}

FUNCTION = {"type": "function", "name": "look_up", "parameters": {"type": "object"}}


def parse(**body: Any) -> wire.Create:
    return wire.parse_create(body, Limits())


def said(*content: Any, role: str = "user") -> list[dict[str, Any]]:
    return [{"role": role, "content": list(content)}]


def test_a_string_is_one_user_message() -> None:
    create = parse(input="Hello")
    (message,) = create.ask.input
    assert isinstance(message, Message)
    assert (message.role, message.content) == ("user", (InputText(text="Hello"),))
    assert message.id.startswith("msg_")
    assert not create.stream
    assert (create.ask.store, create.ask.background) == (True, False)
    assert create.ask.request.model == ""
    assert create.ask.request.truncation == "disabled"


def test_every_kind_of_item_is_read() -> None:
    create = parse(
        input=[
            {"role": "developer", "content": "Be brief."},
            {"type": "message", "role": "system", "content": [
                {"type": "input_text", "text": "x"}]},
            *said({"type": "input_text", "text": "See"}, {"type": "input_image",
                                                          "image_url": PIXEL, "detail": "low"}),
            {"type": "message", "id": "msg_theirs", "role": "assistant", "status": "incomplete",
             "content": [{"type": "output_text", "text": "A", "annotations": []},
                         {"type": "refusal", "refusal": "No"}]},
            {"role": "assistant", "content": "B"},
            {"type": "function_call", "id": None, "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "42"},
            {"type": "function_call_output", "call_id": "c1",
             "output": [{"type": "input_text", "text": "42"}]},
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "s"}],
             "content": [{"type": "reasoning_text", "text": "r"}], "encrypted_content": "e"},
        ]
    )  # fmt: skip
    items = create.ask.input
    assert [type(i) for i in items] == [
        Message, Message, Message, Message, Message,
        FunctionCall, FunctionCallOutput, FunctionCallOutput, Reasoning,
    ]  # fmt: skip
    assert len({i.id for i in items}) == len(items)
    seen, answered, plain = items[2], items[3], items[4]
    assert isinstance(seen, Message)
    assert isinstance(answered, Message)
    assert isinstance(plain, Message)
    assert seen.content[1] == InputImage(image_url=PIXEL, detail="low")
    assert answered.id != "msg_theirs"
    assert answered.status == "incomplete"
    assert answered.content == (OutputText(text="A"), Refusal(refusal="No"))
    assert plain.content == (OutputText(text="B"),)


def test_files_and_stored_items_are_referred_to_by_id() -> None:
    photo = {"type": "input_image", "file_id": "file-1", "detail": "original", "image_url": None}
    given = parse(input=[*said(photo), {"type": "item_reference", "id": "fc_1"}, {"id": "msg_1"}])
    message, call, told = given.ask.input
    assert isinstance(message, Message)
    assert message.content == (InputImage(file_id="file-1", detail="high"),)
    assert (call, told) == (ItemReference(id="fc_1"), ItemReference(id="msg_1"))


def test_the_size_of_an_image_is_limited() -> None:
    body = {"input": said({"type": "input_image", "image_url": data_url(png(note="x" * 2000))})}
    assert wire.parse_create(body, Limits(image_bytes=4000)).ask.input
    with pytest.raises(InvalidInput, match="more than 1000 bytes"):
        wire.parse_create(body, Limits(image_bytes=1000))


@pytest.mark.parametrize(
    ("body", "parent"),
    [
        ({}, None),
        ({"conversation": "conv_1"}, HEAD),
        ({"conversation": {"id": "conv_1"}}, HEAD),
        ({"conversation": "conv_1", "previous_response_id": None}, None),
        ({"conversation": "conv_1", "previous_response_id": "resp_1"}, "resp_1"),
        ({"conversation": None, "previous_response_id": "resp_1"}, "resp_1"),
    ],
)
def test_absent_and_null_parent_differ_in_a_conversation(
    body: dict[str, Any], parent: str | None
) -> None:
    ask = parse(input="Hi", **body).ask
    assert ask.parent == parent
    assert ask.conversation_id == ("conv_1" if body.get("conversation") else None)


def test_options_are_completed_to_the_resource_form() -> None:
    ask = parse(
        input="Hi",
        model="m",
        instructions="Be kind.",
        tools=[FUNCTION],
        tool_choice={"type": "allowed_tools", "tools": [{"type": "function", "name": "look_up"}]},
        text={"format": {"type": "json_schema", "name": "a", "schema": {}}, "verbosity": "low"},
        reasoning={"effort": "low"},
        metadata={"k": "v"},
        temperature=1,
        top_p=0.5,
        max_output_tokens=16,
        truncation="auto",
        service_tier="auto",
        parallel_tool_calls=False,
        include=["reasoning.encrypted_content"],
        stream_options={"include_obfuscation": False},
        unknown_field={"anything": True},
    ).ask
    request = ask.request
    assert request.tools == ({**FUNCTION, "description": None, "strict": None},)
    assert isinstance(request.tool_choice, dict)
    assert request.tool_choice["mode"] == "auto"
    assert request.text_format == {
        "type": "json_schema", "name": "a", "description": None, "schema": {}, "strict": False,
    }  # fmt: skip
    assert request.reasoning == {"effort": "low", "summary": None}
    assert (request.temperature, request.service_tier, request.truncation) == (
        1.0, "default", "auto",
    )  # fmt: skip


def test_null_means_absent() -> None:
    names = (
        "model input tools tool_choice metadata text temperature top_p presence_penalty "
        "frequency_penalty parallel_tool_calls stream stream_options background max_output_tokens "
        "max_tool_calls reasoning safety_identifier prompt_cache_key truncation instructions store "
        "service_tier top_logprobs conversation regenerate_of include previous_response_id"
    )
    assert parse(**dict.fromkeys(names.split())).ask == parse().ask


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": 7}, "input"),
        ({"input": " "}, "input"),
        ({"input": {"role": "user"}}, "input"),
        ({"input": ["x"]}, "input[0]"),
        ({"input": [{"type": "poem"}]}, "input[0].type"),
        ({"input": [{"type": 1}]}, "input[0].type"),
        ({"input": [{"content": "x", "type": "message"}]}, "input[0].role"),
        ({"input": [{"role": "robot", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": 5}]}, "input[0].content"),
        ({"input": said({"type": "input_text", "text": 1})}, "input[0].content[0].text"),
        ({"input": said({"text": "x"})}, "input[0].content[0].type"),
        ({"input": said({"type": "output_text", "text": "x"})}, "input[0].content[0].type"),
        ({"input": said({"type": "input_file", "file_id": "x"})}, "input[0].content[0].type"),
        ({"input": said({"type": "input_text", "text": "x"}, role="assistant")},
         "input[0].content[0].type"),
        ({"input": said({"type": "input_image", "image_url": "https://example.org/a.png"})},
         "input[0].content[0].image_url"),
        ({"input": said({"type": "input_image", "image_url": "data:image/png;base64,§"})},
         "input[0].content[0].image_url"),
        ({"input": said({"type": "input_image", "image_url": "data:image/png;base64,"})},
         "input[0].content[0].image_url"),
        ({"input": said({"type": "input_image", "image_url": "data:text/html;base64,YQ=="})},
         "input[0].content[0].image_url"),
        ({"input": said({"type": "input_image"})}, "input[0].content[0].image_url"),
        ({"input": said({"type": "input_image", "image_url": data_url(b"no image")})},
         "input[0].content[0].image_url"),
        ({"input": said({"type": "input_image", "image_url": data_url(gif(), "png")})},
         "input[0].content[0].image_url"),
        ({"input": said({"type": "input_image", "file_id": "f", "image_url": PIXEL})},
         "input[0].content[0].file_id"),
        ({"input": said({"type": "input_image", "file_id": ""})},
         "input[0].content[0].file_id"),
        ({"input": said({"type": "input_image", "image_url": PIXEL, "detail": "best"})},
         "input[0].content[0].detail"),
        ({"input": said(*[{"type": "input_image", "image_url": PIXEL}] * 17)}, "input[0]"),
        ({"input": said(*[{"type": "input_image", "image_url": PIXEL}] * 9) * 2}, "input[1]"),
        ({"input": [{"type": "function_call_output", "call_id": "c", "output": [
            {"type": "input_image", "image_url": "https://example.org/a.png"}]}]},
         "input[0].output[0].image_url"),
        ({"input": said({"type": "input_image", "image_url": PIXEL}, role="system")},
         "input[0].content[0]"),
        ({"input": [{"id": 1}]}, "input[0].id"),
        ({"input": [{"type": "item_reference"}]}, "input[0].id"),
        ({"input": [{"type": "item_reference", "id": ""}]}, "input[0].id"),
        ({"input": [{"type": "function_call", "call_id": "c", "name": "a b", "arguments": ""}]},
         "input[0].name"),
        ({"input": [{"type": "function_call", "name": "a", "arguments": ""}]}, "input[0].call_id"),
        ({"input": [{"type": "function_call_output", "call_id": "c", "output": 1}]},
         "input[0].output"),
        ({"input": [{"type": "reasoning"}]}, "input[0].summary"),
        ({"input": [{"role": "user", "content": "x", "status": "done"}]}, "input[0].status"),
        ({"model": 1}, "model"),
        ({"conversation": 1}, "conversation"),
        ({"conversation": {}}, "conversation.id"),
        ({"conversation": ""}, "conversation"),
        ({"previous_response_id": []}, "previous_response_id"),
        ({"instructions": ["x"]}, "instructions"),
        ({"instructions": "x" * 40_000}, "instructions"),
        ({"tools": {}}, "tools"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [{"type": "function", "name": "ä"}]}, "tools[0].name"),
        ({"tools": [FUNCTION, FUNCTION]}, "tools[1].name"),
        ({"tools": [{**FUNCTION, "parameters": []}]}, "tools[0].parameters"),
        ({"tools": [{**FUNCTION, "parameters": {"type": "string"}}]}, "tools[0].parameters"),
        ({"tools": [{**FUNCTION, "parameters": {"type": "objekt"}}]}, "tools[0].parameters"),
        ({"tools": [{**FUNCTION, "name": f"f{i}", "parameters": MANY} for i in range(3)]}, "tools"),
        ({"tools": [{**FUNCTION, "name": f"f{i}"} for i in range(200)]}, "tools"),
        ({"tools": [FUNCTION] * 129}, "tools"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": "maybe"}, "tool_choice"),
        ({"tool_choice": 1}, "tool_choice"),
        ({"tool_choice": {"type": "function", "name": "f"}}, "tool_choice.name"),
        ({"tool_choice": {"type": "allowed_tools", "tools": []}}, "tool_choice.tools"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema", "name": "n"}}}, "text.format.schema"),
        ({"text": {"format": {"type": "json_schema", "name": "n", "schema": {"$ref": "#/a"}}}},
         "text.format.schema"),
        ({"text": {"verbosity": "loud"}}, "text.verbosity"),
        ({"reasoning": {"effort": "huge"}}, "reasoning.effort"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"top_p": -1}, "top_p"),
        ({"presence_penalty": 3}, "presence_penalty"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"max_output_tokens": 16.5}, "max_output_tokens"),
        ({"max_output_tokens": True}, "max_output_tokens"),
        ({"max_tool_calls": 0}, "max_tool_calls"),
        ({"metadata": {str(i): "" for i in range(17)}}, "metadata"),
        ({"metadata": {"k" * 65: ""}}, "metadata"),
        ({"metadata": {"k": "v" * 513}}, "metadata"),
        ({"metadata": {"k": 1}}, "metadata"),
        ({"truncation": "always"}, "truncation"),
        ({"service_tier": "gold"}, "service_tier"),
        ({"store": "yes"}, "store"),
        ({"background": 1}, "background"),
        ({"stream": "true"}, "stream"),
        ({"stream_options": []}, "stream_options"),
        ({"stream_options": {"include_obfuscation": "no"}}, "stream_options.include_obfuscation"),
        ({"include": "all"}, "include"),
        ({"include": ["message.output_text.logprobs"]}, "include[0]"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"safety_identifier": "x" * 65}, "safety_identifier"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_its_path(body: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(**body)
    assert (caught.value.status, caught.value.param) == (400, param)
    assert param in caught.value.message


def test_odd_text_is_taken_as_it_is() -> None:
    (message,) = parse(input="a\x00b 😀 é").ask.input
    assert isinstance(message, Message)
    assert message.text == "a\x00b 😀 é"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-3, 3) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["type", "role", "content", "text", "id", "name", "format"])
        | st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(
        st.sampled_from(
            ["input", "tools", "tool_choice", "text", "metadata", "conversation", "reasoning",
             "include", "temperature", "previous_response_id", "stream", "model"]
        ),
        json_values,
    )
)  # fmt: skip
def test_whatever_comes_is_parsed_or_refused(body: dict[str, Any]) -> None:
    try:
        wire.parse_create(body, Limits())
    except InvalidInput as error:
        assert error.param  # noqa: PT017 - either end is right; this one must say where


def test_the_canonical_form_tells_apart_what_is_asked_and_nothing_else() -> None:
    same = wire.canonical({"input": "x", "model": "m"})
    assert wire.canonical({"model": "m", "input": "x", "stream": True}) == same
    sent = {"type": "response.create", "request_id": "k", "input": "x", "model": "m"}
    assert wire.canonical(sent) == same
    assert wire.canonical({"input": "y", "model": "m"}) != same
    assert wire.canonical({"input": "x", "model": "m", "previous_response_id": None}) != same

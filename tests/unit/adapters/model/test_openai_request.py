"""What a call becomes on the wire of an OpenAI-compatible server."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tertulia.adapters.model.openai_errors import describe, seconds
from tertulia.adapters.model.openai_request import Dialect, messages, request_body
from tertulia.adapters.model.tokens import estimate_tokens
from tertulia.ports.model import (
    Call,
    ImagePart,
    Message,
    TextPart,
    Tool,
    ToolCall,
    ToolOutput,
)

PIXEL = "data:image/png;base64,iVBORw0KGgo="
HI = Message("user", (TextPart("Hi"),))
CALL = Call("ours", [HI])


def test_the_least_call() -> None:
    assert request_body(CALL, "theirs", "generic") == {
        "model": "theirs",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_all_that_a_call_may_say() -> None:
    call = replace(
        CALL,
        temperature=0.5,
        top_p=0.9,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        reasoning_effort="low",
        max_output_tokens=10,
        stop=("END",),
        seed=7,
        logit_bias={"11": -100.0},
        extra={"top_k": 3},
    )
    body = request_body(call, "theirs", "generic")
    assert body["temperature"] == 0.5
    assert body["top_p"] == 0.9
    assert body["presence_penalty"] == 0.1
    assert body["frequency_penalty"] == 0.2
    assert body["reasoning_effort"] == "low"
    assert body["max_tokens"] == 10
    assert body["stop"] == ["END"]
    assert body["seed"] == 7
    assert body["logit_bias"] == {"11": -100.0}
    assert body["top_k"] == 3
    assert request_body(call, "theirs", "openai")["max_completion_tokens"] == 10


def test_a_conversation_with_tools_and_pictures() -> None:
    call = Call(
        "m",
        [
            Message("developer", (TextPart("Be brief."),)),
            Message("user", (TextPart("What is this?"), ImagePart(PIXEL, "low"))),
            Message("assistant", (TextPart("Let me see."),)),
            ToolCall("c1", "look", '{"a": 1}'),
            ToolCall("c2", "look", "{}"),
            ToolOutput("c1", "a cat"),
            ToolOutput("c2", "a dog"),
            ToolCall("c3", "look", "{}"),
        ],
    )
    first, second, third, *outputs, last = messages(call, "generic")
    assert first == {"role": "system", "content": "Be brief."}
    assert second["content"] == [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
    ]
    assert third["content"] == "Let me see."
    assert [c["id"] for c in third["tool_calls"]] == ["c1", "c2"]
    assert third["tool_calls"][0]["function"] == {"name": "look", "arguments": '{"a": 1}'}
    assert outputs == [
        {"role": "tool", "tool_call_id": "c1", "content": "a cat"},
        {"role": "tool", "tool_call_id": "c2", "content": "a dog"},
    ]
    assert last["content"] is None
    assert messages(call, "openai")[0]["role"] == "developer"


def test_tools() -> None:
    call = replace(
        CALL, tools=[Tool("f", "Does it.", {"type": "object"}, True), Tool("g", None, None)]
    )
    body = request_body(call, "m", "generic")
    assert body["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "f",
                "description": "Does it.",
                "parameters": {"type": "object"},
                "strict": True,
            },
        },
        {"type": "function", "function": {"name": "g"}},
    ]
    assert body["tool_choice"] == "auto"
    assert "parallel_tool_calls" not in body
    chosen = request_body(replace(call, tool_choice="g", parallel_tool_calls=False), "m", "generic")
    assert chosen["tool_choice"] == {"type": "function", "function": {"name": "g"}}
    assert chosen["parallel_tool_calls"] is False


def test_schemas() -> None:
    anything = request_body(replace(CALL, json_schema={}), "m", "generic")
    assert anything["response_format"] == {"type": "json_object"}
    open_schema = {"type": "object"}
    given = request_body(
        replace(CALL, json_schema=open_schema, json_schema_name="n"), "m", "generic"
    )
    assert given["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "n", "schema": open_schema},
    }
    strict = replace(CALL, json_schema=open_schema, json_schema_strict=True)
    body = request_body(strict, "m", "generic")
    assert body["response_format"]["json_schema"]["strict"] is True


def test_what_only_openai_knows_is_sent_to_nobody_else() -> None:
    told = {"verbosity": "low", "safety_identifier": "s", "prompt_cache_key": "k"}
    call = replace(CALL, **told)  # type: ignore[arg-type]
    assert told.items() <= request_body(call, "m", "openai").items()
    assert not told.keys() & request_body(call, "m", "generic").keys()


@pytest.mark.parametrize(("dialect", "told"), [("generic", True), ("llamacpp", False)])
def test_a_prefix_is_the_last_message(dialect: Dialect, told: bool) -> None:
    body = request_body(replace(CALL, prefix="So far "), "m", dialect)
    assert body["messages"][-1] == {"role": "assistant", "content": "So far "}
    assert body.get("continue_final_message", False) is told
    assert body.get("add_generation_prompt", True) is not told


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error": {"message": "no", "code": "x", "type": "y"}}', ("no", "x y")),
        (b'{"error": {"message": "no", "code": 400}}', ("no", "400")),
        (b'{"error": "no"}', ("no", "")),
        (b'{"message": "no"}', ("no", "")),
        (b'{"detail": "no"}', ("no", "")),
        (b'{"detail": [{"loc": []}]}', ("", "")),
        (b'"no"', ("no", "")),
        (b"[1]", ("", "")),
        (b"<html>", ("", "")),
        (b"\xff", ("", "")),
        (b'{"message": "two\\nlines\\u001b[1m"}', ("two lines [1m", "")),
    ],
)
def test_errors_in_every_shape(body: bytes, said: tuple[str, str]) -> None:
    assert describe(body) == said


def test_a_long_error_is_cut() -> None:
    message, _ = describe(b'{"message": "' + b"x" * 5000 + b'"}')
    assert len(message) == 300


def test_retry_after() -> None:
    assert seconds("7") == 7
    assert seconds("-7") == 0
    assert seconds("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert (seconds("Wed, 21 Oct 2215 07:28:00 GMT") or 0) > 1000
    assert seconds("soon") is None
    assert seconds(None) is None


def test_estimates_are_not_too_low() -> None:
    assert estimate_tokens("") == 0
    assert estimate_tokens("The quick brown fox jumps over the lazy dog.") >= 10
    assert estimate_tokens("漢字漢字") >= 4
    assert estimate_tokens("\ud800") > 0

"""``/v1/chat/completions`` over a real socket, plain and streamed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai.types.chat import ChatCompletion
from tests.support.chat import PATH, chat, chunks, deltas, function, reason_of, text_of
from tests.support.live import Live, live

TOOLS = [function("look_up"), function("translate", strict=False)]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path) as started:
        yield started


@pytest.fixture
async def client(server: Live) -> httpx.AsyncClient:
    return await server.client()


async def whole(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    """A completion, strictly of the SDK's type."""
    answer = await client.post(PATH, json=body)
    assert answer.status_code == 200, answer.text
    ChatCompletion.model_validate_json(answer.text, strict=True)
    completion: dict[str, Any] = answer.json()
    return completion


async def test_a_completion(client: httpx.AsyncClient) -> None:
    completion = await whole(client, **chat("chunks=4"))
    assert completion["id"].startswith("chatcmpl-")
    assert (completion["object"], completion["model"]) == ("chat.completion", "scripted")
    assert completion["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "w0 w1 w2 w3", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    usage = completion["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (1, 4, 5)


async def test_a_stream_says_the_same_piece_by_piece(client: httpx.AsyncClient) -> None:
    stream = await chunks(client, **chat("chunks=12 rate=100"))
    assert len({(c["id"], c["created"], c["model"], c["object"]) for c in stream}) == 1
    assert stream[0]["object"] == "chat.completion.chunk"
    first, *between, last = deltas(stream)
    assert first == {"role": "assistant", "content": "", "refusal": None}
    assert last == {}
    assert len(between) > 1
    assert text_of(stream).split() == [f"w{n}" for n in range(12)]
    assert reason_of(stream) == "stop"
    assert not any("usage" in chunk for chunk in stream)


async def test_any_text_comes_as_it_is(client: httpx.AsyncClient) -> None:
    said = 'quote " slash \\ line\ntab\t nul \x01 é 漢字 🙂 </script> \u2028'
    assert text_of(await chunks(client, **chat(f"split: {said}"))) == said
    completion = await whole(client, **chat(f"split: {said}"))
    assert completion["choices"][0]["message"]["content"] == said


async def test_usage_comes_last_where_it_is_asked_for(client: httpx.AsyncClient) -> None:
    plain = await whole(client, **chat("chunks=4"))
    options = {"include_usage": True, "include_obfuscation": False}
    *others, last = await chunks(client, **chat("chunks=4", stream_options=options))
    assert (last["choices"], last["usage"]) == ([], plain["usage"])
    assert [chunk["usage"] for chunk in others] == [None] * len(others)


async def test_thoughts_stand_beside_the_answer(client: httpx.AsyncClient) -> None:
    message = (await whole(client, **chat("think chunks=2")))["choices"][0]["message"]
    assert message["content"] == "w0 w1"
    stream = await chunks(client, **chat("think chunks=2"))
    assert text_of(stream, "reasoning_content") == message["reasoning_content"] != ""
    assert text_of(stream) == "w0 w1"


@pytest.mark.parametrize(
    ("body", "text", "reason"),
    [
        (chat("chunks=2 length"), "w0 w1", "length"),
        (chat("chunks=2 filter"), "w0 w1", "content_filter"),
        (chat("chunks=9", max_tokens=1), "w0", "length"),
        (chat("chunks=9", max_completion_tokens=2), "w0 w1", "length"),
        (chat("chunks=9", max_completion_tokens=2, max_tokens=5), "w0 w1", "length"),
        (chat("chunks=9", stop=" w2"), "w0 w1", "stop"),
        (chat("chunks=9", stop=["w8", "3", "x", "y"]), "w0 w1 w2 w", "stop"),
        (chat("chunks=2", stop="w0"), "", "stop"),
        (chat("chunks=2", stop=[]), "w0 w1", "stop"),
        (chat("chunks=2", tools=TOOLS, tool_choice="none"), "w0 w1", "stop"),
    ],
)
async def test_how_answers_end(
    client: httpx.AsyncClient, body: dict[str, Any], text: str, reason: str
) -> None:
    choice = (await whole(client, **body))["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == (text, reason)
    stream = await chunks(client, **body)
    assert (text_of(stream), reason_of(stream)) == (text, reason)


def calls_of(stream: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The calls, put together as clients do it."""
    calls: list[dict[str, Any]] = []
    for piece in (piece for delta in deltas(stream) for piece in delta.get("tool_calls", ())):
        if piece["index"] == len(calls):
            assert piece["function"]["arguments"] == ""
            calls.append({k: v for k, v in piece.items() if k != "index"})
        else:
            assert set(piece) == {"index", "function"}
            calls[piece["index"]]["function"]["arguments"] += piece["function"]["arguments"]
    return calls


def named(calls: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(call["function"]["name"], call["function"]["arguments"]) for call in calls]


@pytest.mark.parametrize(
    ("more", "names"),
    [
        ({}, ["look_up", "translate"]),
        ({"parallel_tool_calls": False}, ["look_up"]),
        ({"tool_choice": "required"}, ["look_up", "translate"]),
        (
            {"tool_choice": {"type": "function", "function": {"name": "translate"}}},
            ["translate"],
        ),
        (
            {
                "tool_choice": {
                    "type": "allowed_tools",
                    "allowed_tools": {
                        "mode": "required",
                        "tools": [{"type": "function", "function": {"name": "translate"}}],
                    },
                }
            },
            ["translate"],
        ),
    ],
)
async def test_calls_of_tools(
    client: httpx.AsyncClient, more: dict[str, Any], names: list[str]
) -> None:
    body = chat("calls=2", tools=TOOLS, **more)
    choice = (await whole(client, **body))["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == (None, "tool_calls")
    calls = choice["message"]["tool_calls"]
    assert named(calls) == [(name, '{"word": "word0"}') for name in names]
    assert len({call["id"] for call in calls}) == len(names)
    stream = await chunks(client, **body)
    assert deltas(stream)[0] == {"role": "assistant", "content": None, "refusal": None}
    assert (named(calls_of(stream)), reason_of(stream)) == (named(calls), "tool_calls")


async def test_what_the_model_is_sent(server: Live, client: httpx.AsyncClient) -> None:
    """A whole conversation, with everything that other clients write differently."""
    call = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
        {"role": "user", "content": "first", "name": "ann"},
        {"role": "assistant", "refusal": "No.", "reasoning_content": "Hm."},
        {"role": "user", "content": ""},
        {
            "role": "user",
            "content": [{"type": "text", "text": "no"}, {"type": "text", "text": "w"}],
        },
        {"role": "assistant", "content": [{"type": "text", "text": "Let me see."}], "unknown": 1},
        {"role": "assistant", "tool_calls": [call, {**call, "id": "c" * 200}]},
        {"role": "tool", "tool_call_id": "c" * 200, "content": [{"type": "text", "text": "two"}]},
        {"role": "tool", "tool_call_id": "c1", "content": "one"},
    ]
    body = {
        **chat(), "messages": messages, "tools": TOOLS, "store": True, "user": "u", "n": 1,
        "logprobs": False, "top_logprobs": 0, "logit_bias": {"11": -100}, "seed": 7,
        "modalities": ["text"], "prediction": {"type": "content", "content": "x"},
        "metadata": {"k": "v"}, "reasoning_effort": "low", "verbosity": "low",
        "service_tier": "scale", "response_format": {"type": "text"}, "top_k": 3, "audio": None,
    }  # fmt: skip
    completion = await whole(client, **body)
    assert completion["choices"][0]["message"]["content"].endswith("one")
    assert completion["service_tier"] == "default"
    (made,) = server.node.models.calls()
    assert made.entries == len(messages)  # one of no words, one of two calls


async def test_a_chat_without_a_model_goes_to_the_default_one(client: httpx.AsyncClient) -> None:
    completion = await whole(client, messages=[{"role": "user", "content": "chunks=1"}])
    default = (await client.get("/v1/models")).json()["data"][0]["id"]
    assert completion["model"] == default

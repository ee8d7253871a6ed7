"""Chat completions as they came over the socket."""

from __future__ import annotations

import json
from typing import Any

import httpx
from openai.types.chat import ChatCompletionChunk

PATH = "/v1/chat/completions"


def chat(text: str = "chunks=3", **more: Any) -> dict[str, Any]:
    return {"model": "scripted", "messages": [{"role": "user", "content": text}], **more}


def function(name: str, **more: Any) -> dict[str, Any]:
    """A tool that takes a word."""
    word = {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]}
    told = {"name": name, "description": f"The {name}.", "parameters": word, **more}
    return {"type": "function", "function": told}


async def chunks(client: httpx.AsyncClient, **body: Any) -> list[dict[str, Any]]:
    """The chunks of a stream that went well, each strictly of the SDK's type."""
    answer = await client.post(PATH, json={**body, "stream": True})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    *lines, last, end = answer.text.split("\n\n")
    assert (last, end) == ("data: [DONE]", "")
    for line in lines:
        ChatCompletionChunk.model_validate_json(line.removeprefix("data: "), strict=True)
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def deltas(stream: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [chunk["choices"][0]["delta"] for chunk in stream if chunk["choices"]]


def text_of(stream: list[dict[str, Any]], name: str = "content") -> str:
    return "".join(delta.get(name) or "" for delta in deltas(stream))


def reason_of(stream: list[dict[str, Any]]) -> str | None:
    """The finish reason, which stands in the last choice only."""
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in stream if chunk["choices"]]
    assert not any(reasons[:-1])
    reason: str | None = reasons[-1]
    return reason

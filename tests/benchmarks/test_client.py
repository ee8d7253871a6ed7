"""What the load client takes for an answer, and what the model server sends."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx
import pytest
from benchmarks import wire
from benchmarks.client import Reader
from benchmarks.processes import Upstream
from benchmarks.wire import Wrong, percentile

WORDS = ["u1t0 ", "w1 ", "w2 "]


def floor_stream(words: list[str], *, end: bool = True) -> bytes:
    events = [{"type": "delta", "delta": word} for word in words]
    if end:
        events.append({"type": "end"})
    framed = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
    return framed + b"data: [DONE]\n\n"


def read(data: bytes, size: int = 7) -> Reader:
    reader = Reader("floor", [])
    for at in range(0, len(data), size):
        reader.read(data[at : at + size])
    return reader


def test_the_text_is_read_from_whatever_pieces_it_comes_in() -> None:
    for size in (1, 7, 10_000):
        read(floor_stream(WORDS), size).verify(wire.answer("u1t0", 3))


@pytest.mark.parametrize(
    "words",
    [WORDS[:2], [*WORDS, "w2 "], [WORDS[0], WORDS[2], WORDS[1]], ["u2t0 ", *WORDS[1:]], []],
    ids=["lost", "doubled", "out of order", "another's", "empty"],
)
def test_another_text_is_an_error(words: list[str]) -> None:
    with pytest.raises(Wrong, match="another text"):
        read(floor_stream(words)).verify(wire.answer("u1t0", 3))


def test_a_stream_without_its_end_is_an_error() -> None:
    with pytest.raises(Wrong, match="no regular end"):
        read(floor_stream(WORDS, end=False)).verify(wire.answer("u1t0", 3))


def test_percentiles() -> None:
    values = [float(value) for value in range(1, 101)]
    assert percentile(values, 0.5) == 50
    assert percentile(values, 0.99) == 99
    assert percentile([3.0], 0.99) == 3
    assert percentile([], 0.5) == 0


def test_a_model_id_tells_chunks_and_rate() -> None:
    assert wire.parse_model(wire.model_id(200, 50)) == (200, 50)
    assert wire.parse_model("gpt-5") is None
    assert wire.tag_of("  \n") == "none"


@pytest.mark.parametrize(("rate", "most"), [(0, None), (1000, None), (0, 2)])
async def test_the_model_server_speaks_openais_words(
    tmp_path: Path, rate: int, most: int | None
) -> None:
    upstream = await asyncio.to_thread(Upstream, ["bench-4x0"], tmp_path)
    with upstream:
        async with httpx.AsyncClient(base_url=upstream.url, timeout=30) as client:
            listed = (await client.get("/models")).json()
            assert [model["id"] for model in listed["data"]] == ["bench-4x0"]
            body = {
                "model": wire.model_id(4, rate),
                "messages": [{"role": "user", "content": "tag and more"}],
                "stream": True,
                "max_tokens": most,
            }
            answer = await client.post("/chat/completions", json=body)
            unknown = await client.post("/chat/completions", json={**body, "model": "other"})
            unreadable = await client.post("/chat/completions", content=b"{")
    *events, done = [line for line in answer.text.split("\n\n") if line]
    chunks = [json.loads(event.removeprefix("data: ")) for event in events]
    text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
    assert done == "data: [DONE]"
    assert text == wire.answer("tag", most or 4)
    assert chunks[-1]["usage"]["completion_tokens"] == (most or 4)
    assert [unknown.status_code, unreadable.status_code] == [404, 400]

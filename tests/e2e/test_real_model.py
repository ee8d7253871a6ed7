"""The real model in a real server: it answers, and what it was saying survives a kill."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.e2e.server import Server, events
from tests.support.weights import smollm2

from tertulia.domain.frame import ATTEMPT_SPAN

pytestmark = pytest.mark.e2e

QUESTION = "Tell me a long story about a lighthouse, a storm and a cat."


CAT = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "colour": {"enum": ["black", "white", "red"]},
    },
    "required": ["name", "colour"],
    "additionalProperties": False,
}


@pytest.fixture
async def server(serve: Callable[..., Server]) -> Server:
    weights = await smollm2()
    environment = {
        "TERTULIA_MODELS__LOCAL": str(weights.path),
        "TERTULIA_MODELS__DEFAULT": "",
        "TERTULIA_MODELS__SCRIPTED": "false",
    }
    return serve("--no-auth", environment=environment).start()


def deltas(seen: list[dict[str, Any]]) -> str:
    return "".join(str(event.get("delta", "")) for event in seen)


def test_a_story_survives_the_kill_of_its_teller(server: Server) -> None:
    body = {"input": QUESTION, "background": True, "stream": True, "max_output_tokens": 120}
    seen: list[dict[str, Any]] = []
    with server.client() as client:
        with client.stream("POST", "/v1/responses", json=body) as stream:
            for event in events(stream):
                seen.append(event)
                if len(deltas(seen)) > 80:
                    break
        path = f"/v1/responses/{seen[0]['response']['id']}"
        server.kill()
        server.start()
        after = {"stream": "true", "starting_after": seen[-1]["sequence_number"]}
        with client.stream("GET", path, params=after) as stream:
            rest = list(events(stream))
        stored = client.get(path).json()
    assert stored["status"] in ("completed", "incomplete")
    assert stored["error"] is None
    text = stored["output"][0]["content"][0]["text"]
    assert deltas([*seen, *rest]) == text
    later = [e for e in rest if e["sequence_number"] >= ATTEMPT_SPAN]
    assert deltas(later)
    assert len(text) > len(deltas(seen))


def test_its_json_keeps_to_the_schema_and_what_it_cannot_do_is_refused(server: Server) -> None:
    shape = {"type": "json_schema", "name": "cat", "schema": CAT, "strict": True}
    body = {"input": "Describe a cat as JSON.", "text": {"format": shape}}
    with server.client() as client:
        with client.stream("POST", "/v1/responses", json={**body, "stream": True}) as stream:
            seen = list(events(stream))
        assert seen[-1]["response"]["status"] == "completed"
        cat = json.loads(deltas(seen))
        assert set(cat) == {"name", "colour"}
        assert cat["colour"] in ("black", "white", "red")
        looking = {"type": "string", "pattern": "^(?=x)y$"}
        for refused, param in (
            ({"text": {"format": {**shape, "schema": looking}}}, "text.format.schema"),
            ({"tools": [{"type": "function", "name": "f"}]}, "tools"),
        ):
            answer = client.post("/v1/responses", json={"input": "x", **refused})
            assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)

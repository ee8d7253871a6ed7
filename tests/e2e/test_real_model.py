"""The real model in a real server: it answers, and what it was saying survives a kill."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.e2e.server import Server, events
from tests.support.weights import smollm2

from tertulia.domain.frame import ATTEMPT_SPAN

pytestmark = pytest.mark.e2e

QUESTION = "Tell me a long story about a lighthouse, a storm and a cat."


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

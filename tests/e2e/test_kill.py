"""The server is killed in mid-answer and started again: the answer is finished."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from tests.e2e.server import Server, events

from tertulia.domain.frame import ATTEMPT_SPAN

pytestmark = pytest.mark.e2e

Serve = Callable[..., Server]


def said(seen: list[dict[str, Any]]) -> str:
    """The text of these events; a word may be split over two of them."""
    return "".join(str(event.get("delta", "")) for event in seen)


def begin(client: httpx.Client, model: str, words: int) -> tuple[str, list[dict[str, Any]]]:
    """Start an answer in the background and read until so many words came."""
    body = {"model": model, "input": "go", "background": True, "stream": True}
    seen = []
    with client.stream("POST", "/v1/responses", json=body) as stream:
        for event in events(stream):
            seen.append(event)
            if f"w{words} " in said(seen):
                break
    return str(seen[0]["response"]["id"]), seen


def test_a_killed_server_finishes_the_answer_from_its_prefix(serve: Serve) -> None:
    server = serve("--no-auth").start()
    with server.client() as client:
        response_id, seen = begin(client, "scripted-120x60", 20)
        server.kill()
        server.start()
        last = seen[-1]["sequence_number"]
        path = f"/v1/responses/{response_id}"
        with client.stream("GET", path, params={"stream": "true", "starting_after": last}) as s:
            rest = list(events(s))
        stored = client.get(path).json()
        calls = client.get("/v1/diagnostics/scripted").json()["data"]
    text = stored["output"][0]["content"][0]["text"]
    assert stored["status"] == "completed"
    assert text.split() == [f"w{n}" for n in range(120)]
    assert said([*seen, *rest]) == text
    first, second = calls
    assert (first["attempt"], second["attempt"]) == (1, 2)
    # Words before the cut were written by call 1, those after it by call 2, and call 2 was sent
    # exactly what the log held.
    cut = next(e for e in rest if e["sequence_number"] == ATTEMPT_SPAN)
    logged = [e for e in [*seen, *rest] if e["sequence_number"] < cut["sequence_number"]]
    prefix = said(logged)
    assert second["prefix"] == prefix
    assert second["first"] == len(prefix.split())
    assert (first["first"], second["last"]) == (0, 119)
    assert first["last"] >= second["first"] - 1


def test_a_second_and_a_third_kill_too(serve: Serve) -> None:
    server = serve("--no-auth").start()
    with server.client() as client:
        response_id, _ = begin(client, "scripted-150x50", 10)
        server.kill()
        server.start()
        with client.stream("GET", f"/v1/responses/{response_id}", params={"stream": "true"}) as s:
            seen = []
            for event in events(s):
                seen.append(event)
                if "w60 " in said(seen):
                    break
        server.kill()
        server.start()
        with client.stream("GET", f"/v1/responses/{response_id}", params={"stream": "true"}) as s:
            last = list(events(s))[-1]
        assert last["type"] == "response.completed"
        text = client.get(f"/v1/responses/{response_id}").json()["output"][0]["content"][0]["text"]
        assert text.split() == [f"w{n}" for n in range(150)]


def test_messages_that_wait_are_answered_after_the_restart(serve: Serve) -> None:
    server = serve("--no-auth").start()
    with server.client() as client:
        ids = [
            client.post(
                "/v1/responses",
                json={"model": "scripted-40x20", "input": f"m{n}", "background": True},
            ).json()["id"]
            for n in range(6)
        ]
        server.kill()
        server.start()
        for response_id in ids:
            with client.stream(
                "GET", f"/v1/responses/{response_id}", params={"stream": "true"}
            ) as s:
                assert list(events(s))[-1]["type"] == "response.completed"


def test_asked_to_end_it_hands_over_and_counts_no_crash(serve: Serve) -> None:
    server = serve("--no-auth").start()
    with server.client() as client:
        response_id, _ = begin(client, "scripted-200x50", 10)
        assert server.stop() == 0
        server.start()
        with client.stream("GET", f"/v1/responses/{response_id}", params={"stream": "true"}) as s:
            assert list(events(s))[-1]["type"] == "response.completed"
        text = client.get(f"/v1/responses/{response_id}").json()["output"][0]["content"][0]["text"]
    assert text.split() == [f"w{n}" for n in range(200)]
    assert '"leases_voided"' not in server.log.read_text()

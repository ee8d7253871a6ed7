"""The spans of a turn, as the pipeline makes them: one tree, told by whoever knows."""

from __future__ import annotations

from typing import Any

from tests.turns.house import House
from tests.turns.speaking import Speaking

from tertulia.domain.response import Request
from tertulia.ports.model import TextChunk
from tertulia.telemetry import traces
from tertulia.telemetry.traces import Span, attempt_of, root_of

SECRET = "canary-of-the-trace"


async def answered(house: House, text: str, **asked: Any) -> str:
    """Say it, and wait for the end; the response's id."""
    worker = house.work()
    response = await house.say(text, **asked)
    await house.end(response.id)
    await worker.stop()
    return response.id


def named(spans: list[Span], name: str) -> Span:
    (found,) = [span for span in spans if span.name == name]
    return found


async def test_a_turn_is_one_tree(house: House, spans: list[Span]) -> None:
    request = Request(model="scripted", truncation="auto", temperature=0.5, max_output_tokens=50)
    response_id = await answered(house, f"echo: {SECRET}", request=request)
    root, attempt = root_of(response_id), attempt_of(response_id, 1)
    of_turn = [span for span in spans if span.place.trace_id == root.trace_id]
    assert len(of_turn) == len(spans)
    known = {span.place.span_id for span in spans}
    assert {s.name for s in spans if s.parent_id is None} == {"turn"}
    assert all(span.parent_id in known for span in spans if span.parent_id is not None)
    assert named(spans, "turn").place == root
    assert {s.name for s in spans if s.parent_id == root.span_id} == {"submit", "queue", "attempt"}
    assert named(spans, "attempt").place == attempt
    call = named(spans, "chat scripted")
    assert call.parent_id == attempt.span_id
    assert call.kind == "client"
    assert call.attributes["gen_ai.request.temperature"] == 0.5
    assert call.attributes["gen_ai.request.max"] == 50
    assert call.attributes["gen_ai.response.finish_reasons"] == ["stop"]
    assert call.attributes["gen_ai.usage.output_tokens"]
    assert "tertulia.first_token_ms" in call.attributes
    assert all(span.end >= span.start > 0 for span in spans)
    assert SECRET not in str(spans)


async def test_of_a_worker_that_died_another_tells(house: House, spans: list[Span]) -> None:
    response = await house.say("chunks=3")
    dead = await house.parts.store.claim(response.id, "worker_dead", 2.0)
    assert dead is not None
    await house.parts.store.void_leases()
    worker = house.work()
    await house.end(response.id)
    await worker.stop()
    attempts = {span.place: span for span in spans if span.name == "attempt"}
    lost = attempts[attempt_of(response.id, 1)]
    assert lost.error == "worker_lost"
    assert lost.attributes["tertulia.told_by"] == worker.id
    assert attempts[attempt_of(response.id, 2)].error is None
    assert named(spans, "turn").attributes["tertulia.crashes"] == 1


async def test_what_goes_wrong_is_named_by_its_code(house: House, spans: list[Span]) -> None:
    models = Speaking(house, [TextChunk("so far")])  # and it never says that this was all
    response_id = await answered(house.with_(models=models), "go")
    assert (await house.node(response_id)).response.status == "incomplete"
    assert named(spans, "turn").error == "model_garbage"


async def test_all_processes_keep_the_same_part(house: House, spans: list[Span]) -> None:
    traces.export(spans.append, part=0.0)
    await answered(house, "echo: hello")
    assert spans == []


def test_places_are_told_from_ids_alone() -> None:
    ids = [f"resp_{n}" for n in range(50)]
    assert len({root_of(one) for one in ids}) == len(ids)
    assert len({attempt_of(ids[0], n) for n in range(1, 9)}) == 8
    assert {attempt_of(ids[0], n).trace_id for n in range(1, 9)} == {root_of(ids[0]).trace_id}

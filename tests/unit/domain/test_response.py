"""The state machine and the resource."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tertulia.domain.event import encode, opening_frames, terminal_frame
from tertulia.domain.item import Message, OutputText
from tertulia.domain.response import (
    TERMINAL,
    Failure,
    Request,
    Response,
    Status,
    Usage,
    may_become,
    resource,
)

STATUSES: list[Status] = [
    "queued",
    "in_progress",
    "completed",
    "failed",
    "cancelled",
    "incomplete",
]


def response(**changes: object) -> Response:
    fields = {
        "id": "resp_1",
        "user_id": "user_1",
        "request": Request(model="m"),
        "status": "queued",
        "created_at": 1000.7,
    }
    return Response(**{**fields, **changes})  # type: ignore[arg-type]


@given(st.lists(st.sampled_from(STATUSES), max_size=6))
def test_a_terminal_status_never_changes(wished: list[Status]) -> None:
    status: Status = "queued"
    ended = None
    for wish in wished:
        if may_become(status, wish):
            status = wish
        if status in TERMINAL:
            ended = ended or status
            assert status == ended


def test_edges_are_exactly_those_drawn() -> None:
    edges = {(a, b) for a in STATUSES for b in STATUSES if may_become(a, b)}
    assert edges == {
        ("queued", "in_progress"),
        ("queued", "failed"),
        ("queued", "cancelled"),
        *(("in_progress", s) for s in TERMINAL),
    }


def test_resource_has_what_the_standard_requires() -> None:
    shown = resource(response())
    required = (
        "id object created_at completed_at status incomplete_details model previous_response_id "
        "instructions output error tools tool_choice truncation parallel_tool_calls text top_p "
        "presence_penalty frequency_penalty top_logprobs temperature reasoning usage "
        "max_output_tokens max_tool_calls store background service_tier metadata "
        "safety_identifier prompt_cache_key"
    )
    assert set(required.split()) <= set(shown)
    assert shown["created_at"] == 1000
    assert shown["completed_at"] is None
    assert shown["conversation"] is None
    assert shown["usage"] is None


def test_resource_of_an_interrupted_response() -> None:
    message = Message(id="msg_1", role="assistant", content=(OutputText(text="half"),))
    ended = response(
        status="incomplete",
        incomplete_reason="interrupted",
        completed_at=1002.2,
        conversation_id="conv_1",
        error=Failure("model_unavailable", "gone"),
        usage=Usage(input_tokens=3, output_tokens=2),
        last_sequence_number=9,
        request=Request(model="m", verbosity="low"),
    )
    shown = json.loads(encode(resource(ended, (message,))))
    assert shown["incomplete_details"] == {"reason": "interrupted"}
    assert shown["error"] == {"code": "model_unavailable", "message": "gone"}
    assert shown["usage"]["total_tokens"] == 5
    assert shown["conversation"] == {"id": "conv_1"}
    assert shown["text"] == {"format": {"type": "text"}, "verbosity": "low"}
    assert shown["output"][0]["content"][0]["text"] == "half"
    assert shown["completed_at"] == 1002


def test_opening_frames_are_0_and_1() -> None:
    created, queued = opening_frames(response())
    assert (created.sequence_number, created.kind) == (0, "response.created")
    assert (queued.sequence_number, queued.kind) == (1, "response.queued")
    assert json.loads(created.data)["response"]["status"] == "queued"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("completed", "response.completed"),
        ("failed", "response.failed"),
        ("incomplete", "response.incomplete"),
        ("cancelled", "response.incomplete"),
    ],
)
def test_terminal_frame_comes_from_the_row(status: Status, kind: str) -> None:
    frame = terminal_frame(response(status=status, last_sequence_number=7), ())
    assert (frame.sequence_number, frame.kind, frame.terminal) == (7, kind, True)
    assert json.loads(frame.data)["response"]["status"] == status


@pytest.mark.parametrize("changes", [{"status": "in_progress"}, {"status": "completed"}])
def test_an_unfinished_row_has_no_terminal_frame(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="no terminal frame"):
        terminal_frame(response(**changes), ())


def test_usage_adds_up() -> None:
    total = Usage(1, 2, 3, 4, 5).plus(Usage(10, 20, 30, 40, 50))
    assert total == Usage(11, 22, 33, 44, 55)

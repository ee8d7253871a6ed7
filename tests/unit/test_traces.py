"""Where spans belong, and whether they are made."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tertulia.errors import Misconfigured, NotFound
from tertulia.telemetry import otlp, traces
from tertulia.telemetry.traces import Place, RequestSpan, Span, attempt_of, root_of, within

CALLER = Place(0xAB, 0xCD)


@given(st.text(), st.text())
def test_a_turn_has_one_place_in_every_process(one: str, other: str) -> None:
    assert root_of(one) == root_of(one)
    assert (root_of(one) == root_of(other)) == (one == other)
    assert attempt_of(one, 1).trace_id == root_of(one).trace_id
    assert len({root_of(one).span_id, *(attempt_of(one, n).span_id for n in range(1, 9))}) == 9


def test_without_an_exporter_nothing_is_made() -> None:
    assert not traces.on()
    within(root_of("resp_1"), "step").close()


def test_a_part_of_all_traces_is_kept_or_left_out_whole() -> None:
    made: list[Span] = []
    traces.export(made.append, part=0.25)
    try:
        for number in range(2000):
            root = root_of(f"resp_{number}")
            within(root, "one").close()
            within(root, "two").close()
    finally:
        traces.export(None)
    kept = {span.place.trace_id for span in made}
    assert len(made) == 2 * len(kept)
    assert 400 < len(kept) < 600


def test_a_span_tells_of_its_error_by_code_alone(spans: list[Span]) -> None:
    with pytest.raises(NotFound), within(root_of("r"), "step"):
        raise NotFound("There is no canary.", code="not_here")
    with pytest.raises(ValueError, match="canary"), within(root_of("r"), "step"):
        raise ValueError("canary")
    assert [span.error for span in spans] == ["not_here", "ValueError"]
    assert all(span.end >= span.start for span in spans)


def request(given: bytes) -> RequestSpan:
    return RequestSpan([(b"host", b"x"), (b"traceparent", given)])


def test_a_request_goes_on_with_its_callers_trace(spans: list[Span]) -> None:
    request(CALLER.traceparent.encode()).close("GET /", {}, failed=False)
    (span,) = spans
    assert (span.place.trace_id, span.parent_id, span.links) == (*CALLER, ())


def test_one_that_submits_belongs_to_the_turn_and_names_its_caller(spans: list[Span]) -> None:
    asked = request(CALLER.traceparent.encode())
    assert asked.joins("resp_1") == Place(root_of("resp_1").trace_id, asked.span_id)
    asked.close("POST /", {}, failed=True)
    (span,) = spans
    assert (span.place.trace_id, span.parent_id) == root_of("resp_1")
    assert (span.links, span.error) == ((CALLER,), "server_error")


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"00",
        b"00-" + b"x" * 32 + b"-" + b"1" * 16 + b"-01",
        b"00-" + b"0" * 32 + b"-" + b"1" * 16 + b"-01",
        b"00-" + b"1" * 32 + b"-" + b"0" * 16 + b"-01",
        b"00-" + b"1" * 31 + b"-" + b"1" * 16 + b"-01",
    ],
)
def test_a_malformed_caller_is_none(spans: list[Span], wrong: bytes) -> None:
    request(wrong).close("GET /", {}, failed=False)
    assert spans[0].parent_id is None


def test_without_the_extra_the_setting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(Misconfigured, match=r"tertulia\[telemetry\]") as caught:
        otlp.open_exporter("http://127.0.0.1:4318", version="1", role="serve")
    assert caught.value.param == "traces"


def test_nothing_of_it_is_loaded_by_a_server_that_traces_nothing() -> None:
    program = (
        "import sys, tertulia.bootstrap, tertulia.transports.app\n"
        "print([m for m in sys.modules if m.startswith(('opentelemetry.sdk', "
        "'opentelemetry.exporter', 'google.protobuf', 'prometheus_client'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"

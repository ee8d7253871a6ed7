"""The event parser: however the bytes are cut, the events are the same."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tertulia.adapters.model.sse import EventTooLong, SSEParser

ENDINGS = st.sampled_from([b"\n", b"\r\n", b"\r"])
LINES = st.one_of(
    st.just(b""),
    st.builds(
        lambda name, colon, value: name + colon + value,
        st.sampled_from([b"data", b"event", b"id", b"", b"database"]),
        st.sampled_from([b":", b": ", b":  ", b""]),
        st.sampled_from([b"", b"x", b"a: b", b"\xc3\xa9\xf0\x9f\x99\x82", b"[DONE]"]),
    ),
)
STREAMS = st.lists(st.tuples(LINES, ENDINGS), max_size=24).map(
    lambda lines: b"".join(line + ending for line, ending in lines)
)


def parse(*reads: bytes) -> list[bytes]:
    parser = SSEParser()
    return [event for read in reads for event in parser.feed(read)]


def reference(stream: bytes) -> list[bytes]:
    """The standard's algorithm, line by line, on the whole stream."""
    text = stream.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    events: list[bytes] = []
    data: list[bytes] = []
    for line in text.split(b"\n")[:-1]:
        if not line:
            if data:
                events.append(b"\n".join(data))
            data = []
            continue
        name, _, value = line.partition(b":")
        if name == b"data":
            data.append(value.removeprefix(b" "))
    return events


@given(STREAMS, st.data())
def test_any_cut_gives_the_same_events(stream: bytes, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=12).map(sorted))
    reads = [stream[a:b] for a, b in pairwise([0, *cuts, len(stream)])]
    assert parse(*reads) == reference(stream)


@given(STREAMS)
def test_byte_by_byte(stream: bytes) -> None:
    assert parse(*(bytes((byte,)) for byte in stream)) == reference(stream)


def test_a_mark_at_the_start_is_passed_over() -> None:
    assert parse(b"\xef\xbb\xbfdata: x\n\n") == [b"x"]


def test_what_is_not_ended_is_no_event() -> None:
    assert parse(b"data: x\n") == []


def test_comments_do_not_add_up() -> None:
    parser = SSEParser(limit=100)
    for _ in range(100):
        assert parser.feed(b": still here\n") == []
    assert parser.feed(b"data: x\n\n") == [b"x"]


@pytest.mark.parametrize("reads", [[b"data: " + b"x" * 200], [b"x"] * 200, [b"data: xxxx\n"] * 40])
def test_an_endless_event_is_refused(reads: list[bytes]) -> None:
    parser = SSEParser(limit=100)
    with pytest.raises(EventTooLong):
        _ = [parser.feed(read) for read in reads]


def test_many_events_may_be_longer_together() -> None:
    assert SSEParser(limit=100).feed(b"data: x\n\n" * 100) == [b"x"] * 100

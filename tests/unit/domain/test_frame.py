"""Numbers, headers and packing of frames."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tertulia.domain.frame import ATTEMPT_SPAN, Frame, first_number, follows, pack, unpack

frames = st.builds(
    Frame,
    st.integers(0, 2**40),
    st.text(min_size=1, max_size=40),
    st.binary(max_size=300),
    st.none() | st.integers(0, 2**40),
)


@given(st.lists(frames, max_size=8))
def test_unpack_gives_back_what_was_packed(given_frames: list[Frame]) -> None:
    assert unpack(pack(given_frames)) == given_frames


@given(st.lists(frames, min_size=1, max_size=3), st.data())
def test_a_cut_value_is_refused_or_ends_at_a_whole_frame(
    given_frames: list[Frame], data: st.DataObject
) -> None:
    whole = pack(given_frames)
    cut = data.draw(st.integers(0, len(whole) - 1))
    try:
        got = unpack(whole[:cut])
    except ValueError:
        return
    assert got == given_frames[: len(got)]
    assert pack(got) == whole[:cut]


@given(st.integers(1, 1000), st.integers(0, ATTEMPT_SPAN - 1))
def test_a_number_tells_its_attempt(attempt: int, offset: int) -> None:
    assert Frame(first_number(attempt) + offset, "k", b"").attempt == attempt


def test_first_attempt_counts_from_zero() -> None:
    assert [first_number(a) for a in (1, 2, 3)] == [0, 1 << 20, 2 << 20]


@pytest.mark.parametrize(
    ("last", "number", "continues", "expected"),
    [
        (None, 0, None, True),
        (None, 1, None, False),
        (None, ATTEMPT_SPAN, None, True),  # a lost log begun anew by a later attempt
        (4, 5, None, True),
        (4, 6, None, False),
        (4, 4, None, False),
        (4, ATTEMPT_SPAN, 4, True),
        (4, ATTEMPT_SPAN, 3, False),
        (4, ATTEMPT_SPAN, None, False),
        (ATTEMPT_SPAN, ATTEMPT_SPAN + 1, None, True),
    ],
)
def test_what_follows(last: int | None, number: int, continues: int | None, expected: bool) -> None:
    assert follows(last, Frame(number, "k", b"", continues)) is expected


def test_terminal_kinds() -> None:
    kinds = ["response.completed", "response.failed", "response.incomplete", "response.created"]
    assert [Frame(0, k, b"").terminal for k in kinds] == [True, True, True, False]

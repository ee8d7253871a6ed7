"""Derived titles, and ids."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tertulia.domain.conversation import DERIVED_TITLE_CHARS, derived_title
from tertulia.domain.ids import new_id


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("", None),
        (" \n\t\n", None),
        ("Hello there", "Hello there"),
        ("\n\n# A heading\nmore", "A heading"),
        ("two   spaces", "two spaces"),
        ("word " * 30, "word word word word word word word word word word word…"),
        ("x" * 100, "x" * (DERIVED_TITLE_CHARS - 1) + "…"),
    ],
)
def test_derived_title(text: str, title: str | None) -> None:
    assert derived_title(text) == title


@given(st.text())
def test_a_derived_title_is_short(text: str) -> None:
    title = derived_title(text)
    assert title is None or 0 < len(title) <= DERIVED_TITLE_CHARS


def test_ids_sort_by_time_and_differ() -> None:
    ids = [new_id("resp", now_ms=t) for t in (1, 2, 10**12)]
    assert ids == sorted(ids)
    assert new_id("resp") != new_id("resp")
    assert ids[0].startswith("resp_")

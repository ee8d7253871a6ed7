"""Branches and derived titles."""

import itertools
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tertulia.domain.conversation import DERIVED_TITLE_CHARS, derived_title, path, siblings
from tertulia.domain.ids import new_id


@dataclass(frozen=True)
class Twig:
    id: str
    previous_response_id: str | None


@st.composite
def trees(draw: st.DrawFn) -> list[Twig]:
    size = draw(st.integers(0, 12))
    twigs: list[Twig] = []
    for i in range(size):
        parent = draw(st.sampled_from([None, *(t.id for t in twigs)]))
        twigs.append(Twig(f"r{i}", parent))
    return twigs


@given(trees())
def test_a_path_leads_from_the_root_to_the_leaf(tree: list[Twig]) -> None:
    for leaf in tree:
        way = path(tree, leaf.id)
        assert way[0].previous_response_id is None
        assert way[-1] == leaf
        assert all(b.previous_response_id == a.id for a, b in itertools.pairwise(way))


@given(trees())
def test_siblings_share_a_parent_and_partition_the_tree(tree: list[Twig]) -> None:
    for twig in tree:
        group = siblings(tree, twig.id)
        assert twig in group
        assert {t.previous_response_id for t in group} == {twig.previous_response_id}


def test_unknown_leaves_and_cycles_end() -> None:
    ring = [Twig("a", "b"), Twig("b", "a")]
    assert path(ring, "nowhere") == []
    assert path(ring, None) == []
    assert len(path(ring, "a")) == 2
    assert siblings(ring, "nowhere") == []


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

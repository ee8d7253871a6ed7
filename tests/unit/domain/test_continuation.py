"""Dropping what a continued model repeats."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from tertulia.domain.continuation import LEAST, Overlap

words = st.lists(st.sampled_from(["alpha", "beta", "gamma", "delta", "epsilon"]), min_size=1)


def said(prefix: str, pieces: list[str]) -> str:
    overlap = Overlap(prefix)
    return "".join([*(overlap.push(p) for p in pieces), overlap.finish()])


def split(text: str, at: list[int]) -> list[str]:
    cuts = sorted({min(i, len(text)) for i in at} | {0, len(text)})
    return [text[a:b] for a, b in itertools.pairwise(cuts)]


@given(st.text(min_size=LEAST, max_size=300), st.integers(LEAST, 300), st.lists(st.integers(0, 60)))
def test_a_repeated_end_is_dropped_however_it_is_split(
    prefix: str, size: int, cuts: list[int]
) -> None:
    repeated = prefix[-size:]
    # "¶" cannot be in the tail, so that the expected result is beyond doubt.
    fresh = "¶ and on"
    assert said(prefix.replace("¶", "p"), split(repeated.replace("¶", "p") + fresh, cuts)) == fresh


@given(words, st.lists(st.integers(0, 60)))
def test_without_repetition_nothing_is_dropped(fresh: list[str], cuts: list[int]) -> None:
    text = " ".join(fresh)
    assert said("An answer that has nothing in common", split("¶" + text, cuts)) == "¶" + text


@given(st.text(max_size=40), st.text(max_size=40))
def test_nothing_but_a_beginning_is_ever_dropped(prefix: str, text: str) -> None:
    assert text.endswith(said(prefix, [text]))


def test_without_prefix_text_passes_at_once() -> None:
    assert Overlap("").push("x") == "x"


def test_a_short_likeness_is_no_repetition() -> None:
    assert said("I went to the", ["the", " shop"]) == "the shop"


def test_two_whole_words_are_a_repetition_however_short() -> None:
    assert said("as I said: so be", ["so", " be", " it"]) == " it"
    assert said("also be", ["so be", " it"]) == "so be it"
    assert said("as I said: so be", ["so bent"]) == "so bent"


def test_only_repetition() -> None:
    assert said("one two three four", ["three four"]) == ""

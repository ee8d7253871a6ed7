"""The seam for moderation: what streams out is judged before anyone sees it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.turns.house import House, folded

from tertulia.ports.judge import Verdict
from tertulia.turns.moderate import Gate, TermJudge

TERM = "forbidden"


async def passed(pieces: list[str], terms: tuple[str, ...] = (TERM,)) -> tuple[str, str | None]:
    gate = Gate(TermJudge(terms))
    out = [await gate.push(piece) for piece in pieces]
    out.append(await gate.finish())
    return "".join(out), gate.withheld


@pytest.mark.parametrize("cut", range(len("it is forbidden fruit") + 1))
async def test_a_term_split_anywhere_is_caught(cut: int) -> None:
    text = "it is forbidden fruit"
    assert await passed([text[:cut], text[cut:]]) == ("it is ", "term")


async def test_a_term_in_single_characters_is_caught() -> None:
    assert await passed(list("so FORbidden!")) == ("so ", "term")


@given(st.lists(st.sampled_from(["for", "bid", "den", "forb", "x", "f", " "]), max_size=12))
async def test_nothing_of_a_term_is_ever_shown(pieces: list[str]) -> None:
    whole = "".join(pieces)
    shown, withheld = await passed(pieces)
    assert TERM not in shown
    if TERM in whole:
        assert (shown, withheld) == (whole[: whole.index(TERM)], "term")
    else:
        assert (shown, withheld) == (whole, None)


async def test_the_judge_holds_only_what_may_become_a_term() -> None:
    gate = Gate(TermJudge((TERM,)))
    assert await gate.push("all of this") == "all of this"
    assert await gate.push(" forb") == " "
    assert await gate.push("ade") == "forbade"
    assert await gate.finish() == ""


async def test_nothing_leaves_after_a_withholding() -> None:
    gate = Gate(TermJudge((TERM,)))
    assert await gate.push("a forbidden b") == "a "
    assert await gate.push(" more") == ""
    assert await gate.finish() == ""
    assert await gate.push("") == ""


async def test_characters_whose_lower_case_is_longer_keep_their_place() -> None:
    assert await passed(["İİ forbidden"]) == ("İİ ", "term")


async def test_without_terms_everything_passes() -> None:
    assert await passed(["a", "b"], ()) == ("ab", None)


@dataclass
class Reluctant:
    """Passes nothing before the end, and remembers what it was asked."""

    seen: list[str]

    async def judge(self, text: str, *, already_passed: int, final: bool) -> Verdict:
        self.seen.append(text)
        return Verdict(len(text) if final else already_passed)


async def test_an_answer_is_withheld_from_the_term_on(house: House) -> None:
    judged = house.with_(judge=TermJudge((TERM,)))
    worker = judged.work()
    response = await judged.say("split: this is forbidden fruit")
    frames = await judged.read(response.id)
    await worker.stop()
    node = await house.node(response.id)
    assert node.response.status == "incomplete"
    assert node.response.incomplete_reason == "content_filter"
    assert await house.text(response.id) == folded(frames).text == "this is "
    assert all(TERM.encode() not in f.data for f in frames)
    assert all(b'"delta":"f' not in f.data for f in frames)


async def test_a_judge_that_passes_at_the_end_holds_everything_until_then(house: House) -> None:
    judge = Reluctant([])
    judged = house.with_(judge=judge)
    worker = judged.work()
    response = await judged.say("go", model="scripted-20x0")
    frames = await judged.read(response.id)
    await worker.stop()
    deltas = [f for f in frames if f.kind == "response.output_text.delta"]
    assert len(deltas) == 1
    assert len(folded(frames).text.split()) == 20
    assert judge.seen[-1] == folded(frames).text


async def test_reasoning_is_judged_too(house: House) -> None:
    judged = house.with_(judge=TermJudge(("w",)))
    worker = judged.work()
    response = await judged.say("think")
    await judged.end(response.id)
    await worker.stop()
    node = await house.node(response.id)
    assert node.response.incomplete_reason == "content_filter"


async def test_an_answer_taken_over_is_judged_with_what_was_shown(house: House) -> None:
    from tests.turns.test_takeover import left_behind

    response = await house.say("echo: a bidden guest")
    await left_behind(house, response.id, lambda composer: composer.write("a "))
    judge = Reluctant([])
    worker = house.with_(judge=judge).work()
    await house.end(response.id)
    await worker.stop()
    assert all(text.startswith("a ") for text in judge.seen)

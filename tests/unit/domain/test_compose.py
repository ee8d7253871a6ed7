"""Composer and Transcript are inverse: whatever is written is what a reader folds."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tertulia.domain.compose import Composer
from tertulia.domain.event import opening_frames
from tertulia.domain.frame import Frame, first_number
from tertulia.domain.item import FunctionCall, Message, Reasoning
from tertulia.domain.response import Request, Response
from tertulia.domain.transcript import Gap, Transcript

START = Response(
    id="resp_1",
    user_id="user_1",
    request=Request(model="m"),
    status="queued",
    created_at=1.0,
)
OPENING = list(opening_frames(START))


def attempt(number: int) -> Response:
    return Response(
        id="resp_1",
        user_id="user_1",
        request=Request(model="m"),
        status="in_progress",
        created_at=1.0,
        attempt=number,
    )


def folded(frames: list[Frame]) -> Transcript:
    transcript = Transcript()
    transcript.extend(frames)
    return transcript


texts = st.text(min_size=1, max_size=12)
steps = st.lists(
    st.tuples(st.just("text"), texts)
    | st.tuples(st.just("think"), texts)
    | st.tuples(st.just("call"), st.text("abc", max_size=5)),
    max_size=12,
)


def play(composer: Composer, script: list[tuple[str, str]]) -> Iterator[Frame]:
    yield from composer.begin()
    calls = 0
    for kind, text in script:
        if kind == "text":
            yield from composer.write(text)
        elif kind == "think":
            yield from composer.think(text)
        else:
            yield from composer.call(calls, f"call_{calls}", "tool", text)
            calls += 1


@given(steps)
def test_a_reader_folds_what_was_written(script: list[tuple[str, str]]) -> None:
    composer = Composer(attempt(1), OPENING)
    frames = [*OPENING, *play(composer, script), *composer.end("completed")]
    seen = folded(frames)
    assert seen.output() == composer.output
    assert seen.text == "".join(t for k, t in script if k == "text")
    assert [f.sequence_number for f in frames] == list(range(len(frames)))
    assert all(json.loads(f.data)["sequence_number"] == f.sequence_number for f in frames)
    assert all(json.loads(f.data)["type"] == f.kind for f in frames)
    assert seen.open_item is None
    assert composer.next_number == len(frames)


@given(st.lists(texts, min_size=1, max_size=6), st.data())
def test_a_takeover_goes_on_from_any_cut(words: list[str], data: st.DataObject) -> None:
    first = Composer(attempt(1), OPENING)
    frames = [*OPENING, *play(first, [("text", w) for w in words])]
    cut = data.draw(st.integers(2, len(frames)))
    held = frames[:cut]
    before = folded(held).text
    second = Composer(attempt(2), held)
    assert second.prefix == before
    more = [*second.begin(), *second.write("MORE"), *second.end("completed")]
    assert more[0].sequence_number == first_number(2)
    assert more[0].continues == held[-1].sequence_number
    assert all(f.continues is None for f in more[1:])
    seen = folded([*held, *more])
    assert seen.text == before + "MORE"
    assert seen.output() == second.output
    assert len(second.output) == 1


def test_a_second_takeover_before_any_word() -> None:
    first = Composer(attempt(1), OPENING)
    held = [*OPENING, *first.begin(), *first.write("one ")]
    second = Composer(attempt(2), held)
    held += second.begin()
    third = Composer(attempt(3), held)
    held += [*third.begin(), *third.write("two"), *third.end("completed")]
    assert folded(held).text == "one two"


def test_a_lost_log_is_begun_anew_by_a_later_attempt() -> None:
    second = Composer(attempt(2), [])
    frames = [*second.begin(), *second.write("all"), *second.end("completed")]
    assert [f.kind for f in frames[:3]] == [
        "response.created",
        "response.queued",
        "response.in_progress",
    ]
    assert frames[0].sequence_number == first_number(2)
    assert frames[0].continues is None
    assert folded(frames).text == "all"


def test_the_same_attempt_may_reopen_its_log() -> None:
    first = Composer(attempt(1), OPENING)
    assert first.begin()[0].sequence_number == 2


def test_what_can_be_taken_over() -> None:
    def left(*script: tuple[str, str], end: bool = False) -> Composer:
        composer = Composer(attempt(1), OPENING)
        frames = [*OPENING, *play(composer, list(script))]
        if end:
            frames += composer.end("incomplete")
        return Composer(attempt(2), frames)

    assert left().resumable
    assert not left().shown
    assert left(("text", "a")).resumable
    assert left(("text", "a")).shown
    assert not left(("think", "a")).resumable
    assert not left(("call", "a")).resumable
    ended = left(("text", "a"), end=True)
    assert ended.complete
    assert ended.cut_short
    assert not left(("text", "a")).complete


def test_open_reasoning_of_an_earlier_attempt_cannot_go_on() -> None:
    first = Composer(attempt(1), OPENING)
    second = Composer(attempt(2), [*OPENING, *first.begin(), *first.think("hm")])
    second.begin()
    with pytest.raises(ValueError, match="cannot be continued"):
        second.think("more")


def test_open_items_keep_their_text_when_ended_by_another_attempt() -> None:
    first = Composer(attempt(1), OPENING)
    held = [*OPENING, *first.begin(), *first.think("hm")]
    second = Composer(attempt(2), held)
    second.begin()
    second.end("incomplete")
    (item,) = second.output
    assert isinstance(item, Reasoning)
    assert item.content[0].text == "hm"
    assert item.status == "incomplete"

    first = Composer(attempt(1), OPENING)
    held = [*OPENING, *first.begin(), *first.call(0, "call_1", "f", '{"a"')]
    second = Composer(attempt(2), held)
    second.begin()
    second.end("incomplete")
    (item,) = second.output
    assert isinstance(item, FunctionCall)
    assert item.arguments == '{"a"'


def test_a_message_cut_before_its_part_ends_empty() -> None:
    first = Composer(attempt(1), OPENING)
    frames = [*OPENING, *first.begin(), *first.write("x")]
    added = next(i for i, f in enumerate(frames) if f.kind == "response.output_item.added")
    second = Composer(attempt(2), frames[: added + 1])
    more = [*second.begin(), *second.write("y"), *second.end("completed")]
    seen = folded([*frames[: added + 1], *more])
    assert seen.text == "y"
    assert seen.output() == second.output


def test_calls_out_of_order_are_refused() -> None:
    composer = Composer(attempt(1), OPENING)
    composer.begin()
    composer.call(0, "call_0", "f", "{")
    composer.call(1, "call_1", "g", "{")
    with pytest.raises(ValueError, match="next item"):
        composer.call(0, None, None, "}")


def test_a_call_without_id_gets_one() -> None:
    composer = Composer(attempt(1), OPENING)
    composer.call(0, None, None, "")
    (call,) = composer.output
    assert isinstance(call, FunctionCall)
    assert call.call_id.startswith("call_")
    assert call.status == "in_progress"


def test_a_gap_is_told_and_a_repetition_dropped() -> None:
    composer = Composer(attempt(1), OPENING)
    frames = [*OPENING, *composer.begin(), *composer.write("a")]
    seen = folded(frames[:3])
    with pytest.raises(Gap) as gap:
        seen.apply(frames[4])
    assert gap.value.last == 2
    assert seen.apply(frames[1]) is False
    assert seen.apply(frames[3]) is True


def test_output_while_open_is_in_progress() -> None:
    composer = Composer(attempt(1), OPENING)
    composer.write("a")
    (message,) = composer.output
    assert isinstance(message, Message)
    assert message.status == "in_progress"
    assert composer.text == "a"

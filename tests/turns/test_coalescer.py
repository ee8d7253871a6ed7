"""Deltas under load: longer, not more; and when a model is read."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tertulia.ports.model import Finished, ReasoningChunk, TextChunk, ToolCallChunk
from tertulia.turns.append import HELD, SLOW_CHUNKS, SLOW_READS, Coalescer, Key
from tertulia.turns.pace import BEATS, TIMER_RESOLUTION, Pace
from tertulia.turns.pen import joined


async def test_text_waits_for_the_delta_before_it() -> None:
    said: list[str] = []
    spoken = asyncio.Event()
    writing = False

    def emit(_: Key, text: str) -> None:
        said.append(text)
        spoken.set()

    coalescer = Coalescer(emit, pace=Pace(0.001), max_bytes=100, busy=lambda: writing)
    coalescer.add(("text", 0), "One ")
    assert said == ["One "]
    writing = True
    spoken.clear()
    coalescer.add(("text", 0), "two ")
    coalescer.add(("text", 0), "three")
    assert said == ["One "]
    writing = False
    await spoken.wait()
    assert said == ["One ", "two three"]


async def test_it_does_not_wait_with_too_much() -> None:
    said: list[str] = []
    coalescer = Coalescer(
        lambda _, text: said.append(text), pace=Pace(60), max_bytes=4, busy=lambda: True
    )
    for _ in range(HELD):
        assert said == []
        coalescer.add(("text", 0), "word")
    assert said == ["word" * HELD]


async def test_the_end_waits_for_nothing() -> None:
    said: list[str] = []
    coalescer = Coalescer(
        lambda _, text: said.append(text), pace=Pace(60), max_bytes=99, busy=lambda: True
    )
    coalescer.add(("text", 0), "Bye")
    coalescer.flush()
    assert said == ["Bye"]
    coalescer.end()


def _resting(interval: float, *, busy: bool = False) -> Coalescer:
    return Coalescer(lambda *_: None, pace=Pace(interval), max_bytes=99, busy=lambda: busy)


async def test_a_slow_model_is_read_on_the_next_flush() -> None:
    coalescer = _resting(60)
    coalescer.add(("text", 0), "One ")
    rests = [coalescer.rest(1) for _ in range(SLOW_READS)]
    assert rests[:-1] == [None] * (SLOW_READS - 1), "its first words come one by one"
    assert rests[-1] is not None
    assert not rests[-1].done()
    coalescer.end()


async def test_a_fast_model_is_read_as_fast_as_it_can_be() -> None:
    coalescer = _resting(60)
    coalescer.add(("text", 0), "One ")
    for _ in range(SLOW_READS):
        assert coalescer.rest(SLOW_CHUNKS + 1) is None
    coalescer.end()


async def test_what_is_held_back_is_looked_at_on_the_next_beat() -> None:
    coalescer = _resting(0.001, busy=True)
    coalescer.add(("text", 0), "held")
    assert [coalescer.rest(1) for _ in range(SLOW_READS)][-1] is not None
    coalescer.end()


def test_many_answers_are_flushed_less_often_each() -> None:
    pace = Pace(0.03, per_second=1000)
    for _ in range(30):
        pace.enter()
    assert pace.interval == 0.03
    for _ in range(30):
        pace.enter()
    assert pace.interval == pytest.approx(0.06)
    for _ in range(60):
        pace.leave()
    assert pace.interval == 0.03


@pytest.mark.parametrize(("interval", "beats"), [(0.005, 1), (0.03, 3), (0.05, 5), (0.5, BEATS)])
def test_answers_that_fall_into_step_are_spread_again(interval: float, beats: int) -> None:
    pace = Pace(interval)
    places = [pace.enter() for _ in range(BEATS)]
    at = dict.fromkeys(places, 10.0)
    for _ in range(6):
        at = {place: pace.next_flush(now, place) for place, now in at.items()}
    assert len({round(now, 6) for now in at.values()}) == beats


async def test_who_waits_for_one_moment_is_woken_together() -> None:
    pace = Pace()
    loop = asyncio.get_running_loop()
    at = loop.time() + 0.01
    woken: list[str] = []
    early, left, late = pace.moment(at), pace.moment(at), pace.moment(at + 0.005)
    early.add_done_callback(lambda _: woken.append("early"))
    late.add_done_callback(lambda _: woken.append("late"))
    left.cancel()
    again = pace.moment(at)
    await again
    assert early.done()
    assert loop.time() >= at - 2 * TIMER_RESOLUTION
    await late
    assert woken == ["early", "late"]


@given(now=st.floats(0, 1e6), place=st.integers(0, BEATS - 1), streams=st.integers(0, 1000))
def test_the_next_flush_is_about_an_interval_away(now: float, place: int, streams: int) -> None:
    pace = Pace(0.03, per_second=4000)
    for _ in range(streams):
        pace.enter()
    away = pace.next_flush(now, place / BEATS) - now
    assert 0.74 * pace.interval <= away <= pace.interval + 0.0011


def test_what_a_read_brought_of_one_text_is_one() -> None:
    done = Finished("stop")
    call = ToolCallChunk(0, "call_1", "look", "{}")
    one, two, thought = TextChunk("one "), TextChunk("two"), ReasoningChunk("Hm.")
    assert joined([one]) == [one]
    assert joined([one, two, done]) == [TextChunk("one two"), done]
    assert joined([thought, thought, one, two]) == [ReasoningChunk("Hm.Hm."), TextChunk("one two")]
    assert joined([one, two, call, two]) == [one, two, call, two]

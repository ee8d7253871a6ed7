"""Deltas under load: longer, not more; and when a model is read."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tertulia.turns.append import HELD, SLOW_CHUNKS, SLOW_READS, Coalescer, Key
from tertulia.turns.pace import BEATS, Pace


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
    assert rests[:-1] == [0.0] * (SLOW_READS - 1), "its first words come one by one"
    assert 0 < rests[-1] <= 60
    coalescer.end()


async def test_a_fast_model_is_read_as_fast_as_it_can_be() -> None:
    coalescer = _resting(60)
    coalescer.add(("text", 0), "One ")
    for _ in range(SLOW_READS):
        assert coalescer.rest(SLOW_CHUNKS + 1) == 0.0
    coalescer.end()


async def test_what_is_held_back_is_looked_at_on_the_next_beat() -> None:
    coalescer = _resting(0.001, busy=True)
    coalescer.add(("text", 0), "held")
    assert [coalescer.rest(1) > 0 for _ in range(SLOW_READS)][-1]
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


@pytest.mark.parametrize(("interval", "beats"), [(0.005, 1), (0.03, 3), (0.04, 5), (0.5, BEATS)])
def test_answers_that_fall_into_step_are_spread_again(interval: float, beats: int) -> None:
    pace = Pace(interval)
    places = [pace.enter() for _ in range(BEATS)]
    at = dict.fromkeys(places, 10.0)
    for _ in range(6):
        at = {place: pace.next_flush(now, place) for place, now in at.items()}
    assert len({round(now, 6) for now in at.values()}) == beats


@given(now=st.floats(0, 1e6), place=st.integers(0, BEATS - 1), streams=st.integers(0, 1000))
def test_the_next_flush_is_about_an_interval_away(now: float, place: int, streams: int) -> None:
    pace = Pace(0.03, per_second=4000)
    for _ in range(streams):
        pace.enter()
    away = pace.next_flush(now, place / BEATS) - now
    assert 0.74 * pace.interval <= away <= pace.interval + 0.0011

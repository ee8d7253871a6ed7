"""Deltas under load: longer, not more."""

from __future__ import annotations

import asyncio

from tertulia.turns.append import HELD, SLOW_CHUNKS, SLOW_READS, Coalescer, Key


async def test_text_waits_for_the_delta_before_it() -> None:
    said: list[str] = []
    spoken = asyncio.Event()
    writing = False

    def emit(_: Key, text: str) -> None:
        said.append(text)
        spoken.set()

    coalescer = Coalescer(emit, interval=0.001, max_bytes=100, busy=lambda: writing)
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
        lambda _, text: said.append(text), interval=60, max_bytes=4, busy=lambda: True
    )
    for _ in range(HELD):
        assert said == []
        coalescer.add(("text", 0), "word")
    assert said == ["word" * HELD]


async def test_the_end_waits_for_nothing() -> None:
    said: list[str] = []
    coalescer = Coalescer(
        lambda _, text: said.append(text), interval=60, max_bytes=99, busy=lambda: True
    )
    coalescer.add(("text", 0), "Bye")
    coalescer.flush()
    assert said == ["Bye"]
    coalescer.close()


def _resting(interval: float, *, busy: bool = False) -> Coalescer:
    return Coalescer(lambda *_: None, interval=interval, max_bytes=99, busy=lambda: busy)


async def test_a_slow_model_is_read_on_the_next_flush() -> None:
    coalescer = _resting(60)
    coalescer.add(("text", 0), "One ")
    rests = [coalescer.rest(1) for _ in range(SLOW_READS)]
    assert rests[:-1] == [0.0] * (SLOW_READS - 1), "its first words come one by one"
    assert 0 < rests[-1] <= 60
    coalescer.close()


async def test_a_fast_model_is_read_as_fast_as_it_can_be() -> None:
    coalescer = _resting(60)
    coalescer.add(("text", 0), "One ")
    for _ in range(SLOW_READS):
        assert coalescer.rest(SLOW_CHUNKS + 1) == 0.0
    coalescer.close()


async def test_what_is_held_back_is_looked_at_on_the_next_beat() -> None:
    coalescer = _resting(0.001, busy=True)
    coalescer.add(("text", 0), "held")
    assert [coalescer.rest(1) > 0 for _ in range(SLOW_READS)][-1]
    coalescer.close()

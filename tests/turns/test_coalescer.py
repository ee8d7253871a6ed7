"""Deltas under load: longer, not more."""

from __future__ import annotations

import asyncio

from tertulia.turns.append import HELD, Coalescer, Key


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

"""Frames for tests of logs, whose payload tells their number."""

from __future__ import annotations

from tertulia.domain.frame import Frame, first_number

DELTA = "response.output_text.delta"


def run(
    count: int,
    *,
    attempt: int = 1,
    start: int = 0,
    continues: int | None = None,
    text: str = "word",
) -> list[Frame]:
    """``count`` frames of an attempt from its ``start``-th on; the first may continue another."""
    base = first_number(attempt) + start
    return [
        frame(base + i, continues=continues if i == 0 else None, text=text) for i in range(count)
    ]


def frame(number: int, *, continues: int | None = None, text: str = "word") -> Frame:
    data = b'{"sequence_number":%d,"delta":"%b"}' % (number, text.encode())
    return Frame(number, DELTA, data, continues)


def last(number: int, *, continues: int | None = None) -> Frame:
    """A terminal frame."""
    data = b'{"sequence_number":%d,"response":{}}' % number
    return Frame(number, "response.completed", data, continues)


def numbers(frames: list[Frame]) -> list[int]:
    return [f.sequence_number for f in frames]

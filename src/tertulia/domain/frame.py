"""Frames: the entries of a response's log, and their numbers.

A frame is the final JSON bytes of one event with a small header outside the JSON. Within the
first attempt frames count 0, 1, 2…; attempt *a* starts at ``(a − 1) · 2²⁰``, and the header of its
first frame names the number it continues. So a number tells its attempt, and two attempts can
never write the same number.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

import msgspec

ATTEMPT_SPAN = 1 << 20

TERMINAL_EVENTS = frozenset({"response.completed", "response.failed", "response.incomplete"})


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One event of a response, encoded once and never again."""

    sequence_number: int
    #: The event's ``type``.
    kind: str
    #: The event's JSON, UTF-8, `sequence_number` within it.
    data: bytes
    #: Set on the first frame of a later attempt: the number it goes on from.
    continues: int | None = None

    @property
    def terminal(self) -> bool:
        return self.kind in TERMINAL_EVENTS

    @property
    def attempt(self) -> int:
        return self.sequence_number // ATTEMPT_SPAN + 1


def first_number(attempt: int) -> int:
    """The number of an attempt's first frame; attempts count from 1."""
    return (attempt - 1) * ATTEMPT_SPAN


def follows(last: int | None, frame: Frame) -> bool:
    """Whether a reader that holds everything up to ``last`` applies ``frame`` next.

    ``last`` is None for a reader that holds nothing: it starts with frame 0, or with the first
    frame of an attempt that continues nothing.
    """
    if frame.continues is not None:
        return frame.continues == last
    if last is None:
        return frame.sequence_number % ATTEMPT_SPAN == 0
    return frame.sequence_number == last + 1


_HEADER = struct.Struct(">qqHI")  # number, continues (−1: none), length of kind, length of data


def pack(frames: Iterable[Frame]) -> bytes:
    """Many frames as one value, for one write; `unpack` gives them back unchanged."""
    out = bytearray()
    for f in frames:
        kind = f.kind.encode()
        continues = -1 if f.continues is None else f.continues
        out += _HEADER.pack(f.sequence_number, continues, len(kind), len(f.data))
        out += kind
        out += f.data
    return bytes(out)


def unpack(blob: bytes) -> list[Frame]:
    """The inverse of `pack`.

    Raises:
        ValueError: the value was cut or is not one of ours.
    """
    frames, at = [], 0
    while at < len(blob):
        try:
            number, continues, kind_size, size = _HEADER.unpack_from(blob, at)
        except struct.error as error:
            raise ValueError("packed frames end within a header") from error
        at += _HEADER.size
        end = at + kind_size + size
        if end > len(blob):
            raise ValueError("packed frames end within a frame")
        kind = blob[at : at + kind_size].decode()
        frames.append(
            Frame(number, kind, blob[at + kind_size : end], None if continues < 0 else continues)
        )
        at = end
    return frames

"""Vectors as they travel and are kept: the bytes of little-endian float32 numbers."""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Iterable

#: Bytes of one number.
WIDTH = 4


def numbers(vector: bytes) -> array[float]:
    """The numbers of a vector."""
    found = array("f", vector)
    if sys.byteorder == "big":
        found.byteswap()
    return found


def unit(values: Iterable[float]) -> bytes:
    """The vector of length 1 in the direction of ``values``.

    Raises:
        ValueError: they have no direction: none, all zero, or not finite.
    """
    found = array("f", values)
    length = math.hypot(*found)
    if not math.isfinite(length) or length == 0:
        msg = "no direction"
        raise ValueError(msg)
    # What has that length but for rounding is left as it came.
    if abs(length - 1) > 1e-6:
        found = array("f", (value / length for value in found))
    if sys.byteorder == "big":
        found.byteswap()
    return found.tobytes()


def cut(vector: bytes, dimensions: int) -> bytes:
    """Its first ``dimensions`` numbers, of length 1 again."""
    if dimensions * WIDTH >= len(vector):
        return vector
    return unit(numbers(vector)[:dimensions])

from __future__ import annotations

import math
import struct

import pytest

from tertulia.domain.vector import cut, numbers, unit


def length(vector: bytes) -> float:
    return math.hypot(*numbers(vector))


def test_a_vector_is_little_endian_float32_of_length_1() -> None:
    vector = unit([3.0, 0.0, -4.0])
    assert struct.unpack("<3f", vector) == pytest.approx((0.6, 0.0, -0.8))
    assert list(numbers(vector)) == pytest.approx([0.6, 0.0, -0.8])
    assert unit(numbers(vector)) == vector


def test_what_is_cut_has_length_1_again() -> None:
    vector = unit([1.0, 2.0, 3.0, 4.0])
    short = cut(vector, 2)
    assert len(short) == 8
    assert length(short) == pytest.approx(1)
    assert numbers(short)[1] / numbers(short)[0] == pytest.approx(2)
    assert cut(vector, 4) == cut(vector, 9) == vector


@pytest.mark.parametrize("values", [[], [0.0, 0.0], [math.nan, 1.0], [math.inf]])
def test_what_has_no_direction(values: list[float]) -> None:
    with pytest.raises(ValueError, match="no direction"):
        unit(values)

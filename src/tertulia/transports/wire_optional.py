"""Fields that may be left out or null, and what they are then."""

from __future__ import annotations

from typing import Literal, cast

from tertulia.transports.wire_field import Field


def text(field: Field, at_most: int) -> str | None:
    return None if field.missing else field.text(at_most=at_most)


def boolean(field: Field, *, default: bool) -> bool:
    return default if field.missing else field.boolean()


def integer(field: Field, low: int) -> int | None:
    return None if field.missing else field.integer(low, 2**31 - 1)


def number(field: Field, low: float, high: float) -> float | None:
    return None if field.missing else field.number(low, high)


def choice(field: Field, default: str, *others: str) -> str:
    return default if field.missing else field.choice(default, *others)


def verbosity(field: Field) -> Literal["low", "medium", "high"] | None:
    if field.missing:
        return None
    return cast('Literal["low", "medium", "high"]', field.choice("low", "medium", "high"))

"""`Field`: a value of a decoded body that knows its path, so that every error names exactly what
was wrong, as in ``input[2].content[0].text``.

No message here repeats a value: errors may be logged, and a value may be talk.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tertulia.errors import InvalidInput


class Field:
    """A value and its path.

    Absent and null are the same here; who must tell them apart looks into `value` itself.
    """

    __slots__ = ("path", "value")

    def __init__(self, value: Any, path: str = "") -> None:
        self.value = value
        self.path = path

    def get(self, name: str) -> Field:
        """The member ``name`` of an object."""
        return Field(self.object().get(name), f"{self.path}.{name}" if self.path else name)

    def items(self, *, at_most: int | None = None) -> Iterator[Field]:
        """The elements of an array."""
        values = self._typed(list, "an array")
        if at_most is not None and len(values) > at_most:
            raise self.wrong(f"must have at most {at_most} elements", "array_above_max_length")
        for index, value in enumerate(values):
            yield Field(value, f"{self.path}[{index}]")

    @property
    def missing(self) -> bool:
        return self.value is None

    def wrong(self, what: str, code: str = "invalid_value") -> InvalidInput:
        """The error "<path> <what>."."""
        return InvalidInput(
            f"{self.path or 'The body'} {what}.", code=code, param=self.path or None
        )

    def object(self) -> dict[str, Any]:
        found: dict[str, Any] = self._typed(dict, "an object")
        return found

    def text(self, *, at_least: int = 0, at_most: int | None = None) -> str:
        """A string; the limits count characters."""
        found: str = self._typed(str, "a string")
        if len(found) < at_least:
            raise self.wrong(f"must have at least {at_least} characters", "string_below_min_length")
        if at_most is not None and len(found) > at_most:
            raise self.wrong(f"must have at most {at_most} characters", "string_above_max_length")
        return found

    def choice(self, *names: str) -> str:
        """One of ``names``."""
        found = self.text()
        if found not in names:
            raise self.wrong("must be one of " + ", ".join(names))
        return found

    def boolean(self) -> bool:
        found: bool = self._typed(bool, "true or false")
        return found

    def integer(self, low: int, high: int | None = None) -> int:
        if isinstance(self.value, bool):
            raise self.wrong("must be a whole number", "invalid_type")
        found: int = self._typed(int, "a whole number")
        self._within(found, low, high)
        return found

    def number(self, low: float, high: float) -> float:
        if isinstance(self.value, bool):
            raise self.wrong("must be a number", "invalid_type")
        found = self._typed((int, float), "a number")
        self._within(found, low, high)
        return float(found)

    def _within(self, found: float, low: float, high: float | None) -> None:
        if found < low:
            raise self.wrong(f"must be at least {low}", "below_min_value")
        if high is not None and found > high:
            raise self.wrong(f"must be at most {high}", "above_max_value")

    def _typed(self, kind: type | tuple[type, ...], name: str) -> Any:
        if self.value is None:
            raise self.wrong(f"is missing; it must be {name}", "missing_required_parameter")
        if not isinstance(self.value, kind):
            raise self.wrong(f"must be {name}", "invalid_type")
        return self.value

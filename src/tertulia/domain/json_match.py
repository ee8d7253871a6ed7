"""Whether a value satisfies a JSON Schema that `json_schema.check_schema` has passed.

Used where a model was held to a schema (``strict``): its server may not have enforced it. All
assertions of draft 2020-12 are judged but ``pattern``, ``patternProperties`` by their patterns,
``format`` and the ``unevaluated…`` ones: an expression of a stranger's may take for ever. What is
not judged counts as satisfied.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from tertulia.domain.json_schema import resolve

#: Schemas applied to one value at most; what is left then counts as satisfied.
_STEPS = 50_000
_DEPTH = 64

#: Beyond it a float no longer tells whole numbers apart.
_EXACT = 2**53

_encode = msgspec.json.Encoder(order="sorted").encode


def mismatch(value: Any, schema: Any) -> str | None:
    """Where in ``value`` it breaks ``schema``, and by which keyword; None if it does not."""
    return _Matcher(schema).first(value, schema, "#", 0)


class _Matcher:
    def __init__(self, root: Any) -> None:
        self._root = root
        self._steps = 0

    def first(self, value: Any, schema: Any, at: str, depth: int) -> str | None:
        return next(self._all(value, schema, at, depth), None)

    def _fits(self, value: Any, schema: Any, depth: int) -> bool:
        return self.first(value, schema, "", depth + 1) is None

    def _all(self, value: Any, schema: Any, at: str, depth: int) -> Iterator[str]:
        self._steps += 1
        if self._steps > _STEPS or depth > _DEPTH or schema is True:
            return
        if schema is False:
            yield f"{at}: nothing is allowed here"
            return
        if "$ref" in schema:
            yield from self._all(value, resolve(self._root, schema["$ref"]), at, depth + 1)
        yield from _plain(value, schema, at)
        yield from self._combined(value, schema, at, depth)
        if isinstance(value, dict):
            yield from self._object(value, schema, at, depth)
        elif isinstance(value, list):
            yield from self._array(value, schema, at, depth)

    def _combined(
        self, value: Any, schema: Mapping[str, Any], at: str, depth: int
    ) -> Iterator[str]:
        for part in schema.get("allOf", ()):
            yield from self._all(value, part, at, depth + 1)
        if "anyOf" in schema and not any(self._fits(value, s, depth) for s in schema["anyOf"]):
            yield f"{at}: anyOf"
        if "oneOf" in schema and sum(self._fits(value, s, depth) for s in schema["oneOf"]) != 1:
            yield f"{at}: oneOf"
        if "not" in schema and self._fits(value, schema["not"], depth):
            yield f"{at}: not"
        if "if" in schema:
            branch = "then" if self._fits(value, schema["if"], depth) else "else"
            yield from self._all(value, schema.get(branch, True), at, depth + 1)

    def _object(
        self, value: dict[str, Any], schema: Mapping[str, Any], at: str, depth: int
    ) -> Iterator[str]:
        properties = schema.get("properties", {})
        needed = list(schema.get("required", ()))
        for name, others in schema.get("dependentRequired", {}).items():
            needed += others if name in value else ()
        yield from (f"{at}: required" for name in needed if name not in value)
        # With patterns, which are not judged, nobody can say which properties are additional.
        other = True if "patternProperties" in schema else schema.get("additionalProperties", True)
        for name, held in value.items():
            inner = properties.get(name, other)
            where = f"{at}/{name}" if name in properties else f"{at}: additionalProperties"
            yield from self._all(held, inner, where, depth + 1)
            if "propertyNames" in schema:
                yield from self._all(name, schema["propertyNames"], at, depth + 1)
        for name, dependent in schema.get("dependentSchemas", {}).items():
            if name in value:
                yield from self._all(value, dependent, at, depth + 1)

    def _array(
        self, value: list[Any], schema: Mapping[str, Any], at: str, depth: int
    ) -> Iterator[str]:
        first, rest = schema.get("prefixItems", ()), schema.get("items", True)
        for index, held in enumerate(value):
            inner = first[index] if index < len(first) else rest
            yield from self._all(held, inner, f"{at}/{index}", depth + 1)
        if schema.get("uniqueItems") and len({_encode(v) for v in value}) < len(value):
            yield f"{at}: uniqueItems"
        if "contains" in schema:
            held = sum(self._fits(v, schema["contains"], depth) for v in value)
            if not schema.get("minContains", 1) <= held <= schema.get("maxContains", held):
                yield f"{at}: contains"


def _plain(value: Any, schema: Mapping[str, Any], at: str) -> Iterator[str]:
    """The assertions that look at the value alone."""
    if "type" in schema:
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        if not any(_IS[kind](value) for kind in kinds):
            yield f"{at}: type"
    if "const" in schema and not _same(value, schema["const"]):
        yield f"{at}: const"
    if "enum" in schema and not any(_same(value, each) for each in schema["enum"]):
        yield f"{at}: enum"
    if isinstance(value, str | list | dict):
        less, more = _SIZES[type(value)]
        if not schema.get(less, 0) <= len(value) <= schema.get(more, len(value)):
            yield f"{at}: {less} or {more}"
    elif _is_number(value):
        yield from (f"{at}: {name}" for name in _broken_bounds(value, schema))


def _broken_bounds(value: float, schema: Mapping[str, Any]) -> Iterator[str]:
    if "minimum" in schema and value < schema["minimum"]:
        yield "minimum"
    if "maximum" in schema and value > schema["maximum"]:
        yield "maximum"
    if "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"]:
        yield "exclusiveMinimum"
    if "exclusiveMaximum" in schema and value >= schema["exclusiveMaximum"]:
        yield "exclusiveMaximum"
    if "multipleOf" in schema and abs(value) < _EXACT:
        step = schema["multipleOf"]
        rest = abs(math.fmod(value, step))
        # 0.3 is a multiple of 0.1, whatever binary fractions make of it.
        if min(rest, abs(step - rest)) > 1e-9 * max(1.0, abs(value)):
            yield "multipleOf"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return isinstance(value, float) and value.is_integer()


def _same(one: Any, two: Any) -> bool:
    """JSON's equality: 1 is 1.0, but not true."""
    if isinstance(one, bool) or isinstance(two, bool):
        return one is two
    if isinstance(one, list | dict) or isinstance(two, list | dict):
        return type(one) is type(two) and _encode(one) == _encode(two)
    return bool(one == two)


_IS: Mapping[str, Callable[[Any], bool]] = {
    "string": lambda v: isinstance(v, str),
    "number": _is_number,
    "integer": lambda v: (isinstance(v, int) and not isinstance(v, bool)) or _is_whole(v),
    "boolean": lambda v: isinstance(v, bool),
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "null": lambda v: v is None,
}

_SIZES = {
    str: ("minLength", "maxLength"),
    list: ("minItems", "maxItems"),
    dict: ("minProperties", "maxProperties"),
}

"""A value that a JSON schema accepts, always the same one for the same schema.

The scripted model answers with it where a schema is asked or a tool is offered. Understood:
``type`` (also lists), ``const``, ``enum``, ``properties``/``required``/``minProperties``,
``additionalProperties``, ``items``/``prefixItems``/``minItems``/``uniqueItems``, lengths and
``format`` of strings, bounds and ``multipleOf`` of numbers, ``anyOf``/``oneOf``/``allOf``, and
``$ref`` within the document. Not understood: ``pattern``, ``not``, ``if``, ``contains``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

#: Recursive schemas are followed this far before another branch is tried.
_MAX_DEPTH = 24

_FORMATS = {
    "date": "2026-01-{:02d}",
    "date-time": "2026-01-{:02d}T12:00:00Z",
    "time": "12:00:{:02d}Z",
    "duration": "P{}D",
    "email": "someone{}@example.com",
    "hostname": "host{}.example.com",
    "ipv4": "192.0.2.{}",
    "ipv6": "2001:db8::{}",
    "uri": "https://example.com/{}",
    "uuid": "00000000-0000-4000-8000-{:012d}",
}


class UnsatisfiableSchema(ValueError):
    """No value was found: the schema recurses for ever, or contradicts itself."""


def example(schema: Mapping[str, Any]) -> Any:
    """The first value that satisfies ``schema``; ``{}`` gives an object.

    Raises:
        UnsatisfiableSchema: see there.
    """
    if not schema:
        return {"answer": "scripted"}
    try:
        return _Generator(schema).value(schema, 0, 0)
    except (AttributeError, KeyError, TypeError, OverflowError, ZeroDivisionError) as error:
        raise UnsatisfiableSchema("a keyword has a value of a wrong type") from error


class _Generator:
    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root

    def value(self, schema: Any, salt: int, depth: int) -> Any:
        """``salt`` tells the elements of one array apart (``uniqueItems``)."""
        if depth > _MAX_DEPTH:
            raise UnsatisfiableSchema("the schema is nested too deep")
        schema = self._flattened(schema, depth)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return schema["enum"][salt % len(schema["enum"])]
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                return self._first_branch(schema, keyword, salt, depth)
        kind = _type_of(schema)
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return self._array(schema, depth)
        if kind == "string":
            return _string(schema, salt)
        if kind in ("integer", "number"):
            return _number(schema, salt, whole=kind == "integer")
        return None if kind == "null" else salt % 2 == 0

    def _flattened(self, schema: Any, depth: int) -> Mapping[str, Any]:
        """``$ref`` and ``allOf`` replaced by what they say."""
        if schema is True:
            return {}
        if schema is False:
            raise UnsatisfiableSchema("the schema accepts nothing")
        flat: dict[str, Any] = dict(schema.items())
        if "$ref" in flat:
            ref = flat.pop("$ref")
            flat = _merged(self._resolve(ref, depth), flat)
        for part in flat.pop("allOf", ()):
            flat = _merged(flat, self._flattened(part, depth + 1))
        return flat

    def _resolve(self, ref: str, depth: int) -> Mapping[str, Any]:
        if depth > _MAX_DEPTH:
            raise UnsatisfiableSchema("the schema is nested too deep")
        node: Any = self._root
        steps = [s.replace("~1", "/").replace("~0", "~") for s in ref.lstrip("#").split("/") if s]
        for step in steps:
            if not isinstance(node, Mapping) or step not in node:
                raise UnsatisfiableSchema(f"the schema refers to {ref}, which it does not hold")
            node = node[step]
        return self._flattened(node, depth + 1)

    def _first_branch(self, schema: Mapping[str, Any], keyword: str, salt: int, depth: int) -> Any:
        base = {k: v for k, v in schema.items() if k != keyword}
        for branch in schema[keyword]:
            try:
                flat = self._flattened(branch, depth + 1)
                return self.value(_merged(base, flat), salt, depth + 1)
            except UnsatisfiableSchema:
                continue
        raise UnsatisfiableSchema(f"no branch of {keyword} can be satisfied")

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties: Mapping[str, Any] = schema.get("properties", {})
        names = [n for n in properties if n in set(schema.get("required", ()))]
        names += [n for n in schema.get("required", ()) if n not in properties]
        spare = [n for n in properties if n not in names]
        spare += [f"key{i}" for i in range(schema.get("minProperties", 0))]
        names += spare[: max(0, schema.get("minProperties", 0) - len(names))]
        other = schema.get("additionalProperties", True)
        return {n: self.value(properties.get(n, other), 0, depth + 1) for n in names}

    def _array(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        first = schema.get("prefixItems", [])
        rest = schema.get("items", True)
        length = max(schema.get("minItems", 0), 0)
        return [
            self.value(first[i] if i < len(first) else rest, i, depth + 1) for i in range(length)
        ]


def _merged(one: Mapping[str, Any], two: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**one, **two}
    if "properties" in one and "properties" in two:
        merged["properties"] = {**one["properties"], **two["properties"]}
    if "required" in one and "required" in two:
        merged["required"] = [*one["required"], *two["required"]]
    return merged


def _type_of(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = kind[0] if kind else None
    if kind is not None:
        return str(kind)
    if schema.keys() & {"properties", "required", "additionalProperties", "minProperties"}:
        return "object"
    if schema.keys() & {"items", "prefixItems", "minItems"}:
        return "array"
    if schema.keys() & {"minimum", "maximum", "exclusiveMinimum", "multipleOf"}:
        return "number"
    return "string"


def _string(schema: Mapping[str, Any], salt: int) -> str:
    template = _FORMATS.get(schema.get("format", ""))
    if template is not None:
        return template.format(salt + 1)
    text = f"word{salt}".ljust(schema.get("minLength", 0), "x")
    return text[: schema["maxLength"]] if "maxLength" in schema else text


def _number(schema: Mapping[str, Any], salt: int, *, whole: bool) -> int | float:
    step = schema.get("multipleOf", 1)
    low = schema.get("minimum")
    if "exclusiveMinimum" in schema and (low is None or schema["exclusiveMinimum"] >= low):
        low = math.floor(schema["exclusiveMinimum"] / step) * step + step
    high = schema.get("maximum")
    if "exclusiveMaximum" in schema and (high is None or schema["exclusiveMaximum"] <= high):
        high = math.ceil(schema["exclusiveMaximum"] / step) * step - step
    if low is None:
        low = 1 if high is None else min(1, high)
    value = math.ceil(low / step) * step
    if high is not None and value > high and not whole:
        # No multiple of 1 lies between fractional bounds such as 0.2 and 0.8; their middle does.
        edges = [schema.get(k) for k in ("minimum", "exclusiveMinimum")]
        edge = max(e for e in edges if e is not None)
        top = min(schema.get("maximum", math.inf), schema.get("exclusiveMaximum", math.inf))
        return float(edge + top) / 2
    shifted = value + salt * step
    value = shifted if high is None or shifted <= high else value
    return int(value) if whole else float(value)

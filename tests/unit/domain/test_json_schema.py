"""JSON Schemas: what is one, and what satisfies it, against the reference implementation."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from tertulia.domain.json_match import mismatch
from tertulia.domain.json_schema import SchemaError, check_schema

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "friends": {"type": "array", "items": {"$ref": "#"}},
    },
    "required": ["name"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    "schema",
    [
        True,
        {},
        PERSON,
        {"type": ["string", "null"], "pattern": "^[a-z]+$", "x-ours": {"type": "anything"}},
        {"$defs": {"a": {"type": "string"}}, "anyOf": [{"$ref": "#/$defs/a"}, False]},
        {"properties": {"$ref": {"type": "string"}, "enum": {"type": "string"}}},
        {"enum": [{"type": "no schema"}], "const": {"$ref": 5}, "default": {"type": 7}},
        {"pattern": r"^\p{Lu}(?<rest>.*)$"},
        {"pattern": "[[a]"},
    ],
)
def test_schemas(schema: Any) -> None:
    check_schema(schema)


@pytest.mark.parametrize(
    ("schema", "where"),
    [
        (None, "#"),
        ([], "#"),
        ({"type": "strng"}, "#/type"),
        ({"type": []}, "#/type"),
        ({"properties": {"a/b": {"type": "any"}}}, "#/properties/a~1b/type"),
        ({"properties": []}, "#/properties"),
        ({"properties": {"a": None}}, "#/properties/a"),
        ({"items": [{}]}, "#/items"),
        ({"required": True}, "#/required"),
        ({"required": ["a", "a"]}, "#/required"),
        ({"enum": []}, "#/enum"),
        ({"anyOf": []}, "#/anyOf"),
        ({"anyOf": {}}, "#/anyOf"),
        ({"anyOf": [{}, {"minimum": "1"}]}, "#/anyOf/1/minimum"),
        ({"minLength": -1}, "#/minLength"),
        ({"minLength": 1e400}, "#/minLength"),
        ({"minimum": True}, "#/minimum"),
        ({"multipleOf": 0}, "#/multipleOf"),
        ({"pattern": "("}, "#/pattern"),
        ({"pattern": "a" * 1001}, "#/pattern"),
        ({"$ref": 5}, "#/$ref"),
        ({"$ref": "#/nowhere"}, "#/$ref"),
        ({"$ref": "#"}, "#/$ref"),
        ({"$ref": "https://example.org/schema"}, "#/$ref"),
        ({"$ref": "other.json#/a"}, "#/$ref"),
        ({"$ref": "#/const", "const": 5}, "#/$ref"),
        ({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}, "#/$defs/b/$ref"),
    ],
)
def test_what_is_no_schema_is_told_where(schema: Any, where: str) -> None:
    with pytest.raises(SchemaError) as told:
        check_schema(schema)
    assert told.value.where == where


def test_schemas_beyond_the_limits() -> None:
    deep: dict[str, Any] = {}
    for _ in range(40):
        deep = {"items": deep}
    wide: dict[str, Any] = {"properties": {f"p{i}": {} for i in range(5_000)}}
    long: dict[str, Any] = {"enum": list(range(5_001))}
    for schema in (deep, wide, long):
        with pytest.raises(SchemaError):
            check_schema(schema)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"name": "Ann", "friends": [{"name": "Ben"}]}, None),
        ({"name": "Ann", "friends": [{"name": ""}]}, "#/friends/0/name: minLength or maxLength"),
        ({"friends": []}, "#: required"),
        ({"name": "Ann", "age": 5}, "#: additionalProperties: nothing is allowed here"),
        ([], "#: type"),
    ],
)
def test_where_a_value_breaks_a_schema(value: Any, told: str | None) -> None:
    assert mismatch(value, PERSON) == told


@pytest.mark.parametrize("value", [1e300, 10**400, 0.3, float("inf")])
def test_numbers_of_any_size_are_judged(value: float) -> None:
    assert mismatch(value, {"multipleOf": 0.1, "type": "number"}) is None


def test_a_schema_made_to_exhaust_the_judge_does_not() -> None:
    both = [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}]
    schema = {"$defs": {"a": {"anyOf": [{"allOf": both}, {"allOf": both}]}}, "$ref": "#/$defs/a"}
    check_schema(schema)
    assert mismatch(1, schema) is None


# --- against the reference implementation --------------------------------------------------------

_TYPES = ["string", "number", "integer", "boolean", "object", "array", "null"]
_VALUES = [1, 1.5, 0, 3, -1, 2.0, "", "a", "ab", "abc", None, True, False, [], {}]


def _schema(chance: random.Random, depth: int = 0) -> Any:
    if chance.random() < 0.05:
        return chance.choice([True, False])

    def inner() -> Any:
        return _schema(chance, depth + 1)

    plain: dict[str, Callable[[], Any]] = {
        "minimum": lambda: chance.randint(-2, 3),
        "maximum": lambda: chance.randint(-2, 3),
        "exclusiveMinimum": lambda: 1,
        "exclusiveMaximum": lambda: 2,
        "multipleOf": lambda: chance.choice([2, 0.5, 3]),
        "minLength": lambda: 1,
        "maxLength": lambda: 2,
        "enum": lambda: [1, "a", None, True, [1]],
        "const": lambda: chance.choice([1, 1.0, "a", True, {"a": 1}]),
        "minItems": lambda: 1,
        "maxItems": lambda: 2,
        "uniqueItems": lambda: True,
        "required": lambda: chance.choice([["a"], ["b"], ["a", "b"]]),
        "minProperties": lambda: 1,
        "maxProperties": lambda: 1,
        "dependentRequired": lambda: {"a": ["b"]},
    }
    nested: dict[str, Callable[[], Any]] = {
        "items": inner,
        "additionalProperties": inner,
        "contains": inner,
        "propertyNames": inner,
        "not": inner,
        "if": inner,
        "then": inner,
        "else": inner,
        "properties": lambda: {"a": inner(), "b": inner()},
        "dependentSchemas": lambda: {"a": inner()},
        "prefixItems": lambda: [inner()],
        "anyOf": lambda: [inner(), inner()],
        "oneOf": lambda: [inner(), inner()],
        "allOf": lambda: [inner()],
    }
    keywords = plain | (nested if depth < 3 else {})
    schema = {name: make() for name, make in keywords.items() if chance.random() < 0.12}
    if chance.random() < 0.7:
        schema["type"] = chance.choice([*_TYPES, ["string", "null"], ["integer", "array"]])
    if 0 < depth < 3 and chance.random() < 0.05:
        schema["$ref"] = "#/$defs/x"
    if depth == 0:
        schema["$defs"] = {"x": _schema(chance, 3)}
    return schema


def _value(chance: random.Random, depth: int = 0) -> Any:
    def inner() -> Any:
        return _value(chance, depth + 1)

    if depth < 3 and chance.random() < 0.5:
        kinds: list[Callable[[], Any]] = [
            lambda: [inner()],
            lambda: [inner(), inner()],
            lambda: {"a": inner()},
            lambda: {"b": inner(), "a": inner()},
            lambda: {"c": inner()},
        ]
        return chance.choice(kinds)()
    return chance.choice(_VALUES)


def test_it_judges_as_the_reference_implementation_does() -> None:
    chance = random.Random(5)
    judged = {True: 0, False: 0}
    for _ in range(1_000):
        schema = _schema(chance)
        check_schema(schema)
        reference = Draft202012Validator(schema)
        for _ in range(6):
            value = _value(chance)
            expected = reference.is_valid(value)
            assert (mismatch(value, schema) is None) is expected, (schema, value)
            judged[expected] += 1
    assert min(judged.values()) > 500

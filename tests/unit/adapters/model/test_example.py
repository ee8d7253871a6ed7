"""Values made from JSON schemas."""

from __future__ import annotations

from typing import Any

import pytest

from tertulia.adapters.model.example import UnsatisfiableSchema, example

NODE = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {"next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
            "required": ["next"],
        }
    }
}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({}, {"answer": "scripted"}),
        ({"const": {"a": 1}}, {"a": 1}),
        ({"enum": ["x", "y"]}, "x"),
        ({"type": "string"}, "word0"),
        ({"type": "string", "minLength": 8}, "word0xxx"),
        ({"type": "string", "maxLength": 2}, "wo"),
        ({"type": "string", "format": "date"}, "2026-01-01"),
        ({"type": "string", "format": "uuid"}, "00000000-0000-4000-8000-000000000001"),
        ({"type": "integer"}, 1),
        ({"type": "integer", "minimum": 7}, 7),
        ({"type": "integer", "exclusiveMinimum": 7}, 8),
        ({"type": "integer", "maximum": -3}, -3),
        ({"type": "integer", "exclusiveMaximum": 0}, -1),
        ({"type": "integer", "minimum": 7, "multipleOf": 5}, 10),
        ({"type": "number"}, 1.0),
        ({"type": "number", "minimum": 0.2, "maximum": 0.8}, 0.5),
        ({"type": "boolean"}, True),
        ({"type": "null"}, None),
        ({"type": ["null", "string"]}, None),
        ({"type": "object", "properties": {"a": {"type": "string"}}}, {}),
        ({"properties": {"a": {"type": "null"}, "b": {}}, "required": ["a"]}, {"a": None}),
        ({"required": ["z"]}, {"z": "word0"}),
        ({"type": "object", "minProperties": 1}, {"key0": "word0"}),
        ({"type": "array", "items": {"type": "string"}}, []),
        ({"items": {"type": "string"}, "minItems": 2, "uniqueItems": True}, ["word0", "word1"]),
        ({"type": "array", "prefixItems": [{"const": 5}], "minItems": 2}, [5, "word1"]),
        ({"anyOf": [False, {"type": "integer"}]}, 1),
        ({"oneOf": [{"type": "null"}, {"type": "integer"}]}, None),
        ({"allOf": [{"properties": {"a": {"const": 1}}, "required": ["a"]},
                    {"properties": {"b": {"const": 2}}, "required": ["b"]}]}, {"a": 1, "b": 2}),
        ({"$defs": {"a/b": {"const": 3}}, "$ref": "#/$defs/a~1b"}, 3),
        ({"type": "array", "items": {"enum": [1, 2]}, "minItems": 3}, [1, 2, 1]),
        ({"type": "array", "items": {"type": "integer", "maximum": 1}, "minItems": 2}, [1, 1]),
    ],
)  # fmt: skip
def test_the_first_value_that_fits(schema: dict[str, Any], value: Any) -> None:
    made = example(schema)
    assert made == value
    assert type(made) is type(value)


def test_a_recursive_schema_ends_where_it_can() -> None:
    node = example({**NODE, "$ref": "#/$defs/node"})
    while node["next"] is not None:
        node = node["next"]


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "#/$defs/missing"},
        {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
        {"anyOf": [False, False]},
        {"allOf": [{"$ref": "#"}]},
        {"properties": 7, "required": ["a"]},
        {"type": "string", "minLength": "x"},
        {"type": "integer", "multipleOf": 0},
        {"$ref": 7},
        {"allOf": [7]},
    ],
)
def test_what_cannot_be_satisfied_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(UnsatisfiableSchema):
        example(schema)

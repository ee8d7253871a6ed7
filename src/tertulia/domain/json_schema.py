"""Whether a JSON Schema is one: checked when a client sends it, before any model sees it.

Source: JSON Schema draft 2020-12, https://json-schema.org/draft/2020-12. Looked at are the types
of the keywords, that every ``$ref`` leads to a schema within the same document, and sizes; unknown
keywords are annotations, as the draft says. Limits keep one request from occupying a model's
grammar or the validator for seconds.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

#: Schemas within schemas; schemas in all; values of all ``enum`` together.
MAX_DEPTH, MAX_SCHEMAS, MAX_ENUM = 32, 5_000, 5_000

#: Characters of a regular expression.
_MAX_PATTERN = 1_000

TYPES = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})

Schema = Mapping[str, Any] | bool


class SchemaError(ValueError):
    """``where`` is a JSON pointer into the schema, ``what`` says what is wrong there."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"{where} {what}")
        self.where = where
        self.what = what


def check_schema(schema: Any) -> int:
    """How many schemas ``schema`` holds, itself counted.

    Raises:
        SchemaError: it is no JSON Schema, or one beyond the limits.
    """
    schemas = enum = 0
    for where, each in subschemas(schema):
        schemas += 1
        if schemas > MAX_SCHEMAS:
            raise SchemaError("#", f"holds more than {MAX_SCHEMAS} schemas")
        if isinstance(each, bool):
            continue
        if not isinstance(each, Mapping):
            raise SchemaError(where, "must be an object or a boolean")
        for name, value in each.items():
            rule = _KEYWORDS.get(name)
            if rule is not None and not rule[0](value):
                raise SchemaError(f"{where}/{_step(name)}", rule[1])
        enum += len(each.get("enum", ()))
        if enum > MAX_ENUM:
            raise SchemaError("#", f"holds more than {MAX_ENUM} values of enum")
        if "$ref" in each:
            _check_ref(schema, each, where)
    return schemas


def subschemas(schema: Any) -> Iterator[tuple[str, Any]]:
    """``schema`` and all schemas in it, each with its JSON pointer.

    Raises:
        SchemaError: nested too deep, or no object where schemas are held by name.
    """
    waiting = [("#", schema, 0)]
    while waiting:
        where, each, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise SchemaError(where, f"is nested deeper than {MAX_DEPTH} schemas")
        yield where, each
        if isinstance(each, Mapping):
            waiting += [(f"{where}/{at}", inner, depth + 1) for at, inner in _inner(each, where)]


def resolve(root: Any, ref: str) -> Any:
    """What ``ref`` (``#`` or ``#/…``) names in ``root``. Raises KeyError."""
    node = root
    for step in ref[2:].split("/") if len(ref) > 1 else ():
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(node, list) and name.isdecimal() and int(name) < len(node):
            node = node[int(name)]
        elif isinstance(node, Mapping) and name in node:
            node = node[name]
        else:
            raise KeyError(ref)
    return node


def _check_ref(root: Any, schema: Mapping[str, Any], where: str) -> None:
    """A reference must lead to a schema, and not around in a circle of nothing but references."""
    steps = 0
    each: Any = schema
    while isinstance(each, Mapping) and "$ref" in each:
        ref = each["$ref"]
        if not isinstance(ref, str) or not (ref == "#" or ref.startswith("#/")):
            raise SchemaError(
                f"{where}/$ref", "must be # or begin with #/: only this document is looked at"
            )
        if steps == MAX_DEPTH:
            raise SchemaError(f"{where}/$ref", "leads to references only, or back to itself")
        steps += 1
        try:
            each = resolve(root, ref)
        except KeyError:
            raise SchemaError(f"{where}/$ref", "leads to nothing in this document") from None
    if not isinstance(each, Mapping | bool):
        raise SchemaError(f"{where}/$ref", "leads to what is no schema")


def _inner(schema: Mapping[str, Any], where: str) -> Iterator[tuple[str, Any]]:
    for name in _ONE & schema.keys():
        yield name, schema[name]
    for name in _MANY & schema.keys():
        if isinstance(schema[name], list):
            yield from ((f"{name}/{i}", each) for i, each in enumerate(schema[name]))
    for name in _NAMED & schema.keys():
        if not isinstance(schema[name], Mapping):
            raise SchemaError(f"{where}/{name}", "must be an object of schemas")
        yield from ((f"{name}/{_step(key)}", each) for key, each in schema[name].items())


def _step(name: str) -> str:
    """A name as a pointer writes it, cut where somebody named a thing by a novel."""
    return name.replace("~", "~0").replace("/", "~1")[:64]


# --- the types of the keywords -------------------------------------------------------------------

_ONE = {
    "additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then",
    "unevaluatedItems", "unevaluatedProperties",
}  # fmt: skip
_MANY = {"allOf", "anyOf", "oneOf", "prefixItems"}
_NAMED = {"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"}

_Rule = tuple[Callable[[Any], bool], str]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return _is_number(value) and 0 <= value < 2**53 and value == int(value)


def _is_names(value: Any) -> bool:
    return (
        isinstance(value, list)
        and all(isinstance(v, str) for v in value)
        and len(set(value)) == len(value)
    )


def _is_type(value: Any) -> bool:
    if isinstance(value, str):
        return value in TYPES
    return bool(value) and _is_names(value) and TYPES.issuperset(value)


def _is_pattern(value: Any) -> bool:
    if not isinstance(value, str) or len(value) > _MAX_PATTERN:
        return False
    try:
        with warnings.catch_warnings(action="ignore"):
            re.compile(value)
    except (re.error, OverflowError, RecursionError):
        # What only JavaScript's expressions know is left to the model's server.
        return bool(re.search(r"\\[pPkcu]|\(\?<", value))
    return True


_NUMBER: _Rule = (_is_number, "must be a number")
_COUNT: _Rule = (_is_count, "must be a whole number from 0 on")
_STRING: _Rule = (lambda v: isinstance(v, str), "must be a string")
_SCHEMAS: _Rule = (lambda v: isinstance(v, list) and bool(v), "must be an array, not empty")

_KEYWORDS: Mapping[str, _Rule] = {
    "type": (_is_type, "must be one of " + ", ".join(sorted(TYPES)) + ", or a list of these"),
    "enum": (lambda v: isinstance(v, list) and bool(v), "must be an array that is not empty"),
    "required": (_is_names, "must be an array of different strings"),
    "pattern": (_is_pattern, "must be a regular expression"),
    "multipleOf": (lambda v: _is_number(v) and v > 0, "must be a number above 0"),
    "uniqueItems": (lambda v: isinstance(v, bool), "must be true or false"),
    "dependentRequired": (
        lambda v: isinstance(v, Mapping) and all(_is_names(names) for names in v.values()),
        "must be an object of arrays of strings",
    ),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _NUMBER),
    **dict.fromkeys(
        (
            "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties",
            "minContains", "maxContains",
        ),
        _COUNT,
    ),
    **dict.fromkeys(("$id", "$schema", "format"), _STRING),
    **dict.fromkeys(_MANY, _SCHEMAS),
}  # fmt: skip

"""Words for writing JSON schemas by hand, where no type of ours could give them."""

from __future__ import annotations

from typing import Any

from pydantic import WithJsonSchema

Schema = dict[str, Any]

PREFIX = "#/components/schemas/"

#: Pydantic resolves every ``$ref`` itself, so that it must not see ours; the finished document
#: holds a ``$ref`` instead.
LATE_REF = "x-ref"

STRING: Schema = {"type": "string"}
NULL: Schema = {"type": "null"}
BOOLEAN: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
OBJECT: Schema = {"type": "object"}
NULLABLE_STRING: Schema = {"type": ["string", "null"]}


def ref(name: str) -> Schema:
    """A named schema of the document's components."""
    return {"$ref": PREFIX + name}


def typed_as(name: str) -> WithJsonSchema:
    """For a field of a pydantic model: it holds what that component says."""
    return WithJsonSchema({LATE_REF: name})


def shape(*required: str, **properties: Schema) -> Schema:
    """An object; no name: all properties are required."""
    names = list(required) or list(properties)
    return {"type": "object", "properties": properties, "required": names}


def optional(**properties: Schema) -> Schema:
    """An object of which nothing is required."""
    return {"type": "object", "properties": properties}


def array(of: Schema, **more: Any) -> Schema:
    return {"type": "array", "items": of, **more}


def any_of(*schemas: Schema) -> Schema:
    return {"anyOf": list(schemas)}


def nullable(schema: Schema) -> Schema:
    return {"anyOf": [schema, NULL]}


def one_of(*values: str | None, **more: Any) -> Schema:
    return {"enum": list(values), **more}


def const(value: Any) -> Schema:
    return {"const": value}


def said(schema: Schema, description: str) -> Schema:
    """The same with a description; beside a ``$ref`` JSON Schema 2020-12 allows one."""
    return {**schema, "description": description}


def tagged(tag: str, *required: str, **properties: Schema) -> Schema:
    """An object whose ``type`` is ``tag``; of the other properties only those are required."""
    return shape("type", *required, type=const(tag), **properties)

"""The OpenAPI document says what the code does, where nothing derives one from the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tertulia import bootstrap
from tertulia.domain.response import Request, Response, Usage, resource
from tertulia.reference_http import words


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return bootstrap.openapi()


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def test_every_reference_leads_to_a_component(document: dict[str, Any]) -> None:
    there = {
        f"#/components/{kind}/{name}"
        for kind, named in document["components"].items()
        for name in named
    }
    assert set(references(document)) <= there


def test_every_component_is_referred_to(document: dict[str, Any]) -> None:
    there = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert there - set(references(document)) == set()


def test_the_resource_has_the_fields_that_it_is_said_to_have(document: dict[str, Any]) -> None:
    response = Response(
        id="resp_1",
        user_id="user_1",
        request=Request(model="m"),
        status="completed",
        created_at=0.0,
        usage=Usage(),
    )
    schemas = document["components"]["schemas"]
    shown = resource(response)
    assert set(schemas["Response"]["properties"]) == set(shown)
    assert set(schemas["ResponseUsage"]["properties"]) == set(shown["usage"])


def test_the_sockets_are_told_of(document: dict[str, Any]) -> None:
    sockets = {
        path: operation["x-websocket"]
        for path, operations in document["paths"].items()
        for operation in operations.values()
        if "x-websocket" in operation
    }
    assert set(sockets) == {"/v1/responses", "/v1/feed"}
    assert all(socket["close_codes"] for socket in sockets.values())


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"$ref": "#/components/schemas/Item"}, "[Item](#item)"),
        ({"type": ["integer", "null"], "minimum": 1}, "whole number from 1 or null"),
        ({"type": "number", "minimum": 0, "maximum": 2}, "number 0 to 2"),
        ({"type": "integer"}, "whole number"),
        ({"enum": ["a", None]}, "`a`, `null`"),
        ({"const": True}, "`true`"),
        ({"type": "array", "items": {"type": "string"}}, "list of text"),
        ({"type": "string", "maxLength": 9}, "text (at most 9 characters)"),
        ({"allOf": [{"type": "object"}, {"type": "null"}]}, "object and null"),
        ({}, "any"),
    ],
)
def test_what_a_value_may_be_in_words(schema: dict[str, Any], said: str) -> None:
    assert words(schema) == said

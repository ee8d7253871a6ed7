"""The reference of the HTTP API, made from the OpenAPI document."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

INTRO = """\
The server describes its own API as OpenAPI at `/openapi.json`, which is committed as
[openapi.json](openapi.json); this page is made from that document. Shapes are those of Open
Responses and OpenAI; errors are OpenAI's `{"error": {"message", "type", "code", "param"}}` with a
request id in `x-request-id`.

Any call may also answer 421 (a host that is not ours), 422 (a parameter of the wrong form), 429,
500 and 503; 429 and 503 carry `Retry-After`. Calls that answer 401 need `Authorization: Bearer`
with an access token or an API key. What streams send is on
[the page of events](events.md).
"""

#: Answers that say nothing about one call.
EVERYWHERE = {"421", "422", "429", "500", "503"}

_REF = "#/components/schemas/"
#: Told on the page of events.
_EVENTS = ("Event", "Entry", "Command", "Message", "Stream", "SocketCreate", "SocketError")
_OBJECTS = {"Message"}

_FIELDS = "\n| field | type | meaning |\n|---|---|---|\n"

Schema = dict[str, Any]


def page(document: dict[str, Any]) -> Iterator[str]:
    """Its lines, or a few of them at once."""
    yield INTRO
    groups: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            group = (operation.get("tags") or ["other"])[0]
            groups.setdefault(group, []).append((f"{method.upper()} {path}", operation))
    says = {tag["name"]: tag["description"] for tag in document.get("tags", ())}
    for group in sorted(groups, key=str.casefold):
        yield f"\n## {group.capitalize()}\n"
        if group in says:
            yield f"\n{says[group]}\n"
        for call, operation in groups[group]:
            yield from _operation(call, operation)
    yield "\n## Shapes\n\nA field is always there unless it says *optional*.\n"
    for name, schema in sorted(document["components"]["schemas"].items()):
        if name in _OBJECTS or not name.endswith(_EVENTS):
            yield from _shape(name, schema)


def _operation(call: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"\n### `{call}`\n\n{operation.get('description') or operation['summary']}\n"
    if parameters := operation.get("parameters"):
        yield "\n| parameter | in | type | meaning |\n|---|---|---|---|\n"
        for one in parameters:
            needed = "" if one.get("required") else " *optional*"
            yield (
                f"| `{one['name']}`{needed} | {one['in']} | {words(one['schema'])} "
                f"| {_line(one.get('description', ''))} |\n"
            )
    answers = operation["responses"]
    for kind, media in operation.get("requestBody", {}).get("content", {}).items():
        form = "" if kind == "application/json" else f", as `{kind}`"
        yield f"\nBody: {words(media['schema'])}{form}.\n"
    kinds = [
        words(media["schema"]) if kind == "application/json" else f"`{kind}`"
        for status, answer in answers.items()
        if status.startswith("2")
        for kind, media in answer.get("content", {}).items()
    ]
    statuses = sorted(set(answers) - EVERYWHERE)
    yield f"\nAnswers: {', '.join(statuses)}"
    yield f", with {' or '.join(kinds)}.\n" if kinds else ", without a body.\n"


def _shape(name: str, schema: Schema) -> Iterator[str]:
    yield f"\n### {name}\n"
    if "description" in schema:
        yield f"\n{schema['description']}\n"
    if "properties" not in schema:
        yield f"\n{words(schema)}.\n"
        for one in schema.get("anyOf", ()):
            if "properties" in one:
                yield _FIELDS
                yield from _fields(one)
        return
    yield _FIELDS
    yield from _fields(schema)


def _fields(schema: Schema, prefix: str = "") -> Iterator[str]:
    for name, field in schema["properties"].items():
        needed = "" if name in schema.get("required", ()) else " *optional*"
        said = _line(field.get("description", ""))
        yield f"| `{prefix}{name}`{needed} | {words(field)} | {said} |\n"
        for one in field.get("anyOf", [field]):
            if "properties" in one:
                yield from _fields(one, f"{prefix}{name}.")
            elif "properties" in one.get("items", {}):
                yield from _fields(one["items"], f"{prefix}{name}[].")


def words(schema: Schema) -> str:
    """What a value may be, in words."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_REF)
        return f"[{name}](#{name.lower()})"
    for how, between in (("anyOf", " or "), ("allOf", " and ")):
        if how in schema:
            return between.join(dict.fromkeys(map(words, schema[how])))
    if "const" in schema:
        return _code(schema["const"])
    if "enum" in schema:
        return ", ".join(map(_code, schema["enum"]))
    kinds = schema.get("type", "any")
    if isinstance(kinds, list):
        return " or ".join(words({**schema, "type": kind}) for kind in kinds)
    if kinds == "array":
        return f"list of {words(schema.get('items', {}))}{_size(schema, 'Items')}"
    if kinds == "object":
        return f"object{_size(schema, 'Properties')}"
    if kinds == "string":
        return f"text{_size(schema, 'Length', ' characters')}"
    name = "whole number" if kinds == "integer" else str(kinds)
    return name + _range(schema, kinds)


def _range(schema: Schema, kind: str) -> str:
    if kind not in ("integer", "number"):
        return ""
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is None and high is None:
        return ""
    if high is None or high >= 2**31 - 1:
        return f" from {low}"
    return f" {low} to {high}"


def _size(schema: Schema, what: str, unit: str = "") -> str:
    most = schema.get(f"max{what}")
    return "" if most is None else f" (at most {most}{unit})"


def _code(value: Any) -> str:
    return f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value)}`"


def _line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")

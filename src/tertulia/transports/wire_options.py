"""The structured options of a request: tools, tool choice, text format, reasoning, metadata.

Each is checked and completed to the form in which the standard's resource shows it, so that what
was asked is what is stored, sent to the model and echoed.
"""

from __future__ import annotations

from typing import Any

from tertulia.domain.json_schema import MAX_SCHEMAS, SchemaError, check_schema
from tertulia.transports.wire_field import Field
from tertulia.transports.wire_items import function_name

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")


def parse_tools(field: Field) -> tuple[dict[str, Any], ...]:
    """The field ``tools``: functions, each named once."""
    if field.missing:
        return ()
    tools, names, schemas = [], set(), 0
    for each in field.items(at_most=128):
        kind = each.get("type")
        if kind.text() != "function":
            raise kind.wrong("must be function: no other tools are supported", "unsupported_value")
        name = function_name(each.get("name"))
        if name in names:
            raise each.get("name").wrong("names a function a second time")
        names.add(name)
        description, parameters, strict = (
            each.get(n) for n in ("description", "parameters", "strict")
        )
        if not parameters.missing:
            schemas += _check_parameters(parameters)
        if schemas > MAX_SCHEMAS:
            raise field.wrong(f"must not hold more than {MAX_SCHEMAS} schemas in all")
        tools.append(
            {
                "type": "function",
                "name": name,
                "description": None if description.missing else description.text(),
                "parameters": None if parameters.missing else parameters.object(),
                "strict": None if strict.missing else strict.boolean(),
            }
        )
    return tuple(tools)


def _check_parameters(field: Field) -> int:
    """Parameters are an object, for arguments are; ``{}`` says so too."""
    count = check_json_schema(field, "invalid_function_parameters")
    if field.object().get("type", "object") != "object":
        raise field.wrong("must be a schema of type object", "invalid_function_parameters")
    return count


def check_json_schema(field: Field, code: str) -> int:
    """How many schemas a field's JSON Schema holds.

    Raises:
        InvalidInput: with ``code``, it is no JSON Schema, or one beyond the limits.
    """
    try:
        return check_schema(field.object())
    except SchemaError as error:
        raise field.wrong(f"is no JSON Schema that is taken: {error}", code) from error


def parse_tool_choice(field: Field, tools: tuple[dict[str, Any], ...]) -> str | dict[str, Any]:
    """The field ``tool_choice``: a mode, one function, or a set of allowed ones."""
    if field.missing:
        return "auto"
    names = {tool["name"] for tool in tools}
    if isinstance(field.value, str):
        mode = field.choice("auto", "none", "required")
        if mode == "required" and not names:
            raise field.wrong("is required, yet there are no tools")
        return mode
    if not isinstance(field.value, dict):
        raise field.wrong("must be a string or an object", "invalid_type")
    if field.get("type").choice("function", "allowed_tools") == "function":
        return {"type": "function", "name": _offered(field.get("name"), names)}
    how = field.get("mode")
    allowed = []
    for each in field.get("tools").items(at_most=128):
        each.get("type").choice("function")
        allowed.append({"type": "function", "name": _offered(each.get("name"), names)})
    if not allowed:
        raise field.get("tools").wrong("must name at least one function")
    return {
        "type": "allowed_tools",
        "tools": allowed,
        "mode": "auto" if how.missing else how.choice("auto", "none", "required"),
    }


def _offered(field: Field, names: set[str]) -> str:
    name = field.text()
    if name not in names:
        raise field.wrong("names a function that is not among the tools")
    return name


def parse_text_format(field: Field) -> dict[str, Any]:
    """The field ``text.format``."""
    if field.missing:
        return {"type": "text"}
    kind = field.get("type").choice("text", "json_object", "json_schema")
    if kind != "json_schema":
        return {"type": kind}
    description, strict = field.get("description"), field.get("strict")
    check_json_schema(field.get("schema"), "invalid_json_schema")
    return {
        "type": kind,
        "name": function_name(field.get("name")),
        "description": None if description.missing else description.text(),
        "schema": field.get("schema").object(),
        "strict": False if strict.missing else strict.boolean(),
    }


def parse_reasoning(field: Field) -> dict[str, Any] | None:
    """The field ``reasoning``."""
    if field.missing:
        return None
    effort, summary = field.get("effort"), field.get("summary")
    return {
        "effort": None if effort.missing else effort.choice(*EFFORTS),
        "summary": None if summary.missing else summary.choice("concise", "detailed", "auto"),
    }


def parse_metadata(field: Field) -> dict[str, str]:
    """The field ``metadata``: up to 16 pairs, keys of 64 and values of 512 characters."""
    if field.missing:
        return {}
    pairs = field.object()
    if len(pairs) > 16:
        raise field.wrong("must have at most 16 pairs", "object_above_max_properties")
    for key, value in pairs.items():
        # The path names no key: metadata is as private as what was said.
        if not isinstance(value, str):
            raise field.wrong("has a value that is not a string", "invalid_type")
        if len(key) > 64:
            raise field.wrong("has a key of more than 64 characters", "string_above_max_length")
        if len(value) > 512:
            raise field.wrong("has a value of more than 512 characters", "string_above_max_length")
    return dict(pairs)

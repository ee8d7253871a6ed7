"""What the OpenAPI document says of ``/v1/responses``: requests are parsed by hand, so that every
error names its path, and answers are the log's bytes, so nothing of it can be derived.

The full schemas are the standard's; here is what a reader of our document needs to call us.
"""

from __future__ import annotations

from typing import Any

_STRING = {"type": "string"}
_NULLABLE_STRING = {"type": ["string", "null"]}
_OBJECT = {"type": "object"}

_ITEM = {
    "type": "object",
    "description": "An item of Open Responses: a `message` (its `type` may be left out), "
    "`function_call`, `function_call_output` or `reasoning`; or an `item_reference`, the `id` of "
    "an item that is stored. Images are data URLs, or the `file_id` of an upload.",
    "properties": {"type": _STRING, "role": _STRING, "content": {}},
}

_CREATE_BODY = {
    "type": "object",
    "properties": {
        "model": {**_NULLABLE_STRING, "description": "Left out, the server's default."},
        "input": {
            "description": "A user's message as text, or items.",
            "anyOf": [_STRING, {"type": "array", "items": _ITEM}, {"type": "null"}],
        },
        "instructions": _NULLABLE_STRING,
        "conversation": {
            "description": "The conversation to go on with.",
            "anyOf": [
                _STRING,
                {"type": "object", "properties": {"id": _STRING}, "required": ["id"]},
                {"type": "null"},
            ],
        },
        "previous_response_id": {
            **_NULLABLE_STRING,
            "description": "The response to go on from. With `conversation`: left out, its head; "
            "null, a new beginning.",
        },
        "regenerate_of": {
            **_NULLABLE_STRING,
            "description": "Answer that response's input once more, beside it.",
        },
        "stream": {"type": "boolean", "default": False},
        "background": {"type": "boolean", "default": False},
        "store": {"type": "boolean", "default": True},
        "tools": {"type": "array", "items": _OBJECT, "maxItems": 128},
        "tool_choice": {"anyOf": [_STRING, _OBJECT]},
        "parallel_tool_calls": {"type": "boolean", "default": True},
        "text": _OBJECT,
        "reasoning": _OBJECT,
        "temperature": {"type": ["number", "null"], "minimum": 0, "maximum": 2},
        "top_p": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
        "presence_penalty": {"type": ["number", "null"], "minimum": -2, "maximum": 2},
        "frequency_penalty": {"type": ["number", "null"], "minimum": -2, "maximum": 2},
        "top_logprobs": {"type": ["integer", "null"], "minimum": 0, "maximum": 20},
        "max_output_tokens": {"type": ["integer", "null"], "minimum": 1},
        "max_tool_calls": {"type": ["integer", "null"], "minimum": 1},
        "truncation": {"enum": ["auto", "disabled"], "default": "disabled"},
        "service_tier": {"enum": ["auto", "default", "flex", "priority"], "default": "default"},
        "metadata": {
            "type": ["object", "null"],
            "maxProperties": 16,
            "additionalProperties": {"type": "string", "maxLength": 512},
        },
        "safety_identifier": {**_NULLABLE_STRING, "maxLength": 64},
        "prompt_cache_key": {**_NULLABLE_STRING, "maxLength": 64},
    },
}

_RESOURCE = {
    "type": "object",
    "description": "The response resource of Open Responses, with `conversation`.",
    "properties": {
        "id": _STRING,
        "object": {"const": "response"},
        "status": {
            "enum": ["queued", "in_progress", "completed", "failed", "cancelled", "incomplete"]
        },
        "model": _STRING,
        "output": {"type": "array", "items": _ITEM},
        "previous_response_id": _NULLABLE_STRING,
        "conversation": {"anyOf": [_OBJECT, {"type": "null"}]},
        "usage": {"anyOf": [_OBJECT, {"type": "null"}]},
        "error": {"anyOf": [_OBJECT, {"type": "null"}]},
    },
    "required": ["id", "object", "status", "model", "output"],
}


def _parameter(place: str, name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"in": place, "name": name, "schema": schema, "description": description}


def _answer(schema: dict[str, Any], *, stream: bool = False) -> dict[str, Any]:
    content: dict[str, Any] = {"application/json": {"schema": schema}}
    if stream:
        content["text/event-stream"] = {
            "schema": {"type": "string", "description": "The events of Open Responses."}
        }
    return {"responses": {"200": {"description": "Done.", "content": content}}}


_OURS = _parameter(
    "header", "Tertulia-Events", {"const": "1"}, "Also send the events of Tertulia's own."
)

CREATE = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": _CREATE_BODY}}},
    "parameters": [
        _parameter(
            "header",
            "Idempotency-Key",
            {"type": "string", "minLength": 1, "maxLength": 255},
            "For 24 hours the same key and body give the first result.",
        ),
        _OURS,
    ],
    **_answer(_RESOURCE, stream=True),
}

GET = {
    "parameters": [
        _parameter("query", "stream", {"type": "boolean"}, "Its events instead."),
        _parameter(
            "query",
            "starting_after",
            {"type": "integer", "minimum": 0},
            "The number of the last event held.",
        ),
        _OURS,
    ],
    **_answer(_RESOURCE, stream=True),
}

CANCEL = _answer(_RESOURCE)

DELETE = _answer(
    {
        "type": "object",
        "properties": {
            "id": _STRING,
            "object": {"const": "response"},
            "deleted": {"const": True},
        },
    }
)

ITEMS = {
    "parameters": [
        _parameter(
            "query",
            "limit",
            {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
            "How many.",
        ),
        _parameter("query", "after", _STRING, "The last id of the page before."),
        _parameter("query", "order", {"enum": ["asc", "desc"], "default": "desc"}, "By time."),
    ],
    **_answer(
        {
            "type": "object",
            "properties": {
                "object": {"const": "list"},
                "data": {"type": "array", "items": _ITEM},
                "first_id": _NULLABLE_STRING,
                "last_id": _NULLABLE_STRING,
                "has_more": {"type": "boolean"},
            },
        }
    ),
}

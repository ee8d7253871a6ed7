"""What the OpenAPI document says of ``/v1/responses``: requests are parsed by hand, so that every
error names its path, and answers are the log's bytes, so neither can be derived. A test holds the
resource against what is sent.
"""

from __future__ import annotations

from typing import Any

from tertulia.transports.shapes import (
    BOOLEAN,
    COUNT,
    NULL,
    NULLABLE_STRING,
    OBJECT,
    STRING,
    Schema,
    any_of,
    array,
    const,
    nullable,
    one_of,
    optional,
    ref,
    said,
    shape,
)
from tertulia.transports.wire_options import EFFORTS

_NAME = {"type": "string", "pattern": "^[a-zA-Z0-9_-]{1,64}$"}
_ID = {"type": "string", "minLength": 1, "maxLength": 128}
_NULLABLE_BOOLEAN = {"type": ["boolean", "null"]}
_METADATA = {
    "type": ["object", "null"],
    "maxProperties": 16,
    "propertyNames": {"maxLength": 64},
    "additionalProperties": {"type": "string", "maxLength": 512},
}
_STATUSES = ("queued", "in_progress", "completed", "failed", "cancelled", "incomplete")


def _number(low: float, high: float) -> Schema:
    return {"type": ["number", "null"], "minimum": low, "maximum": high}


def _whole(low: int, high: int = 2**31 - 1) -> Schema:
    return {"type": ["integer", "null"], "minimum": low, "maximum": high}


_NAMED_FUNCTION = shape(type=const("function"), name=_NAME)

_OPTIONS: dict[str, Schema] = {
    "FunctionTool": shape(
        "type",
        "name",
        type=const("function"),
        name=_NAME,
        description=NULLABLE_STRING,
        parameters={"type": ["object", "null"], "description": "A JSON Schema of an object."},
        strict=said(_NULLABLE_BOOLEAN, "Whether the arguments must keep to the schema."),
    ),
    "ToolChoice": any_of(
        one_of("auto", "none", "required"),
        _NAMED_FUNCTION,
        shape(
            "type",
            "tools",
            type=const("allowed_tools"),
            tools=array(_NAMED_FUNCTION, minItems=1, maxItems=128),
            mode=one_of("auto", "none", "required", None),
        ),
    ),
    "TextFormat": any_of(
        shape("type", type=one_of("text", "json_object")),
        shape(
            "type",
            "name",
            "schema",
            type=const("json_schema"),
            name=_NAME,
            description=NULLABLE_STRING,
            schema=said(OBJECT, "A JSON Schema."),
            strict=_NULLABLE_BOOLEAN,
        ),
    ),
}

_CREATE_BODY: Schema = optional(
    model={**NULLABLE_STRING, "maxLength": 256, "description": "Left out, the default."},
    input=said(
        any_of(STRING, array(ref("InputItem")), NULL), "A user's message as text, or items."
    ),
    instructions=said(NULLABLE_STRING, "For this response; not carried over to the next."),
    conversation=said(any_of(_ID, shape(id=_ID), NULL), "The conversation to go on with."),
    previous_response_id=said(
        nullable(_ID),
        "The response to go on from. With `conversation`: left out, its head; null, a new "
        "beginning.",
    ),
    regenerate_of=said(nullable(_ID), "Answer that response's input once more, beside it."),
    stream=said(_NULLABLE_BOOLEAN, "Answer with the events as they come."),
    stream_options=nullable(optional(include_obfuscation=_NULLABLE_BOOLEAN)),
    background=said(_NULLABLE_BOOLEAN, "Answer at once; retrieve it later."),
    store=said(_NULLABLE_BOOLEAN, "False: kept only until its answer was read. Default: true."),
    include={"type": ["array", "null"], "items": STRING, "maxItems": 64},
    tools={"type": ["array", "null"], "items": ref("FunctionTool"), "maxItems": 128},
    tool_choice=nullable(ref("ToolChoice")),
    parallel_tool_calls=said(_NULLABLE_BOOLEAN, "Default: true."),
    text=nullable(
        optional(
            format=nullable(ref("TextFormat")),
            verbosity=one_of("low", "medium", "high", None),
        )
    ),
    reasoning=nullable(
        optional(
            effort=one_of(*EFFORTS, None),
            summary=one_of("concise", "detailed", "auto", None),
        )
    ),
    temperature=_number(0, 2),
    top_p=_number(0, 1),
    presence_penalty=_number(-2, 2),
    frequency_penalty=_number(-2, 2),
    top_logprobs=said(_whole(0, 0), "Not supported."),
    max_output_tokens=said(_whole(1), "Reasoning included."),
    max_tool_calls=_whole(1),
    truncation=one_of("auto", "disabled", None),
    service_tier=one_of("auto", "default", "flex", "priority", None),
    metadata=said(_METADATA, "Up to 16 pairs of the client's own."),
    safety_identifier={**NULLABLE_STRING, "maxLength": 64},
    prompt_cache_key={**NULLABLE_STRING, "maxLength": 64},
)

_RESOURCE: Schema = shape(
    id=STRING,
    object=const("response"),
    created_at=said(COUNT, "Unix seconds."),
    completed_at={"type": ["integer", "null"]},
    status=one_of(*_STATUSES),
    incomplete_details=nullable(
        shape(reason=one_of("max_output_tokens", "content_filter", "interrupted"))
    ),
    model=STRING,
    previous_response_id=NULLABLE_STRING,
    instructions=NULLABLE_STRING,
    output=array(ref("Item")),
    error=nullable(ref("Failure")),
    tools=array(ref("FunctionTool")),
    tool_choice=ref("ToolChoice"),
    truncation=one_of("auto", "disabled"),
    parallel_tool_calls=BOOLEAN,
    text=shape("format", format=ref("TextFormat"), verbosity=one_of("low", "medium", "high")),
    top_p={"type": "number"},
    presence_penalty={"type": "number"},
    frequency_penalty={"type": "number"},
    top_logprobs=COUNT,
    temperature={"type": "number"},
    reasoning=nullable(
        shape(
            effort=one_of(*EFFORTS, None),
            summary=one_of("concise", "detailed", "auto", None),
        )
    ),
    usage=nullable(ref("ResponseUsage")),
    max_output_tokens={"type": ["integer", "null"]},
    max_tool_calls={"type": ["integer", "null"]},
    store=BOOLEAN,
    background=BOOLEAN,
    service_tier=one_of("auto", "default", "flex", "priority"),
    metadata={"type": "object", "additionalProperties": STRING},
    safety_identifier=NULLABLE_STRING,
    prompt_cache_key=NULLABLE_STRING,
    conversation=nullable(shape(id=STRING)),
)

SCHEMAS: dict[str, Schema] = {
    **_OPTIONS,
    "CreateResponse": _CREATE_BODY,
    "Response": said(_RESOURCE, "The response resource of Open Responses, with `conversation`."),
    "ResponseUsage": shape(
        input_tokens=COUNT,
        output_tokens=COUNT,
        total_tokens=COUNT,
        input_tokens_details=shape(cached_tokens=COUNT, cache_write_tokens=COUNT),
        output_tokens_details=shape(reasoning_tokens=COUNT),
    ),
}

_EXAMPLES: dict[str, Any] = {
    "text": {
        "summary": "A question, answered by the default model",
        "value": {"input": "What is a tertulia?"},
    },
    "stream": {
        "summary": "The same as it is written",
        "value": {"input": "What is a tertulia?", "stream": True},
    },
    "items": {
        "summary": "Items, with bounds, stored nowhere",
        "value": {
            "instructions": "Be brief.",
            "input": [
                {"role": "user", "content": "Who met at the Café Gijón?"},
                {"role": "assistant", "content": "Writers, mostly."},
                {"role": "user", "content": [{"type": "input_text", "text": "Name one."}]},
            ],
            "max_output_tokens": 64,
            "store": False,
        },
    },
    "tools": {
        "summary": "A function that the model may call",
        "value": {
            "input": "What is the weather in Madrid?",
            "tools": [
                {
                    "type": "function",
                    "name": "weather",
                    "description": "The weather at a place.",
                    "parameters": {
                        "type": "object",
                        "properties": {"place": {"type": "string"}},
                        "required": ["place"],
                        "additionalProperties": False,
                    },
                    "strict": True,
                }
            ],
        },
    },
    "format": {
        "summary": "JSON after a schema",
        "value": {
            "input": "Where was the Café Gijón opened, and when?",
            "text": {
                "format": {
                    "type": "json_schema",
                    "name": "opening",
                    "strict": True,
                    "schema": {
                        "type": "object",
                        "properties": {"city": {"type": "string"}, "year": {"type": "integer"}},
                        "required": ["city", "year"],
                        "additionalProperties": False,
                    },
                }
            },
        },
    },
    "background": {
        "summary": "Answer at once, retrieve it later",
        "value": {"input": "What is a tertulia?", "background": True},
    },
}


def _parameter(place: str, name: str, schema: Schema, description: str) -> dict[str, Any]:
    return {"in": place, "name": name, "schema": schema, "description": description}


def _answer(schema: Schema, *, stream: bool = False) -> dict[str, Any]:
    content: dict[str, Any] = {"application/json": {"schema": schema}}
    if stream:
        content["text/event-stream"] = {"schema": ref("ResponseStream")}
    return {"responses": {"200": {"description": "Done.", "content": content}}}


_OURS = _parameter(
    "header", "Tertulia-Events", const("1"), "Also send the events of Tertulia's own."
)

CREATE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": ref("CreateResponse"), "examples": _EXAMPLES}},
    },
    "parameters": [
        _parameter(
            "header",
            "Idempotency-Key",
            {"type": "string", "minLength": 1, "maxLength": 255},
            "For 24 hours the same key and body give the first result.",
        ),
        _OURS,
    ],
    **_answer(ref("Response"), stream=True),
}

GET: dict[str, Any] = {
    "parameters": [
        _parameter("query", "stream", BOOLEAN, "Its events instead."),
        _parameter("query", "starting_after", COUNT, "The number of the last event held."),
        _OURS,
    ],
    **_answer(ref("Response"), stream=True),
}

CANCEL = _answer(ref("Response"))

DELETE = _answer(
    {**shape(id=STRING, object=const("response"), deleted=const(True)), "title": "DeletedResponse"}
)

ITEMS: dict[str, Any] = {
    "parameters": [
        _parameter(
            "query",
            "limit",
            {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
            "Elements on the page.",
        ),
        _parameter("query", "after", STRING, "The last id of the page before."),
        _parameter("query", "order", {"enum": ["asc", "desc"], "default": "desc"}, "By time."),
    ],
    **_answer(ref("ItemList")),
}

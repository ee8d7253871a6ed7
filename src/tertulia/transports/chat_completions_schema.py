"""What the OpenAPI document says of ``/v1/chat/completions``: requests are parsed by hand, so that
every error names its path, and answers are made of the log's bytes, so nothing can be derived."""

from __future__ import annotations

from typing import Any

from tertulia.transports.wire_options import EFFORTS

_STRING = {"type": "string"}
_NULLABLE_STRING = {"type": ["string", "null"]}
_BOOLEAN = {"type": ["boolean", "null"]}
_NAME = {"type": "string", "pattern": "^[a-zA-Z0-9_-]{1,64}$"}
_CALL_ID = {"type": "string", "minLength": 1, "maxLength": 512}


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required}


def _array(of: Any, **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": of, **more}


def _any(*of: Any) -> dict[str, Any]:
    return {"anyOf": list(of)}


def _number(low: float, high: float) -> dict[str, Any]:
    return {"type": ["number", "null"], "minimum": low, "maximum": high}


def _whole(low: int, high: int) -> dict[str, Any]:
    return {"type": ["integer", "null"], "minimum": low, "maximum": high}


def _one_of(*names: str | None) -> dict[str, Any]:
    return {"enum": list(names)}


def _named(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """A component of its own in the document."""
    return {"title": name, **schema}


_NULL = {"type": "null"}

# --- messages ------------------------------------------------------------------------------------

_TEXT_PART = {
    "title": "ChatTextPart",
    **_object(["type", "text"], type={"const": "text"}, text=_STRING),
}
_IMAGE_PART = {"title": "ChatImagePart"} | _object(
    ["type", "image_url"],
    type={"const": "image_url"},
    image_url=_object(
        ["url"],
        url={
            "type": "string",
            "pattern": "^data:image/(png|jpeg|gif|webp);base64,.+",
            "description": "A data URL; this server fetches nothing from elsewhere.",
        },
        detail=_one_of("auto", "low", "high", None),
    ),
)
_REFUSAL_PART = {"title": "ChatRefusalPart"} | _object(
    ["type", "refusal"], type={"const": "refusal"}, refusal=_STRING
)
_TEXT = _any(_STRING, _array(_TEXT_PART))

_CALL = {"title": "ChatToolCallParam"} | _object(
    ["id", "type", "function"],
    id=_CALL_ID,
    type={"const": "function"},
    function=_object(["name", "arguments"], name=_NAME, arguments=_STRING),
)

_MESSAGE = _any(
    _named(
        "ChatSystemMessageParam",
        _object(["role", "content"], role=_one_of("system", "developer"), content=_TEXT),
    ),
    _named(
        "ChatUserMessageParam",
        _object(
            ["role", "content"],
            role={"const": "user"},
            content=_any(
                {"type": "string", "pattern": "\\S"},
                _array(_any(_TEXT_PART, _IMAGE_PART), minItems=1),
            ),
        ),
    ),
    _named(
        "ChatAssistantMessageParam",
        _object(
            ["role"],
            role={"const": "assistant"},
            content=_any(_STRING, _array(_any(_TEXT_PART, _REFUSAL_PART)), _NULL),
            refusal=_NULLABLE_STRING,
            reasoning_content=_NULLABLE_STRING,
            tool_calls=_any(_array(_CALL), _NULL),
        ),
    ),
    _named(
        "ChatToolMessageParam",
        _object(
            ["role", "content", "tool_call_id"],
            role={"const": "tool"},
            content=_TEXT,
            tool_call_id={**_CALL_ID, "description": "Of a call in the messages before."},
        ),
    ),
)

# --- options -------------------------------------------------------------------------------------

_FUNCTION = {"title": "ChatFunction"} | _object(
    ["name"],
    name=_NAME,
    description=_NULLABLE_STRING,
    parameters={"type": ["object", "null"], "description": "A JSON schema."},
    strict=_BOOLEAN,
)
_NAMED = _object(
    ["type", "function"], type={"const": "function"}, function=_object(["name"], name=_NAME)
)
_TOOL_CHOICE = _any(
    _one_of("auto", "none", "required", None),
    _NAMED,
    _object(
        ["type", "allowed_tools"],
        type={"const": "allowed_tools"},
        allowed_tools=_object(
            ["tools"],
            mode=_one_of("auto", "none", "required", None),
            tools=_array(_NAMED, minItems=1, maxItems=128),
        ),
    ),
)
_RESPONSE_FORMAT = _any(
    _object(["type"], type=_one_of("text", "json_object")),
    _object(
        ["type", "json_schema"],
        type={"const": "json_schema"},
        json_schema=_object(
            ["name", "schema"],
            name=_NAME,
            description=_NULLABLE_STRING,
            schema={"type": "object"},
            strict=_BOOLEAN,
        ),
    ),
    _NULL,
)
_STOP = {"type": "string", "minLength": 1}

_NOT_HERE = {"type": "null", "description": "Not supported."}

_BODY = {"title": "CreateChatCompletion"} | _object(
    ["messages"],
    messages=_array(_MESSAGE, minItems=1),
    model={**_NULLABLE_STRING, "maxLength": 256, "description": "Left out, the default."},
    stream=_BOOLEAN,
    stream_options={
        "type": ["object", "null"],
        "properties": {
            "include_usage": {**_BOOLEAN, "description": "A last chunk with the tokens used."}
        },
    },
    tools=_any(
        _array(
            _object(["type", "function"], type={"const": "function"}, function=_FUNCTION),
            maxItems=128,
        ),
        _NULL,
    ),
    tool_choice=_TOOL_CHOICE,
    parallel_tool_calls=_BOOLEAN,
    response_format=_RESPONSE_FORMAT,
    max_completion_tokens=_whole(1, 2**31 - 1),
    max_tokens={**_whole(1, 2**31 - 1), "description": "The same, by its older name."},
    temperature=_number(0, 2),
    top_p=_number(0, 1),
    presence_penalty=_number(-2, 2),
    frequency_penalty=_number(-2, 2),
    stop=_any(_STOP, _array(_STOP, maxItems=4), _NULL),
    seed={"type": ["integer", "null"], "minimum": -(2**63), "maximum": 2**63 - 1},
    logit_bias={
        "type": ["object", "null"],
        "maxProperties": 1024,
        "propertyNames": {"pattern": "^[0-9]+$"},
        "additionalProperties": {"type": "number", "minimum": -100, "maximum": 100},
    },
    reasoning_effort=_one_of(*EFFORTS, None),
    verbosity=_one_of("low", "medium", "high", None),
    n={**_whole(1, 1), "description": "One answer for each request."},
    logprobs={"enum": [False, None], "description": "Not supported."},
    top_logprobs={"enum": [0, None], "description": "Not supported."},
    modalities=_any(_array({"const": "text"}, maxItems=8), _NULL),
    audio=_NOT_HERE,
    functions={"type": "null", "description": "Not supported: send `tools`."},
    function_call={"type": "null", "description": "Not supported: send `tool_choice`."},
    moderation=_NOT_HERE,
    web_search_options=_NOT_HERE,
    service_tier=_one_of("auto", "default", "flex", "scale", "priority", "fast", None),
    store={"description": "Accepted and ignored: chat completions are never stored."},
    metadata={
        "type": ["object", "null"],
        "maxProperties": 16,
        "propertyNames": {"maxLength": 64},
        "additionalProperties": {"type": "string", "maxLength": 512},
    },
    user=_NULLABLE_STRING,
    safety_identifier={**_NULLABLE_STRING, "maxLength": 64},
    prompt_cache_key={**_NULLABLE_STRING, "maxLength": 512},
)

# --- answers -------------------------------------------------------------------------------------

_COUNT = {"type": "integer", "minimum": 0}

_USAGE = {"title": "ChatUsage"} | _object(
    ["prompt_tokens", "completion_tokens", "total_tokens"],
    prompt_tokens=_COUNT,
    completion_tokens=_COUNT,
    total_tokens=_COUNT,
    prompt_tokens_details=_object(
        ["cached_tokens", "audio_tokens"], cached_tokens=_COUNT, audio_tokens=_COUNT
    ),
    completion_tokens_details=_object(
        ["reasoning_tokens"],
        reasoning_tokens=_COUNT,
        audio_tokens=_COUNT,
        accepted_prediction_tokens=_COUNT,
        rejected_prediction_tokens=_COUNT,
    ),
)

_REASONS = ("stop", "length", "tool_calls", "content_filter")

_THOUGHTS = {"type": "string", "description": "What the model thought, if it says so."}


def _envelope(
    title: str, kind: str, choice: dict[str, Any], usage: dict[str, Any]
) -> dict[str, Any]:
    return {"title": title} | _object(
        ["id", "object", "created", "model", "choices"],
        id={"type": "string", "pattern": "^chatcmpl-"},
        object={"const": kind},
        created={"type": "integer", "description": "Unix seconds."},
        model=_STRING,
        service_tier=_one_of("default", "flex", "priority"),
        system_fingerprint=_NULL,
        choices=_array(choice, maxItems=1),
        usage=usage,
    )


COMPLETION = _envelope(
    "ChatCompletion",
    "chat.completion",
    _object(
        ["index", "message", "finish_reason"],
        index={"const": 0},
        message=_object(
            ["role", "content", "refusal"],
            role={"const": "assistant"},
            content=_NULLABLE_STRING,
            refusal=_NULLABLE_STRING,
            reasoning_content=_THOUGHTS,
            tool_calls=_array(
                _object(
                    ["id", "type", "function"],
                    id=_STRING,
                    type={"const": "function"},
                    function=_object(["name", "arguments"], name=_STRING, arguments=_STRING),
                )
            ),
        ),
        logprobs=_NULL,
        finish_reason=_one_of(*_REASONS),
    ),
    _any(_USAGE, _NULL),
)

CHUNK = _envelope(
    "ChatCompletionChunk",
    "chat.completion.chunk",
    _object(
        ["index", "delta", "finish_reason"],
        index={"const": 0},
        delta=_object(
            [],
            role={"const": "assistant"},
            content=_NULLABLE_STRING,
            refusal=_NULLABLE_STRING,
            reasoning_content=_THOUGHTS,
            tool_calls=_array(
                _object(
                    ["index", "function"],
                    index=_COUNT,
                    id={"type": "string", "description": "In the first piece of a call."},
                    type={"const": "function"},
                    function=_object([], name=_STRING, arguments=_STRING),
                )
            ),
        ),
        logprobs=_NULL,
        finish_reason=_one_of(*_REASONS, None),
    ),
    _any(_USAGE, _NULL),
)

_BROKEN_OFF = {"$ref": "#/components/schemas/ErrorResponse"}

_EXAMPLES = {
    "plain": {
        "summary": "A question, answered by the default model",
        "value": {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "What is a tertulia?"},
            ],
            "max_completion_tokens": 64,
        },
    },
    "stream": {
        "summary": "The same as it is written, with the tokens used",
        "value": {
            "messages": [{"role": "user", "content": "What is a tertulia?"}],
            "max_completion_tokens": 64,
            "stream": True,
            "stream_options": {"include_usage": True},
        },
    },
}

CREATE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": _BODY, "examples": _EXAMPLES}},
    },
    "parameters": [
        {
            "in": "header",
            "name": "Idempotency-Key",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255},
            "description": "A repeat with the same key and body joins the first while that is "
            "being answered. What was read whole is not kept, and is made anew.",
        }
    ],
    "responses": {
        "200": {
            "description": "The completion, or with `stream` its chunks as server-sent events; "
            "the last is `[DONE]`. One that breaks off ends with an event that holds only `error`.",
            "content": {
                "application/json": {"schema": COMPLETION},
                "text/event-stream": {
                    "schema": _object(
                        ["data"],
                        data=_any(
                            {
                                "type": "string",
                                "contentMediaType": "application/json",
                                "contentSchema": _any(CHUNK, _BROKEN_OFF),
                            },
                            {"const": "[DONE]"},
                        ),
                    )
                },
            },
        }
    },
}

"""Bodies of the Responses API, parsed into what the turn pipeline works with.

Source: Open Responses, ``CreateResponseBody``, and the Conversations fields of the official
``openai`` SDK; ``conversation`` together with ``previous_response_id``, and ``regenerate_of``, are
ours. Fields that the standard does not know are ignored, as it says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import msgspec

from tertulia.domain.response import Request, ServiceTier
from tertulia.ports.turns import HEAD
from tertulia.settings.sections import Limits
from tertulia.transports import wire_optional as optional
from tertulia.transports.wire_field import Field
from tertulia.transports.wire_items import parse_input
from tertulia.transports.wire_options import (
    parse_metadata,
    parse_reasoning,
    parse_text_format,
    parse_tool_choice,
    parse_tools,
)
from tertulia.turns.ask import Ask

#: They say how the result is delivered, not what it is, so a retry may change them.
_DELIVERY = frozenset({"type", "request_id", "stream", "stream_options"})

_NO_LOGPROBS = "asks for log probabilities, which are not supported: leave it out"

_sorted = msgspec.json.Encoder(order="sorted")


@dataclass(frozen=True, slots=True)
class Create:
    """A request for a response, and whether its stream is wanted in the same answer."""

    ask: Ask
    stream: bool


def parse_create(body: Mapping[str, Any], limits: Limits) -> Create:
    """The body of ``POST /v1/responses``, or of the feed's ``response.create``.

    Raises:
        InvalidInput: a field is wrong; ``param`` is its path.
    """
    top = Field(body)
    conversation = _conversation(top.get("conversation"))
    if conversation is not None and "previous_response_id" not in body:
        parent: str | None = HEAD
    else:
        parent = _optional_id(top.get("previous_response_id"))
    _check_delivery(top)
    ask = Ask(
        request=_request(top, limits),
        input=parse_input(top.get("input"), limits),
        parent=parent,
        conversation_id=conversation,
        regenerate_of=_optional_id(top.get("regenerate_of")),
        store=optional.boolean(top.get("store"), default=True),
        background=optional.boolean(top.get("background"), default=False),
    )
    return Create(ask, stream=optional.boolean(top.get("stream"), default=False))


def _check_delivery(top: Field) -> None:
    """What is asked of the answer's form. There is no obfuscation to switch off, and encrypted
    reasoning is included where a model gives it; log probabilities no model here gives."""
    options = top.get("stream_options")
    if not options.missing:
        optional.boolean(options.get("include_obfuscation"), default=False)
    include = top.get("include")
    if not include.missing:
        for each in include.items(at_most=64):
            if each.text() == "message.output_text.logprobs":
                raise each.wrong(_NO_LOGPROBS, "unsupported_value")
    wanted = top.get("top_logprobs")
    if not wanted.missing and wanted.integer(0, 20):
        raise wanted.wrong(_NO_LOGPROBS, "unsupported_value")


def canonical(body: Mapping[str, Any]) -> bytes:
    """What of a body an idempotency key stands for: two bodies are the same when they ask for the
    same thing, in whatever order, over whatever transport."""
    asked = {name: value for name, value in body.items() if name not in _DELIVERY}
    return _sorted.encode(asked)


def _request(top: Field, limits: Limits) -> Request:
    tools = parse_tools(top.get("tools"))
    text = top.get("text")
    shape = Field({}, "text") if text.missing else text
    tier = optional.choice(top.get("service_tier"), "default", "auto", "flex", "priority")
    top_logprobs = top.get("top_logprobs")
    parallel = top.get("parallel_tool_calls")
    return Request(
        model=optional.text(top.get("model"), 256) or "",
        instructions=optional.text(top.get("instructions"), limits.instruction_chars),
        tools=tools,
        tool_choice=parse_tool_choice(top.get("tool_choice"), tools),
        parallel_tool_calls=optional.boolean(parallel, default=True),
        text_format=parse_text_format(shape.get("format")),
        verbosity=optional.verbosity(shape.get("verbosity")),
        temperature=optional.number(top.get("temperature"), 0, 2),
        top_p=optional.number(top.get("top_p"), 0, 1),
        presence_penalty=optional.number(top.get("presence_penalty"), -2, 2),
        frequency_penalty=optional.number(top.get("frequency_penalty"), -2, 2),
        top_logprobs=0 if top_logprobs.missing else top_logprobs.integer(0, 20),
        # The standard starts at 16; less is meant by whoever asks for it, and chat completions
        # take it too.
        max_output_tokens=optional.integer(top.get("max_output_tokens"), 1),
        max_tool_calls=optional.integer(top.get("max_tool_calls"), 1),
        truncation=cast(
            'Literal["auto", "disabled"]',
            optional.choice(top.get("truncation"), "disabled", "auto"),
        ),
        reasoning=parse_reasoning(top.get("reasoning")),
        metadata=parse_metadata(top.get("metadata")),
        # We have one answer to "choose for me".
        service_tier=cast(ServiceTier, "default" if tier == "auto" else tier),
        safety_identifier=optional.text(top.get("safety_identifier"), 64),
        prompt_cache_key=optional.text(top.get("prompt_cache_key"), 64),
    )


def _conversation(field: Field) -> str | None:
    """An id, or an object that holds one."""
    if isinstance(field.value, dict):
        return field.get("id").text(at_least=1, at_most=128)
    return _optional_id(field)


def _optional_id(field: Field) -> str | None:
    return None if field.missing else field.text(at_least=1, at_most=128)

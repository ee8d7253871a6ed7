"""Bodies of ``POST /v1/chat/completions``, parsed into what the turn pipeline works with.

Source: the official ``openai`` SDK's ``CompletionCreateParams``. A chat completion is a response
with ``store=false`` of its own: OpenAI's field ``store`` asks for a place in a dashboard that is
not here, so it is accepted and means nothing. Fields that nobody knows are ignored, as other
servers do; what would change the answer and cannot be had is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tertulia.domain.ids import CONNECTION, new_id
from tertulia.domain.response import Request, ServiceTier
from tertulia.errors import InvalidInput
from tertulia.settings.sections import Limits
from tertulia.transports import wire_optional as optional
from tertulia.transports.chat_completions_messages import parse_messages
from tertulia.transports.wire_field import Field
from tertulia.transports.wire_options import (
    EFFORTS,
    parse_metadata,
    parse_text_format,
    parse_tool_choice,
    parse_tools,
)
from tertulia.turns.ask import Ask

#: Fields that would change the answer, and what there is instead.
_UNSUPPORTED = {
    "audio": "answers are text",
    "function_call": "send tool_choice",
    "functions": "send tools",
    "moderation": "the operator of the server decides what is held back",
    "web_search_options": "offer a search as one of your tools",
}

#: The names of OpenAI's tiers, and ours.
_TIERS: Mapping[str, ServiceTier] = {
    "default": "default",
    "auto": "default",  # we have one answer to "choose for me"
    "scale": "default",
    "flex": "flex",
    "priority": "priority",
    "fast": "priority",
}

#: Fields by other names, the longer paths first.
_WORDS = {
    "text.format.schema": "response_format.json_schema.schema",
    "text.format": "response_format",
}
_MEMBERS = {".call_id": ".tool_call_id", ".arguments": ".function.arguments"}

_MAX_STOPS = 4
_MAX_BIASES = 1024


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What is asked, and how its answer is wanted."""

    ask: Ask
    stream: bool
    #: A last chunk with the tokens used.
    usage: bool
    #: The path of what each item of the input was made from.
    places: tuple[str, ...]

    def in_its_words(self, error: InvalidInput) -> InvalidInput:
        """An error of the pipeline, which speaks of the Responses API's fields, as one of this
        request's."""
        param = self._words(error.param or "")
        return type(error)(
            self._words(error.message),
            code=error.code,
            param="messages" if param == "input" else param or None,
            retry_after=error.retry_after,
        )

    def _words(self, text: str) -> str:
        for theirs, ours in _WORDS.items():
            text = text.replace(theirs, ours)
        return re.sub(r"\binput\[(\d+)\]((?:\.\w+)?)", self._place, text)

    def _place(self, found: re.Match[str]) -> str:
        return self.places[int(found[1])] + _MEMBERS.get(found[2], found[2])


class Tagged(Field):
    """An object that this API writes as ``{"type": "x", "x": {…}}``, read like the flat one of the
    Responses API; the paths of errors are those of what the client wrote."""

    __slots__ = ()

    def get(self, name: str) -> Tagged:
        kind = self.object().get("type")
        if name == "type" or not isinstance(kind, str):
            found = super().get(name)
        else:
            found = super().get(kind).get(name)
        return Tagged(found.value, found.path)

    def items(self, *, at_most: int | None = None) -> Iterator[Tagged]:
        for each in super().items(at_most=at_most):
            yield Tagged(each.value, each.path)


def parse_chat(body: Any, limits: Limits) -> ChatRequest:
    """A decoded body.

    Raises:
        InvalidInput: a field is wrong or cannot be had; ``param`` is its path.
    """
    top = Field(body)
    for name, instead in _UNSUPPORTED.items():
        if not top.get(name).missing:
            raise _unsupported(top.get(name), instead)
    _one_plain_text_answer(top)
    options = top.get("stream_options")
    messages = parse_messages(top.get("messages"), limits)
    ask = Ask(
        request=_request(top),
        input=messages.items,
        store=False,
        connection_id=new_id(CONNECTION),
    )
    return ChatRequest(
        ask,
        stream=optional.boolean(top.get("stream"), default=False),
        usage=not options.missing and optional.boolean(options.get("include_usage"), default=False),
        places=messages.places,
    )


def _request(top: Field) -> Request:
    tools = parse_tools(_tagged(top, "tools"))
    tier = optional.choice(top.get("service_tier"), *_TIERS)
    effort = top.get("reasoning_effort")
    seed = top.get("seed")
    return Request(
        model=optional.text(top.get("model"), 256) or "",
        tools=tools,
        tool_choice=parse_tool_choice(_tagged(top, "tool_choice"), tools),
        parallel_tool_calls=optional.boolean(top.get("parallel_tool_calls"), default=True),
        text_format=parse_text_format(_tagged(top, "response_format")),
        verbosity=optional.verbosity(top.get("verbosity")),
        temperature=optional.number(top.get("temperature"), 0, 2),
        top_p=optional.number(top.get("top_p"), 0, 1),
        presence_penalty=optional.number(top.get("presence_penalty"), -2, 2),
        frequency_penalty=optional.number(top.get("frequency_penalty"), -2, 2),
        stop=_stop(top.get("stop")),
        seed=None if seed.missing else seed.integer(-(2**63), 2**63 - 1),
        logit_bias=_logit_bias(top.get("logit_bias")),
        max_output_tokens=_max_tokens(top),
        reasoning=None if effort.missing else {"effort": effort.choice(*EFFORTS), "summary": None},
        metadata=parse_metadata(top.get("metadata")),
        service_tier=_TIERS[tier],
        safety_identifier=optional.text(top.get("safety_identifier"), 64),
        prompt_cache_key=optional.text(top.get("prompt_cache_key"), 512),
    )


def _tagged(top: Field, name: str) -> Tagged:
    return Tagged(top.get(name).value, name)


def _one_plain_text_answer(top: Field) -> None:
    """Refuse what asks for more than that."""
    if (optional.integer(top.get("n"), 1) or 1) > 1:
        raise _unsupported(top.get("n"), "ask several times")
    if optional.boolean(top.get("logprobs"), default=False):
        raise _unsupported(top.get("logprobs"), "models here tell none")
    top_logprobs = top.get("top_logprobs")
    if not top_logprobs.missing and top_logprobs.integer(0, 20):
        raise _unsupported(top_logprobs, "models here tell none")
    modalities = top.get("modalities")
    for each in () if modalities.missing else modalities.items(at_most=8):
        if each.choice("text", "audio") == "audio":
            raise _unsupported(each, "answers are text")
    if not top.get("user").missing:
        top.get("user").text()


def _unsupported(field: Field, instead: str) -> InvalidInput:
    return field.wrong(f"is not supported with this value: {instead}", "unsupported_value")


def _max_tokens(top: Field) -> int | None:
    """The newer name goes before the older one; both are checked."""
    older = optional.integer(top.get("max_tokens"), 1)
    newer = optional.integer(top.get("max_completion_tokens"), 1)
    return older if newer is None else newer


def _stop(field: Field) -> tuple[str, ...]:
    if field.missing:
        return ()
    if isinstance(field.value, str):
        return (field.text(at_least=1),)
    if not isinstance(field.value, list):
        raise field.wrong("must be a string or an array of strings", "invalid_type")
    return tuple(each.text(at_least=1) for each in field.items(at_most=_MAX_STOPS))


def _logit_bias(field: Field) -> dict[str, float]:
    if field.missing:
        return {}
    biases = field.object()
    if len(biases) > _MAX_BIASES:
        raise field.wrong(f"must have at most {_MAX_BIASES} tokens", "object_above_max_properties")
    if not all(token.isascii() and token.isdigit() for token in biases):
        raise field.wrong("has a key that is no token's number")
    return {token: Field(bias, field.path).number(-100, 100) for token, bias in biases.items()}

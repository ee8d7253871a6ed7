"""A response as a chat completion: whole, or why there is none.

Source: the official ``openai`` SDK's ``ChatCompletion`` types; ``reasoning_content`` is the name
that other servers and clients use for what OpenAI does not show.

The end of a response that has its answer is a completion: ended by itself, at
``max_completion_tokens`` (``length``), or held back (``content_filter``). Every other end is an
error with its status: a completion that was cut off has no place to say so, and a client that
took it for whole would be deceived.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from tertulia.domain.frame import Frame
from tertulia.domain.item import FunctionCall, Item, Message, OutputText, Reasoning, Refusal
from tertulia.domain.response import Failure, Response
from tertulia.errors import (
    ContextTooLong,
    InvalidInput,
    ModelError,
    ModelGarbage,
    ModelRateLimited,
    ModelRefused,
    ModelUnauthorized,
    ModelUnavailable,
    NotFound,
    RateLimited,
    TertuliaError,
    Unavailable,
    Unprocessable,
)

FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]

_CUT: dict[str, FinishReason] = {
    "max_output_tokens": "length",
    "content_filter": "content_filter",
}

#: By the codes that a failed response tells, whose errors they were.
_ERRORS: dict[str, type[TertuliaError]] = {
    **{
        kind.default_code: kind
        for kind in (
            InvalidInput,
            Unprocessable,
            ContextTooLong,
            RateLimited,
            Unavailable,
            ModelError,
            ModelGarbage,
            ModelRateLimited,
            ModelRefused,
            ModelUnauthorized,
            ModelUnavailable,
        )
    },
    "model_not_found": NotFound,
    "timeout": ModelUnavailable,
    # The pipeline's own: no worker was free, the answer took too long, its server died.
    "expired": Unavailable,
    "crashed": Unavailable,
}


class _InputDetails(msgspec.Struct):
    cached_tokens: int = 0


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: int = 0


class _Usage(msgspec.Struct):
    input_tokens: int
    output_tokens: int
    input_tokens_details: _InputDetails
    output_tokens_details: _OutputDetails


class _Incomplete(msgspec.Struct):
    reason: str


class End(msgspec.Struct):
    """What a terminal frame says of its response, short of the output."""

    status: str
    incomplete_details: _Incomplete | None = None
    error: Failure | None = None
    usage: _Usage | None = None

    def finish_reason(self, *, calls: bool) -> FinishReason:
        """``calls``: whether functions were called.

        Raises:
            TertuliaError: there is no answer, or it was cut off.
        """
        if self.status == "completed":
            return "tool_calls" if calls else "stop"
        reason = self.incomplete_details.reason if self.incomplete_details else None
        if self.status == "incomplete" and reason in _CUT:
            return _CUT[reason]
        raise self._error()

    def completion_usage(self) -> dict[str, Any] | None:
        """The API's ``usage``; it has no audio and no predictions to count."""
        told = self.usage
        if told is None:
            return None
        return {
            "prompt_tokens": told.input_tokens,
            "completion_tokens": told.output_tokens,
            "total_tokens": told.input_tokens + told.output_tokens,
            "prompt_tokens_details": {
                "cached_tokens": told.input_tokens_details.cached_tokens,
                "audio_tokens": 0,
            },
            "completion_tokens_details": {
                "reasoning_tokens": told.output_tokens_details.reasoning_tokens,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }

    def _error(self) -> TertuliaError:
        if self.status == "cancelled":
            return Unavailable("The answer was cancelled.", code="cancelled")
        if self.error is None:
            return Unavailable("The answer was cut off; ask again.", code="interrupted")
        kind = _ERRORS.get(self.error.code, ModelError)
        return kind(self.error.message, code=self.error.code)


class _Whole(End):
    output: tuple[Item, ...] = ()


class _Terminal(msgspec.Struct):
    response: _Whole


class _TerminalShort(msgspec.Struct):
    response: End


_whole = msgspec.json.Decoder(_Terminal)
_short = msgspec.json.Decoder(_TerminalShort)


def end_of(frame: Frame) -> End:
    """What a terminal frame says, without decoding the output once more."""
    return _short.decode(frame.data).response


def envelope(response: Response, kind: str) -> dict[str, Any]:
    """What the completion and each of its chunks begin with."""
    return {
        "id": "chatcmpl-" + response.id.partition("_")[2],
        "object": kind,
        "created": int(response.created_at),
        "model": response.request.model,
        "service_tier": response.request.service_tier,
        "system_fingerprint": None,
    }


def completion(response: Response, terminal: Frame) -> dict[str, Any]:
    """The ``chat.completion``, of the response's terminal frame.

    Raises:
        TertuliaError: there is no answer, or it was cut off.
    """
    end = _whole.decode(terminal.data).response
    message, calls = _message(end.output)
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": end.finish_reason(calls=calls),
    }
    return {
        **envelope(response, "chat.completion"),
        "choices": [choice],
        "usage": end.completion_usage(),
    }


def _message(output: tuple[Item, ...]) -> tuple[dict[str, Any], bool]:
    """All items as one message, and whether functions were called."""
    texts, refusals, thoughts, calls = [], [], [], []
    for item in output:
        if isinstance(item, Message):
            texts += [part.text for part in item.content if isinstance(part, OutputText)]
            refusals += [part.refusal for part in item.content if isinstance(part, Refusal)]
        elif isinstance(item, Reasoning):
            thoughts += [part.text for part in item.content]
        elif isinstance(item, FunctionCall):
            function = {"name": item.name, "arguments": item.arguments}
            calls.append({"id": item.call_id, "type": "function", "function": function})
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if not texts and (calls or refusals) else "".join(texts),
        "refusal": "".join(refusals) or None,
    }
    if thoughts:
        message["reasoning_content"] = "".join(thoughts)
    if calls:
        message["tool_calls"] = calls
    return message, bool(calls)

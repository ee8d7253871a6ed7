"""The response: one generation, its state machine, and its resource on the wire.

    queued ──► in_progress ──► completed | failed | cancelled | incomplete
       └────────────────────────────────► failed | cancelled

A terminal status never changes. ``in_progress`` is entered with the first claim and kept while a
response waits for its next attempt after a crash.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from tertulia.domain.item import Item

Status = Literal["queued", "in_progress", "completed", "failed", "cancelled", "incomplete"]
IncompleteReason = Literal["max_output_tokens", "content_filter", "interrupted"]
ServiceTier = Literal["auto", "default", "flex", "priority"]

TERMINAL: frozenset[str] = frozenset({"completed", "failed", "cancelled", "incomplete"})

_NEXT: dict[str, frozenset[str]] = {
    "queued": frozenset({"in_progress", "failed", "cancelled"}),
    "in_progress": TERMINAL,
}


def may_become(old: Status, new: Status) -> bool:
    """Whether the state machine has the edge ``old → new``."""
    return new in _NEXT.get(old, frozenset())


class Failure(msgspec.Struct, frozen=True):
    """Why a response failed: ``code`` for programs, ``message`` for the person."""

    code: str
    message: str


class Usage(msgspec.Struct, frozen=True):
    """Tokens of one response over all its attempts."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    #: Millionths of the currency unit.
    cost_micros: int = 0

    def resource(self) -> dict[str, Any]:
        return {
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "total_tokens": self.input_tokens + self.output_tokens,
            # `cache_write_tokens` is not the standard's; the official SDK's type demands it.
            "input_tokens_details": {"cached_tokens": self.cached_tokens, "cache_write_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": self.reasoning_tokens},
        }

    def plus(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            self.cost_micros + other.cost_micros,
        )

    def less(self, other: Usage) -> Usage:
        """What is left of this without ``other``, which is a part of it."""
        return Usage(
            self.input_tokens - other.input_tokens,
            self.output_tokens - other.output_tokens,
            self.cached_tokens - other.cached_tokens,
            self.reasoning_tokens - other.reasoning_tokens,
            self.cost_micros - other.cost_micros,
        )


class Request(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was asked, apart from the input items. Sealed as one JSON value in the store."""

    model: str
    instructions: str | None = None
    tools: tuple[dict[str, Any], ...] = ()
    tool_choice: str | dict[str, Any] = "auto"
    parallel_tool_calls: bool = True
    text_format: dict[str, Any] = msgspec.field(default_factory=lambda: {"type": "text"})
    verbosity: Literal["low", "medium", "high"] | None = None
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    #: What ends the text where the model would write it; it is not shown.
    stop: tuple[str, ...] = ()
    seed: int | None = None
    #: From token, as the model numbers it, to what is added to its logit.
    logit_bias: dict[str, float] = {}
    top_logprobs: int = 0
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    truncation: Literal["auto", "disabled"] = "disabled"
    reasoning: dict[str, Any] | None = None
    metadata: dict[str, str] = {}
    service_tier: ServiceTier = "default"
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """A response's row, opened. Times are Unix seconds on the store's clock."""

    id: str
    user_id: str
    request: Request
    status: Status
    created_at: float
    conversation_id: str | None = None
    previous_response_id: str | None = None
    regenerate_of: str | None = None
    store: bool = True
    background: bool = False
    #: The connection a ``store=false`` response is bound to.
    connection_id: str | None = None
    incomplete_reason: IncompleteReason | None = None
    error: Failure | None = None
    admitted_at: float | None = None
    completed_at: float | None = None
    cancel_requested_at: float | None = None
    attempt: int = 0
    crashes: int = 0
    lease_until: float | None = None
    #: Number of the last frame once terminal.
    last_sequence_number: int | None = None
    usage: Usage | None = None
    #: Of the attempts before the present one; part of `usage` once terminal.
    spent: Usage = Usage()

    @property
    def terminal(self) -> bool:
        return self.status in TERMINAL


def resource(response: Response, output: tuple[Item, ...] = ()) -> dict[str, Any]:
    """The Open Responses ``ResponseResource`` (and our ``conversation``), ready to encode."""
    r = response.request
    return {
        "id": response.id,
        "object": "response",
        "created_at": int(response.created_at),
        "completed_at": None if response.completed_at is None else int(response.completed_at),
        "status": response.status,
        "incomplete_details": (
            {"reason": response.incomplete_reason} if response.incomplete_reason else None
        ),
        "model": r.model,
        "previous_response_id": response.previous_response_id,
        "instructions": r.instructions,
        "output": list(output),
        "error": response.error,
        "tools": list(r.tools),
        "tool_choice": r.tool_choice,
        "truncation": r.truncation,
        "parallel_tool_calls": r.parallel_tool_calls,
        "text": {"format": r.text_format, **({"verbosity": r.verbosity} if r.verbosity else {})},
        "top_p": 1.0 if r.top_p is None else r.top_p,
        "presence_penalty": r.presence_penalty or 0.0,
        "frequency_penalty": r.frequency_penalty or 0.0,
        "top_logprobs": r.top_logprobs,
        "temperature": 1.0 if r.temperature is None else r.temperature,
        "reasoning": r.reasoning,
        "usage": response.usage.resource() if response.usage else None,
        "max_output_tokens": r.max_output_tokens,
        "max_tool_calls": r.max_tool_calls,
        "store": response.store,
        "background": response.background,
        "service_tier": r.service_tier,
        "metadata": r.metadata,
        "safety_identifier": r.safety_identifier,
        "prompt_cache_key": r.prompt_cache_key,
        "conversation": ({"id": response.conversation_id} if response.conversation_id else None),
    }

"""What is counted and traced of a turn. All of it is known at the turn's own steps; no frame is
looked at.

The trace of a turn (`telemetry.traces`): the root ``turn``, written by whoever committed its end;
below it the request that submitted it with ``submit``, ``queue``, and each ``attempt`` with
``context``, the call of the model and ``commit``.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

from tertulia.domain.response import Response, Usage
from tertulia.ports.model import Call, Finished, ModelInfo
from tertulia.telemetry import traces
from tertulia.telemetry.instruments import (
    COST,
    ERRORS,
    FIRST_TOKEN,
    QUEUE_WAIT,
    SUBMITTED,
    TOKENS,
    TURN_SECONDS,
    TURNS,
)
from tertulia.telemetry.traces import Span, Value, attempt_of, root_of, within

_NOTHING: AbstractContextManager[Span | None] = nullcontext()


def accepted(response: Response, begun: int, *, replayed: bool) -> None:
    """A message that was. ``begun``: when its submission did, in nanoseconds since 1970."""
    SUBMITTED.inc("replayed" if replayed else "accepted")
    if not traces.on():
        return
    request = traces.request_span.get()
    above = request.joins(response.id) if request else root_of(response.id)
    ids: dict[str, Value] = {"tertulia.response.id": response.id, "tertulia.replayed": replayed}
    within(above, "submit", ids, start=begun).close()


class Measure:
    """Of one attempt, begun when it was claimed."""

    def __init__(self, response: Response, lease_seconds: float, worker_id: str) -> None:
        self._model = response.request.model
        self._claimed = time.monotonic()
        # Both by the store's clock: what this machine's says does not matter.
        claimed_at = (response.lease_until or 0.0) - lease_seconds
        self._waited = max(0.0, claimed_at - response.created_at)
        if response.attempt == 1:
            QUEUE_WAIT.observe(self._waited)
        self._span = _attempt(response, response.attempt, worker_id) if traces.on() else None
        self._call: Span | None = None
        if self._span is not None:
            self._tell_before(response, self._span, worker_id)

    def _tell_before(self, response: Response, span: Span, worker_id: str) -> None:
        """What nobody else will have told: the wait, and the attempt of a worker that is gone."""
        created = _ns(response.created_at)
        if response.attempt == 1:
            waited = within(root_of(response.id), "queue", span.attributes, start=created)
            waited.end = created + _ns(self._waited)
            traces.emit(waited)
        elif response.crashes == response.attempt - 1:
            lost = _attempt(response, response.attempt - 1, "")
            # When it began, only that worker knew.
            lost.start, lost.end = created, span.start
            lost.attributes["tertulia.told_by"] = worker_id
            lost.error = "worker_lost"
            traces.emit(lost)

    def first_token(self) -> None:
        """Readers can have the first of the answer now."""
        since = time.monotonic() - self._claimed
        FIRST_TOKEN.observe(self._waited + since, self._model)
        if self._call is not None:
            self._call.attributes["tertulia.first_token_ms"] = round(
                (time.time_ns() - self._call.start) / 1e6, 1
            )

    def step(self, name: str) -> AbstractContextManager[Span | None]:
        """A part of the attempt, for as long as it is held."""
        return _NOTHING if self._span is None else within(self._span.place, name)

    def calling(self, info: ModelInfo, call: Call) -> AbstractContextManager[Span | None]:
        """The call of a model, in the words of OpenTelemetry's conventions for generative AI."""
        if self._span is None:
            return _NOTHING
        asked: dict[str, Value] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": info.owned_by,
            "gen_ai.request.model": info.id,
            "gen_ai.response.id": call.response_id,
        }
        for name in ("max_output_tokens", "temperature", "top_p"):
            value = getattr(call, name)
            if value is not None:
                asked[f"gen_ai.request.{name.removesuffix('_output_tokens')}"] = value
        self._call = within(self._span.place, f"chat {info.id}", asked)
        self._call.kind = "client"
        return self._call

    def called(self, span: Span | None, finished: Finished | None, usage: Usage) -> None:
        """What came of the call that ``span`` is."""
        if span is None:
            return
        span.attributes |= _tokens(usage)
        if finished is not None:
            span.attributes["gen_ai.response.finish_reasons"] = [finished.reason]

    def close(self, how: str) -> None:
        """The attempt is over; ``how`` as `instruments.ATTEMPTS` has it."""
        if self._span is not None:
            self._span.attributes["tertulia.attempt.end"] = how
            self._span.close()


def passed_on(call: Call, span: Span | None) -> Call:
    """The call, telling the model's server which span it comes from."""
    if span is None or not traces.kept(span.place):
        return call
    return replace(call, traceparent=span.place.traceparent)


def _attempt(response: Response, number: int, worker_id: str) -> Span:
    attributes: dict[str, Value] = {
        "tertulia.response.id": response.id,
        "tertulia.attempt": number,
        "tertulia.worker.id": worker_id,
    }
    root = root_of(response.id)
    place = attempt_of(response.id, number)
    return Span("attempt", place, root.span_id, time.time_ns(), attributes=attributes)


def _tokens(usage: Usage) -> dict[str, Value]:
    return {
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "tertulia.cost_micros": usage.cost_micros,
    }


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)


def count(response: Response) -> None:
    """One that has ended, by whoever committed its end."""
    model = response.request.model
    TURNS.inc(response.status, model)
    if response.completed_at is not None:
        TURN_SECONDS.observe(max(0.0, response.completed_at - response.created_at), model)
    if response.error is not None:
        ERRORS.inc(response.error.code, "turn")
    if traces.on():
        _root(response)
    usage = response.usage
    if usage is None:
        return
    TOKENS.inc(model, "input", by=usage.input_tokens)
    TOKENS.inc(model, "output", by=usage.output_tokens)
    if usage.cached_tokens:
        TOKENS.inc(model, "cached", by=usage.cached_tokens)
    if usage.cost_micros:
        COST.inc(model, by=usage.cost_micros)


def _root(response: Response) -> None:
    """The whole turn, from its row: whichever process ended it tells the same."""
    ended = response.completed_at or response.created_at
    attributes: dict[str, Value] = {
        "tertulia.response.id": response.id,
        "tertulia.status": response.status,
        "tertulia.attempts": response.attempt,
        "tertulia.crashes": response.crashes,
        "user.id": response.user_id,
        "gen_ai.request.model": response.request.model,
    }
    if response.conversation_id is not None:
        attributes["gen_ai.conversation.id"] = response.conversation_id
    if response.usage is not None:
        attributes |= _tokens(response.usage)
    place = root_of(response.id)
    span = Span("turn", place, None, _ns(response.created_at), _ns(ended), attributes=attributes)
    span.error = response.error.code if response.error else None
    traces.emit(span)

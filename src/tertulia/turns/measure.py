"""What is counted of a turn. All of it is known at the turn's own steps; no frame is looked at."""

from __future__ import annotations

import time

from tertulia.domain.response import Response
from tertulia.telemetry.instruments import (
    COST,
    ERRORS,
    FIRST_TOKEN,
    QUEUE_WAIT,
    TOKENS,
    TURN_SECONDS,
    TURNS,
)


class Measure:
    """Times of one attempt, begun when it was claimed."""

    def __init__(self, response: Response, lease_seconds: float) -> None:
        self._model = response.request.model
        self._claimed = time.monotonic()
        # Both by the store's clock: what this machine's says does not matter.
        claimed_at = (response.lease_until or 0.0) - lease_seconds
        self._waited = max(0.0, claimed_at - response.created_at)
        if response.attempt == 1:
            QUEUE_WAIT.observe(self._waited)

    def first_token(self) -> None:
        """Readers can have the first of the answer now."""
        since = time.monotonic() - self._claimed
        FIRST_TOKEN.observe(self._waited + since, self._model)


def count(response: Response) -> None:
    """One that has ended, by whoever committed its end."""
    model = response.request.model
    TURNS.inc(response.status, model)
    if response.completed_at is not None:
        TURN_SECONDS.observe(max(0.0, response.completed_at - response.created_at), model)
    if response.error is not None:
        ERRORS.inc(response.error.code, "turn")
    usage = response.usage
    if usage is None:
        return
    TOKENS.inc(model, "input", by=usage.input_tokens)
    TOKENS.inc(model, "output", by=usage.output_tokens)
    if usage.cached_tokens:
        TOKENS.inc(model, "cached", by=usage.cached_tokens)
    if usage.cost_micros:
        COST.inc(model, by=usage.cost_micros)

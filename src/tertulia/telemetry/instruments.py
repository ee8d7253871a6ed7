"""Everything that is counted, by name. `docs/reference/metrics.md` is made from this."""

from __future__ import annotations

from collections.abc import Sequence

from tertulia.telemetry.metrics import Counter, Gauge, Histogram, Registry
from tertulia.telemetry.process import READINGS

REGISTRY = Registry()

#: Upper bounds in seconds, each for what it measures.
_SHORT = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_WAIT = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_LONG = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600)


def _counter(name: str, text: str, *labels: str, values: Sequence[str] = ()) -> Counter:
    return REGISTRY.add(Counter(f"tertulia_{name}", text, labels, values))


def _gauge(name: str, text: str, *labels: str, values: Sequence[str] = ()) -> Gauge:
    return REGISTRY.add(Gauge(f"tertulia_{name}", text, labels, values))


def _histogram(name: str, text: str, *labels: str, buckets: tuple[float, ...]) -> Histogram:
    return REGISTRY.add(Histogram(f"tertulia_{name}", text, labels, buckets=buckets))


# --- the process ---------------------------------------------------------------------------------

INFO = _gauge("info", "Always 1; its labels say what runs here.", "version", "role")
READY = _gauge(
    "part_ready",
    "Whether a part answered (1) or not (0) when `/readyz` was last asked.",
    "part",
)

# --- requests and connections --------------------------------------------------------------------

REQUESTS = _counter(
    "http_requests_total",
    "Requests and sockets that have ended. `route` is a template, `none` where none matched; of a "
    "socket `method` is `WEBSOCKET` and `status` the code it closed with.",
    "route",
    "method",
    "status",
)
REQUEST_SECONDS = _histogram(
    "http_request_seconds",
    "From a request until its answer begins, in seconds; a stream goes on after that.",
    "route",
    "method",
    buckets=_SHORT,
)
ERRORS = _counter(
    "errors_total",
    "Errors by code. `source`: a `request` or message that was answered with it, or a `turn` that "
    "ended with it.",
    "code",
    "source",
)
CONNECTIONS = _gauge(
    "connections",
    "Connections that stay open: the feed by WebSocket (`feed`) or events (`feed_sse`), "
    "`/v1/responses` by `websocket`, streamed answers (`sse`), and requests `waiting` for theirs.",
    "transport",
    values=("feed", "feed_sse", "websocket", "sse", "waiting"),
)
STREAMS = _gauge("streams_open", "Readers of answers that are being written, on all transports.")

# --- turns ---------------------------------------------------------------------------------------

SUBMITTED = _counter(
    "submitted_total",
    "Messages by what came of them: `accepted`, `replayed` (an idempotency key that was known) or "
    "`refused`.",
    "result",
    values=("accepted", "replayed", "refused"),
)
TURNS = _counter("turns_total", "Responses that ended, by their status.", "status", "model")
TURN_SECONDS = _histogram(
    "turn_seconds",
    "From the submission to the end of a response, on the store's clock, in seconds.",
    "model",
    buckets=_LONG,
)
QUEUE_WAIT = _histogram(
    "queue_wait_seconds",
    "From the submission to the first claim by a worker, on the store's clock, in seconds.",
    buckets=_WAIT,
)
FIRST_TOKEN = _histogram(
    "time_to_first_token_seconds",
    "From the submission until readers can have the first of the answer, in seconds.",
    "model",
    buckets=_WAIT,
)
CLAIMS = _counter(
    "claims_total",
    "Doorbells that a worker answered: a `first` attempt, a `later` one, or `none` to make.",
    "result",
    values=("first", "later", "none"),
)
ATTEMPTS = _counter(
    "attempts_total",
    "Attempts by how they ended: the response `ended` with it, it was `left` to another (handed "
    "over, or its lease lost), or it `crashed` by a fault of ours.",
    "how",
    values=("ended", "left", "crashed"),
)
TOKENS = _counter(
    "tokens_total",
    "Tokens of responses that ended; `direction` is `input`, `output`, or `cached` for those of "
    "the input that the model's server had kept.",
    "model",
    "direction",
)
COST = _counter(
    "cost_micros_total",
    "Cost of responses that ended, in millionths of the currency unit.",
    "model",
)
SLOTS = _gauge("slots", "Attempts that the workers of this process may run at once.")
RUNNING = _gauge("running", "Attempts under way in this process.")

# --- the queue and the log -----------------------------------------------------------------------

DEPTH = _gauge(
    "queue_depth",
    "Unfinished responses in the store, of all nodes: `waiting` for admission, `admitted` and not "
    "claimed, `running`. The same on every node: take the maximum, not the sum.",
    "state",
)
OLDEST = _gauge(
    "queue_oldest_seconds",
    "Age of the oldest response that no worker has claimed, in seconds, of all nodes; 0: none.",
)
RINGS = _counter(
    "rings_total",
    "Calls of the queue to ring for responses: `ok` or `unavailable`.",
    "result",
    values=("ok", "unavailable"),
)
MENDS = _counter("log_mends_total", "Times that the event log failed an append, made up for later.")
SWEEPS = _counter(
    "sweeps_total",
    "Passes of the sweeper: `ok` or `unavailable`.",
    "result",
    values=("ok", "unavailable"),
)
SWEPT = _counter(
    "swept_total",
    "What the sweeper did: `rung` again, `taken_over` from a worker that is gone, `ended` for lack "
    "of time.",
    "what",
    values=("rung", "taken_over", "ended"),
)

for _reading in READINGS:
    REGISTRY.add(_reading)

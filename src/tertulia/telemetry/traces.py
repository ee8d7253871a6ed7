"""Traces: where the time of one request or turn went, across processes.

A turn's trace is derived from the id of its response, and so are the span that is the root of it
and those of its attempts: every process that touches a response knows where its spans belong,
though the queue carries nothing but the id, and nothing is stored for it. Whether a trace is kept
follows from its id too, so that all processes decide alike.

Spans hold ids and numbers, never content. They are made when what they tell of is over. Without an
exporter (`export`) nothing is made at all, and no library of tracing is imported.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from hashlib import blake2b
from types import TracebackType
from typing import Literal, NamedTuple, Self

Value = str | int | float | bool | list[str]

#: Traces are kept whose id's last eight bytes are below the kept part of this.
_WHOLE = 1 << 64


class Place(NamedTuple):
    """A span by its numbers, as W3C's Trace Context names them."""

    trace_id: int
    span_id: int

    @property
    def traceparent(self) -> str:
        """The header of a request that is made within this span."""
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-01"


@dataclass(slots=True)
class Span:
    """Times in nanoseconds since 1970. ``error``: the code of what went wrong."""

    name: str
    place: Place
    parent_id: int | None
    start: int
    end: int = 0
    kind: Literal["internal", "server", "client"] = "internal"
    attributes: dict[str, Value] = field(default_factory=dict)
    links: tuple[Place, ...] = ()
    error: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if fault is not None and self.error is None:
            stopped = isinstance(fault, asyncio.CancelledError)
            self.error = "stopped" if stopped else getattr(fault, "code", type(fault).__name__)
        self.close()

    def close(self) -> None:
        """It is over; it goes out with the next batch."""
        self.end = time.time_ns()
        emit(self)


_export: Callable[[Span], None] | None = None
_kept_below = _WHOLE


def export(sink: Callable[[Span], None] | None, *, part: float = 1.0) -> None:
    """From now on give spans to ``sink``, which must not block; None: make none.
    ``part``: of all traces, 0 to 1."""
    global _export, _kept_below  # noqa: PLW0603 - of the process, as logs are
    _export = sink
    _kept_below = round(part * _WHOLE)


def on() -> bool:
    """Whether spans are made."""
    return _export is not None


def kept(place: Place) -> bool:
    """Whether spans of this trace are sent."""
    return place.trace_id % _WHOLE < _kept_below


def emit(span: Span) -> None:
    """Send a span that is over, if its trace is kept."""
    if _export is not None and kept(span.place):
        _export(span)


def root_of(response_id: str) -> Place:
    """The root of a turn's trace."""
    digest = blake2b(response_id.encode(), digest_size=24, person=b"tertulia turn").digest()
    return Place(int.from_bytes(digest[:16]), int.from_bytes(digest[16:]))


def attempt_of(response_id: str, attempt: int) -> Place:
    """The span of an attempt, in the turn's trace: should its worker die, another tells of it."""
    digest = blake2b(f"{response_id} {attempt}".encode(), digest_size=8, person=b"tertulia turn")
    return Place(root_of(response_id).trace_id, int.from_bytes(digest.digest()))


def within(
    parent: Place, name: str, attributes: Mapping[str, Value] | None = None, *, start: int = 0
) -> Span:
    """A span below ``parent``, begun now unless ``start`` says when."""
    place = Place(parent.trace_id, new_span_id())
    begun = start or time.time_ns()
    return Span(name, place, parent.span_id, begun, attributes=dict(attributes or {}))


def new_span_id() -> int:
    return int.from_bytes(os.urandom(8)) or 1


# --- requests --------------------------------------------------------------------------------


class RequestSpan:
    """The span of a request on its way; which trace it belongs to shows when it submits."""

    def __init__(self, headers: list[tuple[bytes, bytes]]) -> None:
        self._start = time.time_ns()
        self._caller = _caller(headers)
        self.span_id = new_span_id()
        self._response_id: str | None = None

    def joins(self, response_id: str) -> Place:
        """It has submitted this response: its span belongs to the turn. Gives the span's place."""
        self._response_id = response_id
        return Place(root_of(response_id).trace_id, self.span_id)

    @property
    def trace_id(self) -> int | None:
        """As far as it is known."""
        if self._response_id is not None:
            return root_of(self._response_id).trace_id
        return self._caller.trace_id if self._caller else None

    def close(self, name: str, attributes: Mapping[str, Value], *, failed: bool) -> None:
        caller = self._caller
        told = dict(attributes)
        if self._response_id is not None:
            trace_id, parent_id = root_of(self._response_id)
            links = (caller,) if caller else ()
            told["tertulia.response.id"] = self._response_id
        else:
            trace_id, parent_id = caller or (int.from_bytes(os.urandom(16)), 0)
            links = ()
        span = Span(
            name,
            Place(trace_id, self.span_id),
            parent_id or None,
            self._start,
            kind="server",
            attributes=told,
            links=links,
            error="server_error" if failed else None,
        )
        span.close()


#: Of the HTTP request that is being served; None within sockets, and without an exporter.
request_span: ContextVar[RequestSpan | None] = ContextVar("request_span", default=None)


def _caller(headers: list[tuple[bytes, bytes]]) -> Place | None:
    """Whose span the request comes from, by its ``traceparent``; None for anything malformed."""
    given = next((value for name, value in headers if name == b"traceparent"), b"")
    parts = given.split(b"-")
    if len(parts) < 4 or [len(part) for part in parts[:4]] != [2, 32, 16, 2]:
        return None
    try:
        place = Place(int(parts[1], 16), int(parts[2], 16))
    except ValueError:
        return None
    return place if place.trace_id and place.span_id else None

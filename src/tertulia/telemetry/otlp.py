"""Sends spans to an OpenTelemetry collector: OTLP over HTTP, by OpenTelemetry's own exporter.

The library is an extra (``telemetry``) and imported here alone, once the setting asks for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from urllib.parse import urlsplit

from tertulia.errors import Misconfigured
from tertulia.telemetry.traces import Place, Span

#: Milliseconds after which spans go out, though they be few: what a process that dies had not yet
#: sent is lost.
BATCH_MS = 1000
#: Seconds for one request to the collector; what it does not take then is dropped.
SEND_SECONDS = 5.0
#: Seconds that a process which ends gives its last spans.
LAST_SECONDS = 2.0


def open_exporter(
    url: str, *, version: str, role: str
) -> tuple[Callable[[Span], None], Callable[[], None]]:
    """What takes spans, and what sends the last of them (it blocks, for
    `LAST_SECONDS` at most).

    ``url``: of the collector; ``/v1/traces`` is added where it has no path.

    Raises:
        Misconfigured: the library is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope
        from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
    except ImportError as error:
        raise Misconfigured(
            "traces is set, but OpenTelemetry is not installed: "
            "`pip install 'tertulia[telemetry]'`, or leave TERTULIA_TRACES out.",
            param="traces",
        ) from error

    whole = url if urlsplit(url).path.strip("/") else f"{url.rstrip('/')}/v1/traces"
    processor = BatchSpanProcessor(
        OTLPSpanExporter(endpoint=whole, timeout=SEND_SECONDS),
        schedule_delay_millis=BATCH_MS,
    )
    resource = Resource.create(
        {"service.name": "tertulia", "service.version": version, "tertulia.role": role}
    )
    scope = InstrumentationScope("tertulia", version)
    kinds = {kind.name.lower(): kind for kind in SpanKind}
    sampled = TraceFlags(TraceFlags.SAMPLED)

    def context(place: Place) -> SpanContext:
        return SpanContext(place.trace_id, place.span_id, is_remote=False, trace_flags=sampled)

    def take(span: Span) -> None:
        parent = Place(span.place.trace_id, span.parent_id) if span.parent_id else None
        processor.on_end(
            ReadableSpan(
                name=span.name,
                context=context(span.place),
                parent=context(parent) if parent else None,
                resource=resource,
                attributes=span.attributes,
                links=[Link(context(link)) for link in span.links],
                kind=kinds[span.kind],
                status=Status(StatusCode.ERROR, span.error) if span.error else Status(),
                start_time=span.start,
                end_time=span.end,
                instrumentation_scope=scope,
            )
        )

    def close() -> None:
        # Apart, for it cannot be told how long: a collector that is away holds up nobody's end.
        last = threading.Thread(target=processor.shutdown, name="last spans", daemon=True)
        last.start()
        last.join(LAST_SECONDS)

    return take, close

"""Rows of `responses`, as they lie there and opened."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import msgspec
from sqlalchemy import Select, bindparam, insert, select

from tertulia.adapters.store.schema import responses
from tertulia.adapters.store.scripts.sealer import Sealer
from tertulia.adapters.store.statement import Params, Script, Statement
from tertulia.domain.response import Failure, Request, Response, Status, Usage
from tertulia.domain.sent import Sent, decode_sent, encode_sent

ANSWER, ITEMS = "response", "items"

_encode = msgspec.json.Encoder().encode
_decode_request = msgspec.json.Decoder(Request).decode
_decode_failure = msgspec.json.Decoder(Failure).decode


class Record(NamedTuple):
    """One row; the fields are the columns, in this order."""

    id: str
    user_id: str
    ordinal: int
    kind: str
    conversation_id: str | None
    previous_response_id: str | None
    regenerate_of: str | None
    input_of: str
    store: int
    background: int
    connection_id: str | None
    model: str
    tier: str
    request: bytes | None
    status: str
    incomplete_reason: str | None
    error: bytes | None
    created_at: float
    admitted_at: float | None
    completed_at: float | None
    cancel_requested_at: float | None
    erased_at: float | None
    attempt: int
    crashes: int
    worker_id: str | None
    lease_until: float | None
    rung_at: float | None
    last_sequence_number: int | None
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    cost_micros: int

    @property
    def tokens(self) -> Usage:
        return Usage(*self[-5:])


COLUMNS = tuple(responses.c[name] for name in Record._fields)


def records() -> Select[Any]:
    """A select of whole rows, to be narrowed."""
    return select(*COLUMNS)


_LOCK = Statement(records().where(responses.c.id == bindparam("id")).with_for_update())
INSERT = Statement(insert(responses).values({name: bindparam(name) for name in Record._fields}))


def lock_response(response_id: str) -> Script[Record | None]:
    rows = yield _LOCK, {"id": response_id}
    return Record._make(rows[0]) if rows else None


def opened(record: Record, sealer: Sealer) -> Response:
    """The row as the domain knows it. A tombstone's request is empty but for the model."""
    request = Request(model=record.model)
    if record.request is not None:
        request = _decode_request(sealer.open("responses", record.id, "request", record.request))
    error = open_error(record.id, record.error, sealer)
    terminal = record.completed_at is not None
    tokens = record.tokens
    return Response(
        id=record.id,
        user_id=record.user_id,
        request=request,
        status=cast("Status", record.status),
        created_at=record.created_at,
        conversation_id=record.conversation_id,
        previous_response_id=record.previous_response_id,
        regenerate_of=record.regenerate_of,
        store=bool(record.store),
        background=bool(record.background),
        connection_id=record.connection_id,
        incomplete_reason=cast("Any", record.incomplete_reason),
        error=error,
        admitted_at=record.admitted_at,
        completed_at=record.completed_at,
        cancel_requested_at=record.cancel_requested_at,
        attempt=record.attempt,
        crashes=record.crashes,
        lease_until=record.lease_until,
        last_sequence_number=record.last_sequence_number,
        usage=tokens if terminal and record.kind == ANSWER else None,
        spent=Usage() if terminal else tokens,
    )


def open_error(response_id: str, sealed: bytes | None, sealer: Sealer) -> Failure | None:
    if sealed is None:
        return None
    return _decode_failure(sealer.open("responses", response_id, "error", sealed))


def seal_error(response_id: str, error: Failure | None, sealer: Sealer) -> bytes | None:
    if error is None:
        return None
    return sealer.seal("responses", response_id, "error", _encode(error))


def seal_sent(response_id: str, sent: Sent | None, sealer: Sealer) -> bytes | None:
    if sent is None:
        return None
    return sealer.seal("responses", response_id, "sent", encode_sent(sent))


def open_sent(response_id: str, sealed: bytes | None, sealer: Sealer) -> Sent | None:
    if sealed is None:
        return None
    return decode_sent(sealer.open("responses", response_id, "sent", sealed))


def new_row(
    response: Response, sealer: Sealer, *, ordinal: int, kind: str, input_of: str
) -> Params:
    """The row of a response that was never claimed."""
    request = sealer.seal("responses", response.id, "request", _encode(response.request))
    return Record(
        id=response.id,
        user_id=response.user_id,
        ordinal=ordinal,
        kind=kind,
        conversation_id=response.conversation_id,
        previous_response_id=response.previous_response_id,
        regenerate_of=response.regenerate_of,
        input_of=input_of,
        store=int(response.store),
        background=int(response.background),
        connection_id=response.connection_id,
        model=response.request.model,
        tier=response.request.service_tier,
        request=request,
        status=response.status,
        incomplete_reason=None,
        error=None,
        created_at=response.created_at,
        admitted_at=response.admitted_at,
        completed_at=response.completed_at,
        cancel_requested_at=None,
        erased_at=None,
        attempt=0,
        crashes=0,
        worker_id=None,
        lease_until=None,
        rung_at=response.admitted_at,
        last_sequence_number=None,
        input_tokens=0,
        output_tokens=0,
        cached_tokens=0,
        reasoning_tokens=0,
        cost_micros=0,
    )._asdict()

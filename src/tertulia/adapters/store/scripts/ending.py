"""The one way in which a response becomes terminal."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from sqlalchemy import bindparam, insert, update

from tertulia.adapters.store.journal import Journal
from tertulia.adapters.store.schema import responses, usage
from tertulia.adapters.store.scripts import ledger
from tertulia.adapters.store.scripts.admission import admit_after
from tertulia.adapters.store.scripts.conversation_rows import (
    announce_conversation,
    lock_conversation,
    move_conversation,
)
from tertulia.adapters.store.scripts.items import OUTPUT, put_items
from tertulia.adapters.store.scripts.records import (
    ANSWER,
    Record,
    lock_response,
    opened,
    seal_error,
    seal_sent,
)
from tertulia.adapters.store.scripts.sealer import Sealer
from tertulia.adapters.store.scripts.user_lock import Committed, Logged, UserLock, lock_user
from tertulia.adapters.store.statement import Script, Statement
from tertulia.domain.admission import Limits
from tertulia.domain.event import terminal_frame
from tertulia.domain.frame import Frame
from tertulia.domain.item import Item
from tertulia.domain.response import (
    Failure,
    IncompleteReason,
    Status,
    Usage,
    may_become,
)
from tertulia.domain.sent import Sent
from tertulia.errors import Fenced, NotFound
from tertulia.ports.turns import Cancelled, Finished, Outcome

_END = Statement(
    update(responses)
    .where(responses.c.id == bindparam("id"))
    .values(
        {
            "worker_id": None,
            "lease_until": None,
            "rung_at": None,
            **{
                name: bindparam(name)
                for name in (
                    "status",
                    "completed_at",
                    "incomplete_reason",
                    "error",
                    "last_sequence_number",
                    "sent",
                    *ledger.TOKENS,
                )
            },
        }
    )
)
_USAGE = Statement(insert(usage))
_ASK = Statement(
    update(responses)
    .where(responses.c.id == bindparam("id"), responses.c.cancel_requested_at.is_(None))
    .values(cancel_requested_at=bindparam("now"))
)

#: The terminal frame of a response that nobody claimed follows the opening frames 0 and 1.
_UNCLAIMED_LAST = 2


class _End(NamedTuple):
    status: Status
    #: Of all attempts.
    tokens: Usage
    last_sequence_number: int
    output: tuple[Item, ...] = ()
    incomplete_reason: IncompleteReason | None = None
    error: Failure | None = None
    sent: Sent | None = None
    #: The log's last frames before the terminal one.
    frames: tuple[Frame, ...] = ()


def finish(
    outcome: Outcome, limits: Limits, *, now: float, sealer: Sealer, journal: Journal | None
) -> Script[Committed[Finished]]:
    lock = yield from lock_user(sealer)
    record = yield from lock_response(outcome.response_id)
    if (
        record is None
        or record.user_id != outcome.user_id
        or record.attempt != outcome.attempt
        or record.status != "in_progress"
        or not may_become("in_progress", outcome.status)
    ):
        raise Fenced(f"Attempt {outcome.attempt} of {outcome.response_id} is stale or has ended.")
    end = _End(
        outcome.status,
        outcome.usage,
        outcome.last_sequence_number,
        outcome.output,
        outcome.incomplete_reason,
        outcome.error,
        outcome.sent,
        outcome.frames,
    )
    if outcome.attempt > 1 or record.worker_id is None:
        yield from ledger.enter(record, ledger.FINISHED, outcome.usage, outcome.lost, now)
    finished, logged = yield from _write_end(record, end, limits, now, lock, journal)
    yield from lock.save()
    return Committed(finished, lock.fed, logged)


def request_cancel(
    response_id: str, limits: Limits, *, now: float, sealer: Sealer, journal: Journal | None
) -> Script[Committed[Cancelled]]:
    lock = yield from lock_user(sealer)
    record = yield from lock_response(response_id)
    if (
        record is None
        or record.user_id != lock.user_id
        or record.kind != ANSWER
        or record.erased_at is not None
    ):
        raise NotFound(f"There is no response {response_id}.", param="response_id")
    if record.completed_at is not None:
        return Committed(Cancelled(opened(record, sealer), None))
    yield _ASK, {"id": response_id, "now": now}
    record = record._replace(cancel_requested_at=record.cancel_requested_at or now)
    if record.attempt > 0:
        return Committed(Cancelled(opened(record, sealer), None))
    end = _End("cancelled", Usage(), _UNCLAIMED_LAST)
    finished, logged = yield from _write_end(record, end, limits, now, lock, journal)
    yield from lock.save()
    return Committed(Cancelled(finished.response, finished), lock.fed, logged)


def expire(
    response_id: str, limits: Limits, *, now: float, sealer: Sealer, journal: Journal | None
) -> Script[Committed[Finished | None]]:
    """Fail a response that waited too long; None: it was claimed or ended meanwhile."""
    lock = yield from lock_user(sealer)
    record = yield from lock_response(response_id)
    if record is None or record.completed_at is not None or record.attempt > 0:
        return Committed(None)
    error = Failure("expired", "No worker took the message in time. Try again.")
    end = _End("failed", Usage(), _UNCLAIMED_LAST, error=error)
    finished, logged = yield from _write_end(record, end, limits, now, lock, journal)
    yield from lock.save()
    return Committed(finished, lock.fed, logged)


def _write_end(
    record: Record, end: _End, limits: Limits, now: float, lock: UserLock, journal: Journal | None
) -> Script[tuple[Finished, tuple[Logged, ...]]]:
    """How it ended, and what is in the log now that readers have not been shown."""
    sealer = lock.sealer
    tokens = dict(zip(ledger.TOKENS, msgspec.structs.astuple(end.tokens), strict=True))
    changes = {
        "status": end.status,
        "completed_at": now,
        "incomplete_reason": end.incomplete_reason,
        "error": seal_error(record.id, end.error, sealer),
        "last_sequence_number": end.last_sequence_number,
        **tokens,
    }
    yield _END, {"id": record.id, "sent": seal_sent(record.id, end.sent, sealer), **changes}
    yield (
        _USAGE,
        {
            "response_id": record.id,
            "user_id": record.user_id,
            "model": record.model,
            "ended_at": now,
            **tokens,
        },
    )
    yield from put_items(sealer, record.id, OUTPUT, end.output)
    if record.store:
        yield from _announce(record, end.status, now, lock)
    freed = int(record.admitted_at is not None)
    admitted = yield from admit_after(record.user_id, limits, now, freed=freed)
    ended = record._replace(worker_id=None, lease_until=None, rung_at=None, **changes)
    response = opened(ended, sealer)
    frame = terminal_frame(response, end.output)
    finished = Finished(response, frame, journal is not None, admitted)
    if journal is None:
        return finished, ()
    # What was never claimed has frames of the first attempt only.
    attempt = max(record.attempt, 1)
    fresh = yield from journal.append_script(
        sealer.keys, record.user_id, record.id, attempt, (*end.frames, frame)
    )
    return finished, ((record.user_id, record.id, tuple(fresh)),) if fresh else ()


def _announce(record: Record, status: Status, now: float, lock: UserLock) -> Script[None]:
    event = {
        "type": "response.ended",
        "response_id": record.id,
        "conversation_id": record.conversation_id,
        "status": status,
    }
    lock.announce(event, record.conversation_id)
    if record.conversation_id is None:
        return
    try:
        conversation = yield from lock_conversation(lock, record.conversation_id)
    except NotFound:  # deleted while the answer was being written
        return
    conversation = msgspec.structs.replace(conversation, updated_at=now)
    yield from move_conversation(conversation)
    announce_conversation(lock, conversation)

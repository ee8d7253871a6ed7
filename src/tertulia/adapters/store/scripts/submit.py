"""Accepting a response: all of it in one transaction."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from tertulia.adapters.store.journal import Journal
from tertulia.adapters.store.scripts.admission import load
from tertulia.adapters.store.scripts.conversation_rows import (
    announce_conversation,
    announce_head,
    lock_conversation,
    move_conversation,
    save_conversation,
)
from tertulia.adapters.store.scripts.idempotency import first_result, renew
from tertulia.adapters.store.scripts.items import INPUT, put_items
from tertulia.adapters.store.scripts.prospects import retry_after, wait_of_newcomer
from tertulia.adapters.store.scripts.purge import CLOSED
from tertulia.adapters.store.scripts.records import (
    ANSWER,
    INSERT,
    Record,
    lock_response,
    new_row,
    opened,
)
from tertulia.adapters.store.scripts.sealer import Sealer
from tertulia.adapters.store.scripts.user_lock import Committed, UserLock, lock_user
from tertulia.adapters.store.statement import Script
from tertulia.domain.admission import Limits
from tertulia.domain.conversation import Conversation
from tertulia.domain.event import opening_frames
from tertulia.domain.prospect import retry_when_busy
from tertulia.domain.response import Response
from tertulia.errors import InvalidInput, NotFound, Overloaded, RateLimited
from tertulia.ports.turns import HEAD, MayBeTooLong, Submission, Submitted


class _Place(NamedTuple):
    """Where in the tree a response goes."""

    conversation: Conversation | None
    parent: Record | None
    #: Its id stays when the parent's row has been erased.
    parent_id: str | None
    input_of: str


def submit(
    submission: Submission, limits: Limits, *, now: float, sealer: Sealer, journal: Journal | None
) -> Script[Committed[Submitted]]:
    lock = yield from lock_user(sealer)
    wanted = submission.response
    first = yield from first_result(sealer.user_id, submission.idempotency, wanted.id, now)
    if first is not None:
        replayed = yield from _replay(first, sealer)
        if replayed is not None:
            return Committed(replayed)
        if wanted.store or submission.idempotency is None:
            raise NotFound("The response that this idempotency key made was deleted.")
        yield from renew(submission.idempotency, wanted.id)
    if submission.mistake is not None:
        raise submission.mistake
    place = yield from _place(submission, lock)
    _check_room(submission, place.parent)
    at_once = yield from _admit_or_refuse(wanted, place.parent, limits)
    response = msgspec.structs.replace(
        wanted,
        status="queued",
        created_at=now,
        conversation_id=place.conversation.id if place.conversation else None,
        previous_response_id=place.parent_id,
        admitted_at=now if at_once else None,
    )
    yield (
        INSERT,
        new_row(
            response,
            sealer,
            ordinal=lock.next_ordinal(),
            kind=ANSWER,
            input_of=place.input_of,
        ),
    )
    if response.regenerate_of is None:
        yield from put_items(sealer, response.id, INPUT, submission.input)
    if response.store:
        yield from _announce(response, place.conversation, submission.title, lock)
    frames = opening_frames(response)
    admitted = (response.id,) if at_once else ()
    if journal is not None:
        yield from journal.begin_script(sealer.keys, sealer.user_id, response.id, frames)
    yield from lock.save()
    return Committed(
        Submitted(response, False, admitted, frames, journal is not None),
        lock.fed,
        ((response.user_id, response.id, frames),) if journal is not None else (),
    )


def _admit_or_refuse(wanted: Response, parent: Record | None, limits: Limits) -> Script[bool]:
    """Whether it may run at once. What would wait beyond the limits is refused while nothing of it
    is written."""
    user_id = wanted.user_id
    found = yield from load(user_id, limits)
    if (parent is None or parent.completed_at is not None) and found.allows_one(limits):
        return True
    if found.waiting >= limits.waiting:
        raise RateLimited(
            f"{found.waiting} of your messages wait already. Wait for an answer, or cancel one.",
            retry_after=(yield from retry_after(user_id, limits)),
        )
    if limits.scarce(found.free(limits)):
        tier = wanted.request.service_tier
        wait = yield from wait_of_newcomer(user_id, tier, found, limits)
        if wait is not None and wait > limits.shed_wait:
            raise Overloaded(
                f"There is too much to do just now: the answer would begin in {wait:.0f} seconds. "
                "Try again a little later.",
                retry_after=retry_when_busy(wait, limits),
            )
    return False


def _check_room(submission: Submission, parent: Record | None) -> None:
    if submission.room is None or parent is None or parent.completed_at is None:
        return
    if parent.input_tokens + parent.output_tokens > submission.room:
        raise MayBeTooLong


def _replay(response_id: str, sealer: Sealer) -> Script[Submitted | None]:
    """None: it was erased, or is about to be. With ``store=false`` that is its ordinary end, and a
    client that asks again has not got all of it."""
    record = yield from lock_response(response_id)
    if record is None or record.erased_at is not None or record.connection_id == CLOSED:
        return None
    return Submitted(opened(record, sealer), True, (), (), False)


def _place(submission: Submission, lock: UserLock) -> Script[_Place]:
    wanted = submission.response
    if not wanted.store and wanted.conversation_id is not None:
        raise InvalidInput(
            "A response with `store: false` is kept nowhere, so it cannot join a conversation. "
            "Leave out one of the two.",
            param="conversation",
        )
    if wanted.regenerate_of is not None:
        return (yield from _place_of_sibling(wanted, wanted.regenerate_of, lock))
    conversation = None
    if wanted.conversation_id is not None:
        conversation = yield from lock_conversation(lock, wanted.conversation_id)
    parent_id = submission.parent
    if parent_id == HEAD:
        parent_id = conversation.head if conversation else None
    parent = None
    if parent_id is not None:
        parent = yield from _usable(parent_id, wanted, lock)
        if parent is None or (conversation and parent.conversation_id != conversation.id):
            raise NotFound(
                f"There is no response {parent_id} to go on from.",
                code="previous_response_not_found",
                param="previous_response_id",
            )
    return _Place(conversation, parent, parent_id, wanted.id)


def _place_of_sibling(wanted: Response, of: str, lock: UserLock) -> Script[_Place]:
    original = yield from _usable(of, wanted, lock)
    foreign = original is not None and wanted.conversation_id not in (
        None,
        original.conversation_id,
    )
    if original is None or original.kind != ANSWER or foreign:
        raise NotFound(f"There is no response {of} to regenerate.", param="regenerate_of")
    conversation = None
    if original.conversation_id is not None and wanted.store:
        conversation = yield from lock_conversation(lock, original.conversation_id)
    parent = None
    if original.previous_response_id is not None:
        parent = yield from lock_response(original.previous_response_id)
    return _Place(conversation, parent, original.previous_response_id, original.input_of)


def _usable(response_id: str, wanted: Response, lock: UserLock) -> Script[Record | None]:
    """The response, if the user may build on it from where ``wanted`` comes."""
    record = yield from lock_response(response_id)
    if record is None or record.user_id != lock.user_id or record.erased_at is not None:
        return None
    if not record.store and (
        not wanted.connection_id or record.connection_id != wanted.connection_id
    ):
        return None
    if record.conversation_id is not None and record.conversation_id != wanted.conversation_id:
        # Raises what an unknown one would when the conversation is deleted.
        try:
            yield from lock_conversation(lock, record.conversation_id)
        except NotFound:
            return None
    return record


def _announce(
    response: Response, conversation: Conversation | None, title: str | None, lock: UserLock
) -> Script[None]:
    """Move head, time and title of the conversation, and tell the user's devices."""
    if conversation is not None:
        conversation = msgspec.structs.replace(
            conversation, updated_at=response.created_at, head=response.id
        )
        if conversation.title is None and title is not None:
            conversation = msgspec.structs.replace(
                conversation, title=title, title_source="message"
            )
            yield from save_conversation(lock, conversation)
        else:
            yield from move_conversation(conversation)
        announce_conversation(lock, conversation)
    event = {
        "type": "response.started",
        "response_id": response.id,
        "conversation_id": response.conversation_id,
        "previous_response_id": response.previous_response_id,
    }
    lock.announce(event, response.conversation_id)
    if conversation is not None:
        announce_head(lock, conversation)

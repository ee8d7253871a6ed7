"""Accept a message: after this it will be answered, whatever dies.

`submit` returns an id and never streams; the submitter reads the log like everyone else.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import replace

import msgspec
import structlog

from tertulia.domain.conversation import derived_title
from tertulia.domain.ids import RESPONSE, new_id
from tertulia.domain.item import InputText, Item, Message, images_of
from tertulia.domain.principal import Principal
from tertulia.domain.response import Response
from tertulia.errors import Fenced, InvalidInput, TertuliaError, Unavailable
from tertulia.ports.model import Model
from tertulia.ports.turns import MayBeTooLong, Submission, Submitted
from tertulia.telemetry.instruments import RINGS, SUBMITTED
from tertulia.turns.able import check_able
from tertulia.turns.ask import Ask
from tertulia.turns.fits import check_own, past_too_long, room
from tertulia.turns.given import check_images, resolve
from tertulia.turns.history import call_mistake
from tertulia.turns.measure import accepted
from tertulia.turns.parts import Parts

log = structlog.get_logger(__name__)


async def submit(parts: Parts, principal: Principal, ask: Ask) -> Submitted:
    """Accept ``ask``; when it returns, the message is durable and will be answered.

    Raises:
        NotFound: model, conversation, parent, ``regenerate_of``, or what the input refers to.
        InvalidInput: the combination of fields makes no sense, or there is nothing to answer.
        ContextTooLong: the input alone exceeds the model's window, or with all that was said
            before it and ``truncation`` is ``disabled``.
        Conflict, RateLimited, Unavailable: see `tertulia.ports.turns.Turns.submit`.
    """
    begun = time.time_ns()
    try:
        submitted = await _accept(parts, principal, ask)
    except TertuliaError as error:
        SUBMITTED.inc("refused")
        log.info("turn_refused", code=error.code, status=error.status, user=principal.user_id)
        raise
    response = submitted.response
    accepted(response, begun, replayed=submitted.replayed)
    log.info(
        "turn_accepted",
        response_id=response.id,
        user=principal.user_id,
        replayed=submitted.replayed,
    )
    if submitted.replayed or submitted.logged:
        await ring(parts, submitted.admitted)
    else:
        # Two systems: neither has to wait for the other.
        await asyncio.gather(_open_log(parts, submitted), ring(parts, submitted.admitted))
    return submitted


async def _accept(parts: Parts, principal: Principal, ask: Ask) -> Submitted:
    """Durable, but not rung for."""
    model = parts.models.get(ask.request.model or None, admin=principal.admin)
    items = await resolve(parts.store, principal.user_id, ask.input)
    _check(ask, items, model)
    check_able(ask.request, model)
    request = msgspec.structs.replace(ask.request, model=model.info.id)
    response = Response(
        id=new_id(RESPONSE),
        user_id=principal.user_id,
        request=request,
        status="queued",
        created_at=0.0,
        conversation_id=ask.conversation_id,
        regenerate_of=ask.regenerate_of,
        store=ask.store,
        background=ask.background,
        connection_id=ask.connection_id,
    )
    submission = Submission(
        response=response,
        input=items,
        parent=ask.parent,
        title=_title(items) if ask.conversation_id else None,
        idempotency=ask.idempotency,
        mistake=await call_mistake(parts.store, principal.user_id, ask, items),
        room=room(ask, items, model),
    )
    try:
        submitted = await parts.store.submit(submission, parts.bounds)
    except MayBeTooLong:
        error = await past_too_long(parts, principal, ask, items, model)
        submission = replace(submission, room=None, mistake=error)
        submitted = await parts.store.submit(submission, parts.bounds)
    return submitted


async def ring(parts: Parts, response_ids: Iterable[str]) -> None:
    """Ring for admitted responses. The rows are the outbox: what the queue does not take is
    remembered here (`Parts.unrung`), and what is forgotten with this process is found by the
    sweepers of others."""
    wanted = tuple(response_ids)
    if not wanted:
        return
    try:
        await parts.queue.ring(wanted)
    except Unavailable:
        parts.unrung.update(wanted)
        RINGS.inc("unavailable")
    else:
        parts.unrung.difference_update(wanted)
        RINGS.inc("ok")


async def _open_log(parts: Parts, submitted: Submitted) -> None:
    """Where log and store are two systems. A worker that was faster has written the same."""
    response = submitted.response
    try:
        await parts.log.open(response.user_id, response.id, 1)
        await parts.log.append(response.user_id, response.id, 1, submitted.frames)
    except (Fenced, Unavailable):
        return


def _title(items: tuple[Item, ...]) -> str | None:
    for item in items:
        if isinstance(item, Message) and item.role == "user":
            return derived_title(item.text) or ("Image" if images_of(item) else None)
    return None


def _check(ask: Ask, items: tuple[Item, ...], model: Model) -> None:
    """Refuse now what no worker could answer."""
    if ask.regenerate_of is not None and items:
        raise InvalidInput(
            "regenerate_of reuses that response's input: leave input out.", param="input"
        )
    if not ask.store and ask.background:
        raise InvalidInput("background needs store=true: nobody could fetch it.", param="store")
    if not ask.store and ask.conversation_id:
        raise InvalidInput(
            "A conversation keeps its responses: leave store=false out.", param="store"
        )
    if not items and ask.regenerate_of is None and not ask.parent:
        raise InvalidInput("There is nothing to answer: input is empty.", param="input")
    for index, item in enumerate(items):
        if isinstance(item, Message) and item.role == "user" and not _says_something(item):
            raise InvalidInput(
                "The message is empty.", param=f"input[{index}].content", code="empty_message"
            )
    check_images(items, model)
    check_own(ask.request, items, model)


def _says_something(message: Message) -> bool:
    return any(not isinstance(p, InputText) or p.text.strip() for p in message.content)

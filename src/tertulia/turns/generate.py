"""Run one attempt: from the claim to the end of the response, or to handing it over.

Open the log (fence), if the claim has not → take over what it holds → context → model → gate →
coalesce → append → finish, with all frames acknowledged before or written by the same transaction.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial

from tertulia.domain.compose import Composer
from tertulia.domain.frame import Frame
from tertulia.domain.item import Item, ItemStatus
from tertulia.domain.promise import Promise
from tertulia.domain.response import Failure, IncompleteReason, Status, Usage
from tertulia.domain.sent import Sent
from tertulia.errors import Fenced, ModelGarbage, NotFound, TertuliaError, TooLarge, Unavailable
from tertulia.ports.model import Chunk, Finished, Model
from tertulia.ports.turns import Claimed, Outcome
from tertulia.ports.turns import Finished as FinishedResponse
from tertulia.turns.append import LogWriter
from tertulia.turns.context import Context, assemble
from tertulia.turns.finish import finish
from tertulia.turns.images import loaded
from tertulia.turns.measure import Measure, passed_on
from tertulia.turns.parts import Parts
from tertulia.turns.pen import Pen, joined
from tertulia.turns.submit import ring

#: Reasons of a model to end that are no end of what it had to say.
_CUT = frozenset({"length", "content_filter"})


class Stop(Enum):
    """Why an attempt ends before its model has finished."""

    CANCELLED = "cancelled"
    DEADLINE = "deadline"
    #: The lease is held by nobody or another: touch nothing any more.
    LOST = "lost"
    #: This process is about to end: give the lease back.
    HANDOVER = "handover"


@dataclass(frozen=True, slots=True)
class Ending:
    status: Status
    reason: IncompleteReason | None = None
    error: Failure | None = None
    #: How the item that is still open ends.
    item: ItemStatus = "incomplete"


class Attempt:
    """One execution of one claimed response. `run` once; `stop` at any time."""

    def __init__(self, parts: Parts, claimed: Claimed, worker_id: str = "") -> None:
        self._parts = parts
        self._claimed = claimed
        self.response = claimed.response
        self._measure = Measure(claimed.response, parts.timing.lease, worker_id)
        self._stop: Stop | None = None
        self._scope: asyncio.Timeout | None = None
        #: Text of the open message that earlier attempts wrote.
        self._prefix = ""
        self._usage = Usage()
        self._sent: Sent | None = None
        #: Its input, once that was read.
        self.asked: Sequence[Item] = ()

    def stop(self, why: Stop) -> None:
        """End the attempt soon. A lost lease overrules every other reason."""
        if self._stop is None or why is Stop.LOST:
            self._stop = why
        # One that is over and not yet left is not to be ended again.
        if self._scope is not None and not self._scope.expired():
            self._scope.reschedule(asyncio.get_running_loop().time())

    async def run(self) -> FinishedResponse | None:
        """The committed end; None when the response was handed over or lost."""
        how = "crashed"
        try:
            finished = await self._run()
            how = "left" if finished is None else "ended"
            return finished
        finally:
            self._measure.close(how)

    async def _run(self) -> FinishedResponse | None:
        response, parts = self.response, self._parts
        try:
            held = self._claimed.held
            if held is None:
                held = await parts.log.open(response.user_id, response.id, response.attempt)
        except (Fenced, Unavailable):
            # Another attempt was faster; or the lease expires, and another attempt follows.
            return None
        writer = self._writer(held)
        try:
            return await self._attempt(Composer(response, held), writer)
        except TooLarge:
            return await self._outgrown(writer.kept)
        except (Fenced, Unavailable):
            return None
        finally:
            writer.close()

    def _writer(self, held: Sequence[Frame]) -> LogWriter:
        return LogWriter(
            self._parts.log,
            self.response,
            held,
            confirm=self._confirmed,
            on_cancel=partial(self.stop, Stop.CANCELLED),
            on_lost=partial(self.stop, Stop.LOST),
        )

    async def _attempt(self, composer: Composer, writer: LogWriter) -> FinishedResponse | None:
        response = self.response
        self._prefix = composer.prefix
        ending = await self._write(composer, writer)
        if self._stop is Stop.LOST:
            return None
        if ending is None:
            await writer.drain()
            lost = self._lost()
            spent = response.spent.plus(lost).plus(self._usage)
            await self._parts.store.release(response.id, response.attempt, spent, lost)
            if self._stop is Stop.HANDOVER:
                # Whoever goes on need not wait for a sweeper to miss it. Where something else kept
                # this attempt from its end, it would keep the next one, too.
                await ring(self._parts, [response.id])
            return None
        return await self._end(composer, ending, writer)

    async def _outgrown(self, kept: Sequence[Frame]) -> FinishedResponse | None:
        """The log takes no more of this answer, so what it holds is all of it."""
        writer = self._writer(kept)
        ending = Ending("incomplete", "max_output_tokens")
        try:
            return await self._end(Composer(self.response, kept), ending, writer)
        except (Fenced, Unavailable):
            return None
        finally:
            writer.close()

    async def _confirmed(self) -> bool:
        """Whether the store still knows this attempt as the one that runs."""
        try:
            row = (await self._parts.store.get(self.response.user_id, self.response.id)).response
        except NotFound:  # its user was removed
            return False
        return row.attempt == self.response.attempt and not row.terminal

    # --- the end -----------------------------------------------------------------------------

    async def _end(self, composer: Composer, ending: Ending, writer: LogWriter) -> FinishedResponse:
        last = composer.end(ending.item)
        if self._claimed.journaled and not writer.mending:
            # One transaction for all that is left to say, and one wake of the readers.
            outcome = replace(self._outcome(composer, ending), frames=tuple(last))
        else:
            await writer.through(last)
            outcome = self._outcome(composer, ending)
        with self._measure.step("commit"):
            return await finish(self._parts, outcome, writer.through)

    def _lost(self) -> Usage:
        """At least what attempts that died untold have written: what was shown beyond what was
        counted."""
        if not self._prefix:
            return Usage()
        try:
            model = self._parts.models.get(self.response.request.model, admin=True)
        except TertuliaError:  # the model is gone from this process
            return Usage()
        written = model.count_tokens(self._prefix) - self.response.spent.output_tokens
        if self.response.crashes == 0 or written <= 0:
            return Usage()
        return Usage(output_tokens=written, cost_micros=round(written * model.info.price_out))

    def _outcome(self, composer: Composer, ending: Ending) -> Outcome:
        lost = self._lost()
        return Outcome(
            response_id=self.response.id,
            user_id=self.response.user_id,
            attempt=self.response.attempt,
            status=ending.status,
            output=composer.output,
            usage=self.response.spent.plus(lost).plus(self._usage),
            lost=lost,
            last_sequence_number=composer.next_number,
            incomplete_reason=ending.reason,
            error=ending.error,
            sent=self._sent,
        )

    def _stopped(self, composer: Composer) -> Ending | None:
        """The ending for the reason this attempt was stopped; None: hand over."""
        if self._stop is Stop.CANCELLED:
            return Ending("cancelled")
        if self._stop is Stop.DEADLINE:
            minutes = round(self._parts.timing.running / 60)
            failure = Failure("expired", f"The answer took longer than {minutes} minutes.")
            return _broken(composer, failure)
        return None

    def _foregone(self, composer: Composer) -> Ending | None:
        """An end that is known before any model is called."""
        response = self.response
        if response.cancel_requested_at is not None:
            return Ending("cancelled")
        if composer.complete:
            if composer.cut_short:  # why, only the attempt that died knew
                return Ending("incomplete", "interrupted")
            return Ending("completed", item="completed")
        if response.crashes >= self._parts.timing.max_crashes:
            failure = Failure(
                "crashed",
                f"The server stopped {response.crashes} times while answering this message.",
            )
            return _broken(composer, failure)
        if not composer.resumable:
            return Ending("incomplete", "interrupted")
        return None

    # --- generation --------------------------------------------------------------------------

    async def _write(self, composer: Composer, writer: LogWriter) -> Ending | None:
        """Generate into ``writer``; None when stopped for a reason that ends nothing."""
        foregone = self._foregone(composer)
        if foregone is not None:
            writer.put(composer.begin())
            return foregone
        if self._stop is not None:
            return self._stop_before_begin(composer, writer)
        begun = False
        try:
            async with asyncio.timeout(None) as self._scope:
                model = self._parts.models.get(self.response.request.model, admin=True)
                await model.ready()
                self._set_deadline()
                with self._measure.step("context"):
                    context = await self._context(model, composer)
                writer.put(composer.begin())
                begun = True
                if composer.prefix and not self._may_continue(model):
                    return Ending("incomplete", "interrupted")
                return await self._generate(model, context, composer, writer)
        except TimeoutError:
            self._overdue()
            if not begun:
                return self._stop_before_begin(composer, writer)
            return self._stopped(composer)
        except Fenced:
            raise
        except TertuliaError as error:
            if not begun:
                if isinstance(error, Unavailable):
                    return None  # the store is away: hand over, this attempt has shown nothing
                writer.put(composer.begin())
            return _broken(composer, Failure(error.code, error.message))
        finally:
            self._scope = None

    async def _context(self, model: Model, composer: Composer) -> Context:
        branch = self._claimed.branch
        if branch is None:
            branch = await self._parts.store.branch(self.response.user_id, self.response.id)
        self.asked = branch[-1].input
        context = assemble(self.response, branch, model, composer.prefix)
        call = await loaded(self._parts.store, self.response.user_id, context.call)
        return replace(context, call=call)

    def _stop_before_begin(self, composer: Composer, writer: LogWriter) -> Ending | None:
        ending = self._stopped(composer)
        if ending is not None:
            writer.put(composer.begin())
        return ending

    def _set_deadline(self) -> None:
        """The time a model may take counts from when it could begin."""
        if self._scope is not None and self._stop is None:
            now = asyncio.get_running_loop().time()
            self._scope.reschedule(now + self._parts.timing.running)

    def _overdue(self) -> None:
        """The scope ended: by `stop`, or else by its own clock."""
        if self._stop is None:
            self._stop = Stop.DEADLINE

    def _may_continue(self, model: Model) -> bool:
        """Text under a JSON schema goes on only where the grammar sees its beginning."""
        return self.response.request.text_format["type"] == "text" or model.info.prefill

    async def _generate(
        self, model: Model, context: Context, composer: Composer, writer: LogWriter
    ) -> Ending:
        self._sent = context.sent
        promise = Promise(self.response.request)
        shown = None if composer.prefix else self._measure.first_token
        pen = Pen(self._parts, composer, writer, context, promise, shown)
        finished: Finished | None = None
        with self._measure.calling(model.info, context.call) as span:
            call = passed_on(context.call, span)
            try:
                async with aclosing(model.generate(call)) as batches:
                    finished = await _listen(batches, pen, writer, eager=model.info.eager)
                if not pen.withheld:
                    await pen.finish(cut=finished is not None and finished.reason in _CUT)
            finally:
                # What was said before an error or a stop is kept, short of what no judge has
                # passed.
                pen.flush()
                self._usage = self._counted(model, context, pen, finished)
                self._measure.called(span, finished, self._usage)
        if pen.withheld:
            return Ending("incomplete", "content_filter")
        if finished is None:
            raise ModelGarbage("The model's answer ended without saying why.")
        if finished.reason == "length":
            return Ending("incomplete", "max_output_tokens")
        if finished.reason == "content_filter":
            return Ending("incomplete", "content_filter")
        broken = promise.broken_by(composer.output)
        if broken is not None:
            return _broken(composer, broken)
        return Ending("completed", item="completed")

    def _counted(
        self, model: Model, context: Context, pen: Pen, finished: Finished | None
    ) -> Usage:
        told = finished.usage if finished else None
        tokens_in = told.input_tokens if told else context.tokens
        tokens_out = told.output_tokens if told else model.count_tokens("".join(pen.said))
        price = tokens_in * model.info.price_in + tokens_out * model.info.price_out
        return Usage(
            input_tokens=tokens_in,
            output_tokens=tokens_out,
            cached_tokens=told.cached_tokens if told else 0,
            reasoning_tokens=told.reasoning_tokens if told else 0,
            cost_micros=round(price),
        )


async def _listen(
    batches: AsyncIterator[Sequence[Chunk]], pen: Pen, writer: LogWriter, *, eager: bool
) -> Finished | None:
    """Write what the model says, until it has finished, breaks off or has to be withheld.
    ``eager``: see `ModelInfo.eager`; only such a model loses nothing by not being read."""
    finished = None
    async for batch in batches:
        for chunk in batch if pen.calling else joined(batch):
            if isinstance(chunk, Finished):
                finished = chunk
            else:
                await pen.write(chunk)
        if pen.withheld:
            break
        if writer.crowded:
            await writer.drain()
        if eager and finished is None and (until := pen.rest(len(batch))) is not None:
            await until
    return finished


def _broken(composer: Composer, failure: Failure) -> Ending:
    """What was shown is kept as an interrupted answer; with nothing shown it is a failure."""
    if composer.shown:
        return Ending("incomplete", "interrupted", failure)
    return Ending("failed", error=failure)

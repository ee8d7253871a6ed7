"""The store's part that the turn pipeline works on. The store is the truth.

Every method is one transaction: it happens whole or not at all, and when it returns it is durable.
All times are the store's own clock (Unix seconds), so that workers with skewed clocks agree.
Whatever derives from talk is sealed by the adapter with the user's key; callers never see
ciphertext. Unknown and foreign ids raise the same `NotFound`. When the store cannot be reached
every method raises `Unavailable`, and nothing has happened unless the text says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from tertulia.domain.admission import Limits
from tertulia.domain.fleet import Fleet, Report
from tertulia.domain.frame import Frame
from tertulia.domain.item import Item
from tertulia.domain.prospect import Prospect
from tertulia.domain.response import Failure, IncompleteReason, Response, Status, Usage
from tertulia.domain.sent import Sent
from tertulia.errors import InvalidInput

HEAD: Final = "head"
#: Of an attempt that took nothing, or of which nothing is known.
NOTHING: Final = Usage()


@dataclass(frozen=True, slots=True)
class Idempotency:
    """Keyed hashes: of (user, route, key), and of the request's body."""

    key_hash: bytes
    body_hash: bytes
    #: Seconds for which the first result is remembered.
    keep_seconds: float = 86_400.0


@dataclass(frozen=True, slots=True)
class Submission:
    """A response to accept. ``response`` is as the caller wants it, status ``queued``; the store
    sets ``created_at``, ``previous_response_id`` and ``admitted_at``."""

    response: Response
    input: tuple[Item, ...]
    #: A response id, None for a root, or `HEAD`: the conversation's head at that instant.
    parent: str | None
    #: Given to the conversation if it has no title yet.
    title: str | None = None
    idempotency: Idempotency | None = None
    #: Raised unless the idempotency key gives an earlier result: what is wrong with it now, as the
    #: conversation stands, need not have been wrong then.
    mistake: InvalidInput | None = None
    #: `MayBeTooLong` is raised when the parent has ended and took more tokens, in and out.
    room: int | None = None


class MayBeTooLong(Exception):
    """Nothing was written: read the past, and submit again without ``room``."""


@dataclass(frozen=True, slots=True)
class Submitted:
    response: Response
    #: True: an earlier request with this idempotency key had made it; nothing was written.
    replayed: bool
    #: Responses to ring for now (this one, when it was admitted at once).
    admitted: tuple[str, ...]
    #: The opening frames 0 and 1, and whether the transaction also put them into the log.
    frames: tuple[Frame, ...]
    logged: bool


@dataclass(frozen=True, slots=True)
class Claimed:
    """A response that is leased now, and what else its attempt needs, as far as the claim has it
    at hand."""

    response: Response
    #: All frames of its log, which the same transaction has opened for this attempt, the last of
    #: them the attempt's ``response.in_progress``. None: `EventLog.open` is still to be called.
    held: Sequence[Frame] | None = None
    #: What `Turns.branch` gives; None: it has to be asked.
    branch: Sequence[Node] | None = None
    #: Whether this store writes the log in its own transactions: `finish` takes `Outcome.frames`.
    journaled: bool = False


@dataclass(frozen=True, slots=True)
class Node:
    """A response with its items; ``output`` is empty until it is terminal."""

    response: Response
    input: tuple[Item, ...]
    output: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a claimed response ended."""

    response_id: str
    user_id: str
    attempt: int
    status: Status
    output: tuple[Item, ...]
    #: Of all attempts together.
    usage: Usage
    #: What of `usage` belongs to attempts that crashed and could not tell it themselves.
    lost: Usage = field(default=NOTHING, kw_only=True)
    #: Number of the terminal frame, one after the last frame of the log.
    last_sequence_number: int
    incomplete_reason: IncompleteReason | None = None
    error: Failure | None = None
    #: What its last attempt called the model with; None: it called none.
    sent: Sent | None = None
    #: Of a claim that was `Claimed.journaled`: the last frames before the terminal one, to be put
    #: into the log by the same transaction. All others are in the log, or on their way there.
    frames: tuple[Frame, ...] = ()


@dataclass(frozen=True, slots=True)
class Finished:
    """A terminal flip that has been committed."""

    response: Response
    #: The terminal frame, derived from the row; and whether it is in the log already.
    frame: Frame
    logged: bool
    #: Responses that this end has admitted: ring for them.
    admitted: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Renewal:
    #: False: the lease is lost; stop at once.
    held: bool
    cancel_requested: bool


@dataclass(frozen=True, slots=True)
class Cancelled:
    """``finished`` is set when the flip was immediate; else the lease holder will end it."""

    response: Response
    finished: Finished | None


@dataclass(frozen=True, slots=True)
class Swept:
    """What one pass of the sweeper found and did."""

    #: Admitted and unleased: ring for each.
    ring: tuple[str, ...]
    finished: tuple[Finished, ...]
    #: How many leases had expired.
    taken_over: int
    #: The live workers, of those that enlist.
    fleet: Fleet = field(default_factory=Fleet)


@dataclass(frozen=True, slots=True)
class Backlog:
    """Unfinished responses of all users: not admitted, admitted and held by nobody, held by a
    worker. ``oldest_seconds``: how long the oldest that nobody holds has been there; 0: none."""

    waiting: int
    admitted: int
    running: int
    oldest_seconds: float


class Turns(Protocol):
    """Guarantees: one terminal status per response, ever; `claim`, `renew`, `finish` and
    `release` are refused for stale attempts; exactly one usage row per response.

    The ledger has an entry for every attempt that crashed or was handed over, and for every later
    one: entries of a response that has ended add up to its usage, and as many say ``crashed`` as
    its crashes. A response that its first attempt has ended needs none: its usage is that one's."""

    async def submit(self, submission: Submission, limits: Limits) -> Submitted:
        """Accept: input items, response, head, title, feed entries, admission: one transaction.

        A response whose parent is unfinished, or that `Limits.allow` does not let run, waits
        unadmitted; slots that become free are given out by `domain.admission.admit`.

        Raises:
            NotFound: conversation, parent, or ``regenerate_of`` (code ``not_found``; for a
                parent code ``previous_response_not_found``).
            Conflict: the idempotency key came with another body (``idempotency_key_reused``).
            RateLimited: ``limits.waiting`` responses of the user wait already.
            Overloaded: it would wait longer than ``limits.shed_wait`` for others' slots.
            InvalidInput: ``store=false`` together with a conversation; `Submission.mistake`.
        """
        ...

    async def claim(self, response_id: str, worker_id: str, lease_seconds: float) -> Claimed | None:
        """Take an admitted, unleased response: attempt + 1, status ``in_progress``, a lease.

        None when there is nothing to do: unknown, terminal, not admitted, or leased by another.
        """
        ...

    async def renew(
        self, worker_id: str, held: Sequence[tuple[str, int]], lease_seconds: float
    ) -> Mapping[str, Renewal]:
        """Prolong the leases of (response, attempt) pairs; the answer has every response asked."""
        ...

    async def cancels(self, worker_id: str) -> Sequence[str]:
        """Responses leased by this worker whose cancellation was asked for."""
        ...

    async def finish(self, outcome: Outcome, limits: Limits) -> Finished:
        """Output items, usage, status, last number, feed entry, next admission: one transaction.

        Raises:
            Fenced: the attempt is stale or the response is terminal; nothing was written.
            Unavailable: also when the log lacks frames before `Outcome.frames`.
        """
        ...

    async def release(
        self, response_id: str, attempt: int, spent: Usage, lost: Usage = NOTHING
    ) -> None:
        """Hand over: give the lease back without counting a crash. ``spent``: by all attempts so
        far; ``lost``: see `Outcome.lost`. Stale attempts do nothing."""
        ...

    async def request_cancel(self, user_id: str, response_id: str, limits: Limits) -> Cancelled:
        """Idempotent. An unclaimed response flips to ``cancelled`` at once; a claimed one gets
        ``cancel_requested_at``; a terminal one is returned as it is."""
        ...

    async def enlist(self, report: Report, lease_seconds: float) -> None:
        """A worker is there, for so long; to be told anew before that. It is in `Swept.fleet`."""
        ...

    async def dismiss(self, worker_id: str) -> None:
        """The worker takes nothing any more. Unknown ones do nothing."""
        ...

    async def void_leases(self) -> int:
        """End all leases now, counting a crash each: for the one process that owns the store."""
        ...

    async def sweep(
        self,
        limits: Limits,
        *,
        waiting_seconds: float,
        take_over: bool,
        ring_after_seconds: float,
    ) -> Swept:
        """Expired leases are ended, counting a crash (only if ``take_over``); responses never
        claimed ``waiting_seconds`` after submission fail (``expired``); whoever may run is
        admitted; admitted responses unleased for ``ring_after_seconds`` are to be rung again."""
        ...

    async def purge(
        self, *, ephemeral_seconds: float, undo_seconds: float, feed_history: int
    ) -> int:
        """Erase what has outlived its time: ``store=false`` rows ended long ago, deleted
        conversations past their undo, expired files, spent idempotency keys, old feed entries.
        Rows erased."""
        ...

    async def get(self, user_id: str, response_id: str) -> Node:
        """A response with its items. ``store=false`` ones too: the caller checks the connection."""
        ...

    async def place(self, user_id: str, response_id: str, limits: Limits) -> Prospect | None:
        """At most how many responses begin up to it, its own one counted, and in how many seconds
        it may, as things stand. None once it was claimed or has ended, and for unknown ids. See
        `domain.prospect`."""
        ...

    async def backlog(self) -> Backlog:
        """What is to be done; looks at the unfinished only."""
        ...

    async def branch(self, user_id: str, response_id: str) -> Sequence[Node]:
        """The way from the root to this response, itself included, in that order.

        Nodes whose content was erased have no items. Given also while the conversation is
        deleted, for the worker that is still at it."""
        ...

    async def find_items(self, user_id: str, item_ids: Sequence[str]) -> Mapping[str, Item]:
        """Items by id, those there are: input or output of the user's stored responses, and
        items put into conversations. Not of ``store=false`` responses, nor of what is deleted."""
        ...

    async def sent(self, user_id: str, response_id: str) -> Sent | None:
        """What `finish` noted of the context; None where there is nothing, and for unknown ids."""
        ...

    async def delete(self, user_id: str, response_id: str) -> None:
        """Erase content; a tombstone without content stays where children hang on it. An
        unfinished one is refused with `Conflict` (``response_in_progress``)."""
        ...

    async def erase_connection(self, connection_id: str) -> int:
        """Erase the terminal ``store=false`` responses bound to a connection; the rest follow
        when they end. Returns how many."""
        ...

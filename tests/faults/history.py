"""What happened in one run, as it was seen from outside. Times are Unix seconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Sent:
    """A message of a user's. ``words``: how many the model is to answer, None where it is not a
    numbered answer."""

    key: str
    user: str
    conversation: str | None
    words: int | None


@dataclass(frozen=True)
class Reply:
    """The server's word that a message was accepted; one that was asked twice has two."""

    key: str
    response_id: str
    at: float


@dataclass
class Reading:
    """What one connection was sent of one response from after number ``after``, in its order: the
    number of each frame; of an announced attempt and of a snapshot, the number they follow."""

    client: str
    user: str
    response_id: str
    after: int | None
    steps: list[tuple[Literal["frame", "attempt", "snapshot"], int]] = field(default_factory=list)


@dataclass(frozen=True)
class Rendered:
    """What a client held when all was over."""

    client: str
    user: str
    response_id: str
    ended: bool
    text: str
    #: Put together from deltas and snapshots alone.
    folded: str
    restarts: int = 0


@dataclass(frozen=True)
class Row:
    """A response as the store and the API tell it in the end."""

    id: str
    user: str
    ordinal: int
    conversation: str | None
    parent: str | None
    status: str
    reason: str | None
    error: str | None
    created_at: float
    admitted_at: float | None
    completed_at: float | None
    cancel_requested_at: float | None
    attempt: int
    crashes: int
    last_number: int | None
    text: str
    #: Tokens in and out as the response itself says.
    tokens: tuple[int, int] | None


@dataclass(frozen=True)
class Used:
    response_id: str
    user: str
    tokens: tuple[int, int]


@dataclass(frozen=True)
class Fault:
    """``loses_log``: the event log is emptied by it."""

    kind: str
    target: str
    begun: float
    ended: float
    loses_log: bool = False


@dataclass(frozen=True)
class Levels:
    """What a run must give back. ``nodes``: open files and memory in MiB of each process."""

    waiting: int
    connections: int
    nodes: dict[str, tuple[int, float]] = field(default_factory=dict)


@dataclass
class History:
    """``allowed``: seconds that a response may take from its acceptance to its end. ``unrest``:
    seconds after a fault until what it broke works again. ``crashes``: after so many a response is
    given up."""

    allowed: float
    unrest: float
    crashes: int = 3
    sent: dict[str, Sent] = field(default_factory=dict)
    replies: list[Reply] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    rendered: list[Rendered] = field(default_factory=list)
    rows: dict[str, Row] = field(default_factory=dict)
    used: list[Used] = field(default_factory=list)
    #: One entry an attempt, of responses that took more than one.
    ledger: list[Used] = field(default_factory=list)
    #: Each user's feed from its beginning, entry by entry.
    feeds: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    #: What came over a connection of a user: ids of responses and conversations.
    seen: dict[str, set[str]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    start: Levels | None = None
    end: Levels | None = None
    #: Users whose accounts were removed, and what is left of them all.
    removed: set[str] = field(default_factory=set)
    left: list[str] = field(default_factory=list)
    #: What must not happen at all, in words: an error of the server's own, a node that ended.
    odd: list[str] = field(default_factory=list)

    def saw(self, user: str, *ids: object) -> None:
        self.seen.setdefault(user, set()).update(i for i in ids if isinstance(i, str))

    def accepted(self) -> Iterable[tuple[Sent, Reply]]:
        """Each message of who is still there, with the first word that it was accepted."""
        told: set[str] = set()
        for reply in self.replies:
            sent = self.sent[reply.key]
            if reply.key not in told and sent.user not in self.removed:
                told.add(reply.key)
                yield sent, reply

    def faults_by_kind(self) -> Counter[str]:
        return Counter(fault.kind for fault in self.faults)

"""What must hold of every run, whatever died in it: pure functions over its recorded history.

Each gives what violates it, in words; nothing is fine. Their names are those of the table in
``docs/faults.md``.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator

from tests.faults.client import SPAN, attempt_of
from tests.faults.history import History, Reading, Row

#: Seconds beyond its deadline within which a response must have ended.
LATE = 60.0
#: Within which a cancelled response stops.
CANCELLED_WITHIN = 2.0
#: Nodes estimate the store's clock, each for itself; a new one on a busy machine not well.
CLOCKS = 1.0
#: Connections that a node may keep for later: ten writers and five readers of the store, some of
#: Redis. Files that it may have open for them; and MiB that a warm process needs more than a cold.
POOLS, POOLED, WARM = 18, 40, 96.0

ENDED = frozenset({"completed", "failed", "cancelled", "incomplete"})


def one_terminal_status(history: History) -> Iterator[str]:
    """Every accepted message reaches exactly one terminal status, within a minute of its
    deadline, and is said to have done so once."""
    said: dict[str, list[str]] = defaultdict(list)
    for entries in history.feeds.values():
        for event in entries:
            if event["type"] == "response.ended":
                said[event["response_id"]].append(event["status"])
    for sent, reply in history.accepted():
        row = history.rows.get(reply.response_id)
        if row is None:
            yield f"{reply.response_id} of {sent.user} was accepted and is not in the store"
        elif row.status not in ENDED or row.completed_at is None:
            yield f"{row.id} is {row.status} in the end"
        elif row.completed_at - row.created_at > history.allowed + LATE:
            yield f"{row.id} took {row.completed_at - row.created_at:.1f} s"
        elif said[row.id] != [row.status]:
            yield f"{row.id} is {row.status}, and its feed says {said[row.id]}"


def answered(history: History) -> Iterator[str]:
    """No message fails that nobody cancelled, unless its workers have crashed too often."""
    for row in history.rows.values():
        if row.status == "completed" or row.status not in ENDED:
            continue
        if row.status == "cancelled" and row.cancel_requested_at is not None:
            continue
        if row.crashes >= history.crashes:
            continue
        yield f"{row.id} ended {row.status} ({row.reason or row.error}) after {row.crashes} crashes"


def one_answer_per_key(history: History) -> Iterator[str]:
    """A message that was sent again under its idempotency key has made nothing new."""
    made: dict[str, set[str]] = defaultdict(set)
    for reply in history.replies:
        made[reply.key].add(reply.response_id)
    for key, ids in made.items():
        if len(ids) > 1:
            yield f"the key {key} has made {len(ids)} responses"
    known = set().union(*made.values()) if made else set()
    for response_id in history.rows.keys() - known:
        yield f"{response_id} answers a message that was told to be another"


def text_as_stored(history: History) -> Iterator[str]:
    """Each client holds in the end what the store holds, also by its deltas alone."""
    for view in history.rendered:
        row = history.rows.get(view.response_id)
        if row is None:
            continue
        if not view.ended:
            yield f"{view.client} never saw the end of {row.id}"
        elif view.text != row.text:
            yield f"{view.client} shows {_short(view.text)} of {row.id}, stored {_short(row.text)}"
        elif view.folded != row.text:
            yield f"{view.client} was told {_short(view.folded)} of {row.id} by deltas"


def words_once(history: History) -> Iterator[str]:
    """Answers are numbered words: none is lost, doubled or out of its place."""
    for sent, reply in history.accepted():
        row = history.rows.get(reply.response_id)
        if row is None or sent.words is None:
            continue
        whole = " ".join(f"w{n}" for n in range(sent.words))
        fine = row.text == whole if row.status == "completed" else whole.startswith(row.text)
        if not fine:
            yield f"{row.id} ({row.status}) reads {_short(row.text)}"


def numbers_rise(history: History) -> Iterator[str]:
    """Sequence numbers have no gap within an attempt, and rise."""
    for reading in history.readings:
        wrong = _first_wrong(reading)
        if wrong is not None:
            yield f"{reading.client} was sent {wrong} of {reading.response_id}"


def _first_wrong(reading: Reading) -> str | None:
    last, announced = reading.after, None
    for kind, number in reading.steps:
        if kind == "attempt":
            announced = number
            continue
        if kind == "snapshot":
            if last is not None and number < last:
                return f"a snapshot of {number} after {last}"
            last = number
            continue
        begins = number % SPAN == 0
        if last is None or last < 0:
            if not begins:
                return f"{number} first of all"
        elif number != last + 1 and not (begins and announced == last and number > last):
            return f"{number} after {last}"
        last, announced = number, None
    return None


def no_stale_write(history: History) -> Iterator[str]:
    """Nothing of an attempt is taken once a later one has begun: the end is the last attempt's,
    and no reader sees an earlier one's frames behind it."""
    for row in history.rows.values():
        if row.last_number is None:
            continue
        wrote = attempt_of(row.last_number)
        if wrote != max(1, row.attempt):
            yield f"attempt {wrote} ended {row.id}, whose attempt was {row.attempt}"
    for reading in history.readings:
        attempts = [attempt_of(number) for kind, number in reading.steps if kind == "frame"]
        if attempts != sorted(attempts):
            yield f"{reading.client} saw an earlier attempt write on in {reading.response_id}"


def usage_once(history: History) -> Iterator[str]:
    """One row of usage for each response, and the sums of both are equal."""
    rows = Counter(used.response_id for used in history.used)
    for row in history.rows.values():
        if row.status in ENDED and rows[row.id] != 1:
            yield f"{row.id} has {rows[row.id]} rows of usage"
    kept_of = {used.response_id: used.tokens for used in history.used}
    booked: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for entry in history.ledger:
        booked[entry.response_id].append(entry.tokens)
    for response_id, tokens in booked.items():
        if _sum(tokens) != kept_of.get(response_id, _sum(tokens)):
            yield f"the attempts of {response_id} add up to {_sum(tokens)}, not to its usage"
    for user in {row.user for row in history.rows.values()}:
        told = [r.tokens or (0, 0) for r in history.rows.values() if r.user == user]
        kept = [used.tokens for used in history.used if used.user == user]
        if _sum(told) != _sum(kept):
            yield f"the responses of {user} tell {_sum(told)} tokens, their usage {_sum(kept)}"


def _sum(tokens: Iterable[tuple[int, int]]) -> tuple[int, int]:
    tokens = list(tokens)
    return sum(t for t, _ in tokens), sum(t for _, t in tokens)


def own_events_only(history: History) -> Iterator[str]:
    """Nobody is sent anything of another user."""
    owner = {row.id: row.user for row in history.rows.values()}
    owner |= {s.conversation: s.user for s in history.sent.values() if s.conversation}
    for user, ids in history.seen.items():
        for identifier in sorted(ids):
            if owner.get(identifier, user) != user:
                yield f"{user} was sent {identifier} of {owner[identifier]}"


def conversation_in_order(history: History) -> Iterator[str]:
    """Messages of a conversation are answered in their order, one after the other."""
    talks: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(history.rows.values(), key=lambda row: row.ordinal):
        if row.conversation is not None:
            talks[row.conversation].append(row)
    for talk in talks.values():
        for before, row in itertools.pairwise(talk):
            if row.parent != before.id:
                yield f"{row.id} follows {row.parent}, and was sent after {before.id}"
            elif (
                row.admitted_at is not None
                and before.completed_at is not None
                and row.admitted_at < before.completed_at - CLOCKS
            ):
                yield f"{row.id} was begun before {before.id} had ended"


def cancelled_in_time(history: History) -> Iterator[str]:
    """What is cancelled stops within two seconds, where nothing is broken just then."""
    for row in history.rows.values():
        asked, ended = row.cancel_requested_at, row.completed_at
        if row.status != "cancelled" or asked is None or ended is None:
            continue
        calm = all(
            ended < fault.begun or asked > fault.ended + history.unrest for fault in history.faults
        )
        if calm and ended - asked > CANCELLED_WITHIN:
            yield f"{row.id} went on for {ended - asked:.1f} s after it was cancelled"


def shown_text_stands(history: History) -> Iterator[str]:
    """What was shown is taken back only where the event log itself has been lost."""
    for view in history.rendered:
        row = history.rows.get(view.response_id)
        if not view.restarts or row is None:
            continue
        if not any(f.loses_log and f.ended >= row.created_at for f in history.faults):
            yield f"{view.client} lost its place in {row.id}, though the log lost nothing"


def removed_leave_nothing(history: History) -> Iterator[str]:
    """Of a user whose account was removed there is nothing left, in store, log and keys."""
    yield from history.left


def returns_to_start(history: History) -> Iterator[str]:
    """Queues, connections and memory are in the end what they were."""
    start, end = history.start, history.end
    if start is None or end is None:
        return
    if end.waiting > start.waiting:
        yield f"{end.waiting} rings wait in the queue, at the start {start.waiting}"
    if end.connections > start.connections + POOLS * len(end.nodes):
        yield f"{end.connections} clients are connected, at the start {start.connections}"
    for name, (files, memory) in end.nodes.items():
        files_before, memory_before = start.nodes.get(name, (files, memory))
        if files > files_before + POOLED:
            yield f"{name} has {files} files open, at the start {files_before}"
        if memory > memory_before + WARM:
            yield f"{name} takes {memory:.0f} MiB, at the start {memory_before:.0f}"


def nothing_odd(history: History) -> Iterator[str]:
    """No node ends unasked or meets an error that it does not know."""
    yield from history.odd


INVARIANTS: tuple[Callable[[History], Iterator[str]], ...] = (
    one_terminal_status,
    answered,
    one_answer_per_key,
    text_as_stored,
    words_once,
    numbers_rise,
    no_stale_write,
    usage_once,
    own_events_only,
    conversation_in_order,
    cancelled_in_time,
    shown_text_stands,
    removed_leave_nothing,
    returns_to_start,
    nothing_odd,
)


def violations(history: History) -> dict[str, list[str]]:
    """What is violated, by the invariant's name."""
    found = {invariant.__name__: list(invariant(history)) for invariant in INVARIANTS}
    return {name: words for name, words in found.items() if words}


def _short(text: str) -> str:
    words = text.split()
    if len(words) <= 8:
        return repr(text)
    return f"{' '.join(words[:3])} … {' '.join(words[-3:])} ({len(words)} words)"

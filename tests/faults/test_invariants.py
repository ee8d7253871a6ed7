"""Each invariant finds what it is for in a history made by hand, and nothing in a good one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pytest
from tests.faults.client import SPAN
from tests.faults.history import Fault, History, Levels, Reading, Rendered, Reply, Row, Sent, Used
from tests.faults.invariants import INVARIANTS, violations

ANN, BEN = "user_ann", "user_ben"
TEXT = "w0 w1 w2"


def row(number: int, **changes: object) -> Row:
    made = Row(
        id=f"resp_{number}",
        user=ANN,
        ordinal=number,
        conversation="conv_1",
        parent=None if number == 1 else f"resp_{number - 1}",
        status="completed",
        reason=None,
        error=None,
        created_at=100.0 * number,
        admitted_at=100.0 * number + 1,
        completed_at=100.0 * number + 5,
        cancel_requested_at=None,
        attempt=1,
        crashes=0,
        last_number=9,
        text=TEXT,
        tokens=(4, 3),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def good() -> History:
    """Two messages of one conversation, seen by one client; the second was taken over."""
    history = History(allowed=120.0, unrest=6.0)
    for one in (row(1), row(2, attempt=2, crashes=1, last_number=SPAN + 3)):
        key = f"key-{one.ordinal}"
        history.sent[key] = Sent(key, ANN, "conv_1", 3)
        history.replies.append(Reply(key, one.id, one.created_at))
        history.rows[one.id] = one
        history.used.append(Used(one.id, ANN, (4, 3)))
        history.rendered.append(Rendered("ann/feed", ANN, one.id, True, TEXT, TEXT))
        ended = {"type": "response.ended", "response_id": one.id, "status": "completed"}
        history.feeds.setdefault(ANN, []).append(ended)
        history.saw(ANN, one.id, "conv_1")
    history.ledger = [Used("resp_2", ANN, (2, 1)), Used("resp_2", ANN, (2, 2))]
    frames: list[int] = [*range(10)]
    history.readings = [
        Reading("ann/feed", ANN, "resp_1", None, [("frame", n) for n in frames]),
        Reading(
            "ann/feed",
            ANN,
            "resp_2",
            2,
            [("frame", 3), ("attempt", 3), ("frame", SPAN), ("frame", SPAN + 1)],
        ),
        Reading("ann/feed", ANN, "resp_2", 0, [("snapshot", 4), ("frame", 5)]),
    ]
    history.start = Levels(0, 10, {"api-1": (30, 100.0)})
    history.end = Levels(0, 12, {"api-1": (31, 110.0)})
    return history


def put(history: History, one: Row) -> None:
    history.rows[one.id] = one


def twice_ended(history: History) -> None:
    history.feeds[ANN].append({**history.feeds[ANN][0], "status": "failed"})


def lost(history: History) -> None:
    del history.rows["resp_2"]


def unfinished(history: History) -> None:
    put(history, row(2, status="in_progress", completed_at=None))


def too_late(history: History) -> None:
    put(history, row(1, completed_at=100.0 + 120.0 + 61.0))


def expired(history: History) -> None:
    put(history, row(1, status="failed", error="expired", text=""))


def asked_twice(history: History) -> None:
    history.replies.append(Reply("key-1", "resp_3", 101.0))


def orphaned(history: History) -> None:
    put(history, row(3, conversation=None, parent=None))


def misread(history: History) -> None:
    history.rendered[0] = replace(history.rendered[0], text="w0 w2")


def misfolded(history: History) -> None:
    history.rendered[0] = replace(history.rendered[0], folded="w0 w1 w1 w2")


def never_ended(history: History) -> None:
    history.rendered[0] = replace(history.rendered[0], ended=False)


def doubled(history: History) -> None:
    put(history, row(1, text="w0 w1 w1 w2"))


def strayed(history: History) -> None:
    put(history, row(1, status="cancelled", cancel_requested_at=104.0, text="w0 w2"))


def gap(history: History) -> None:
    history.readings[0].steps.remove(("frame", 4))


def unannounced(history: History) -> None:
    history.readings[1].steps.remove(("attempt", 3))


def goes_back(history: History) -> None:
    history.readings[1].steps.append(("frame", 4))


def stale_end(history: History) -> None:
    put(history, row(1, attempt=2))


def unpaid(history: History) -> None:
    del history.used[0]


def paid_twice(history: History) -> None:
    history.used.append(history.used[0])


def wrong_sum(history: History) -> None:
    history.used[0] = replace(history.used[0], tokens=(4, 4))


def wrong_ledger(history: History) -> None:
    del history.ledger[0]


def leaked(history: History) -> None:
    history.saw(BEN, "resp_1")


def leaked_talk(history: History) -> None:
    history.saw(BEN, "conv_1")


def forked(history: History) -> None:
    put(history, row(2, parent=None))


def overtook(history: History) -> None:
    put(history, row(2, admitted_at=102.0))


def dragged_on(history: History) -> None:
    put(history, row(1, status="cancelled", cancel_requested_at=102.0))


def taken_back(history: History) -> None:
    history.rendered[0] = replace(history.rendered[0], restarts=1)


def remembered(history: History) -> None:
    history.removed.add(BEN)
    history.left.append("responses holds 1 row of user_ben")


def left_in_queue(history: History) -> None:
    history.end = Levels(3, 12, {})


def left_open(history: History) -> None:
    history.end = Levels(0, 200, {"api-1": (31, 110.0)})


def left_files(history: History) -> None:
    history.end = Levels(0, 10, {"api-1": (300, 110.0)})


def left_memory(history: History) -> None:
    history.end = Levels(0, 10, {"api-1": (30, 400.0)})


def crashed(history: History) -> None:
    history.odd.append("api-1 has ended by itself")


BAD: Final[dict[str, tuple[Callable[[History], None], ...]]] = {
    "one_terminal_status": (twice_ended, lost, unfinished, too_late),
    "answered": (expired,),
    "one_answer_per_key": (asked_twice, orphaned),
    "text_as_stored": (misread, misfolded, never_ended),
    "words_once": (doubled, strayed),
    "numbers_rise": (gap, unannounced, goes_back),
    "no_stale_write": (stale_end, goes_back),
    "usage_once": (unpaid, paid_twice, wrong_sum, wrong_ledger),
    "own_events_only": (leaked, leaked_talk),
    "conversation_in_order": (forked, overtook),
    "cancelled_in_time": (dragged_on,),
    "shown_text_stands": (taken_back,),
    "removed_leave_nothing": (remembered,),
    "returns_to_start": (left_in_queue, left_open, left_files, left_memory),
    "nothing_odd": (crashed,),
}
CASES = [(name, spoil) for name, spoils in BAD.items() for spoil in spoils]


def test_a_good_history_violates_nothing() -> None:
    assert violations(good()) == {}


@pytest.mark.parametrize(("name", "spoil"), CASES, ids=lambda case: getattr(case, "__name__", case))
def test_a_bad_one_is_found(name: str, spoil: Callable[[History], None]) -> None:
    history = good()
    spoil(history)
    assert name in violations(history)


def test_each_invariant_has_its_bad_histories() -> None:
    assert set(BAD) == {invariant.__name__ for invariant in INVARIANTS}


def test_a_response_that_crashed_too_often_may_fail() -> None:
    history = good()
    put(history, row(1, status="incomplete", reason="interrupted", crashes=3, text="w0 w1"))
    assert "answered" not in violations(history)


def test_a_lost_log_excuses_what_was_taken_back_since() -> None:
    history = good()
    taken_back(history)
    history.faults.append(Fault("flushall", "Redis", 102.0, 102.1, loses_log=True))
    assert violations(history) == {}
    history.faults[0] = replace(history.faults[0], begun=90.0, ended=90.1)
    assert "shown_text_stands" in violations(history)


def test_a_cancellation_beside_a_fault_may_take_longer() -> None:
    history = good()
    dragged_on(history)
    history.faults.append(Fault("kill_api", "api-1", 97.0, 98.0))
    assert "cancelled_in_time" not in violations(history)
    history.faults[0] = replace(history.faults[0], begun=80.0, ended=81.0)
    assert "cancelled_in_time" in violations(history)

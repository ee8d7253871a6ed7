"""What a long run was and found, in words for the docs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.faults.history import History
from tests.faults.invariants import violations
from tests.faults.schedule import KINDS

PAGE: Final = Path(__file__).parents[2] / "docs" / "faults.md"


@dataclass(frozen=True)
class Round:
    """One seed's run on a cluster of its own. ``lease``, ``seconds``: of its leases, and as long
    as messages were sent."""

    seed: int
    store: str
    lease: float
    seconds: float
    messages: int
    taken_over: int
    cancelled: int
    views: int
    reconnects: int
    faults: Counter[str]
    violated: dict[str, list[str]]


def round_of(history: History, seed: int, store: str, lease: float, seconds: float) -> Round:
    rows = history.rows.values()
    return Round(
        seed=seed,
        store=store,
        lease=lease,
        seconds=seconds,
        messages=len(rows),
        taken_over=sum(row.attempt > 1 for row in rows),
        cancelled=sum(row.status == "cancelled" for row in rows),
        views=len(history.rendered),
        reconnects=len(history.readings),
        faults=history.faults_by_kind(),
        violated=violations(history),
    )


def told(round_: Round) -> str:
    """One line for whoever watches."""
    found = ", ".join(f"{name} ×{len(words)}" for name, words in round_.violated.items())
    return (
        f"seed {round_.seed}: {round_.messages} messages in {round_.seconds:.0f} s over "
        f"{round_.store}, leases of {round_.lease:g} s, {round_.taken_over} taken over, "
        f"{sum(round_.faults.values())} faults; violated: {found or 'nothing'}"
    )


def section(kind: str, rounds: Sequence[Round]) -> str:
    """The kind's part of the report."""
    faults: Counter[str] = Counter()
    for one in rounds:
        faults += one.faults
    violated = sum(len(words) for one in rounds for words in one.violated.values())
    minutes = sum(one.seconds for one in rounds) / 60
    messages = sum(one.messages for one in rounds)
    head = (
        f"{minutes:.1f} minutes of messages and faults, {messages} messages, "
        f"{sum(faults.values())} faults, {violated} violations."
    )
    columns = (
        *("seed", "store", "leases", "seconds", "messages", "taken over", "cancelled", "views"),
        *("connections", "faults", "violated"),
    )
    lines = [f"### {kind}", "", head, "", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for one in rounds:
        names = ", ".join(one.violated) or "none"
        lines.append(
            f"| {one.seed} | {one.store} | {one.lease:g} s | {one.seconds:.0f} | {one.messages} | "
            f"{one.taken_over} | {one.cancelled} | {one.views} | {one.reconnects} | "
            f"{sum(one.faults.values())} | {names} |"
        )
    lines += ["", "Faults: " + ", ".join(f"{n} {name}" for name, n in sorted(faults.items())) + "."]
    return "\n".join(lines)


def written(kind: str, rounds: Sequence[Round], page: str) -> str:
    """The page with this kind's part made anew."""
    begin, end = marks(kind)
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n{section(kind, rounds)}\n{end}{after}"


def marks(kind: str) -> tuple[str, str]:
    """Between which its part lies."""
    assert kind in KINDS
    return f"<!-- {kind} -->", f"<!-- end of {kind} -->"

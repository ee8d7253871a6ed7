"""Fair admission: who of the waiting may run now. Pure; the store applies it in a transaction.

Source of the idea: round-robin over users (max-min fairness), weighted by service tier.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

#: Turns a user of the tier gets for each of a `default` user.
TIER_WEIGHT: Mapping[str, float] = {"flex": 0.5, "default": 1.0, "auto": 1.0, "priority": 2.0}


@dataclass(frozen=True, slots=True)
class Limits:
    """``running`` and ``waiting``: responses of one user; ``capacity``: of all users together."""

    running: int = 2
    waiting: int = 10
    capacity: int = 512


@dataclass(frozen=True, slots=True)
class Waiting:
    """A submitted response that is not admitted, and whose parent (if any) is terminal."""

    response_id: str
    user_id: str
    tier: str = "default"


def admit(waiting: Sequence[Waiting], running: Mapping[str, int], limits: Limits) -> list[str]:
    """Which of ``waiting`` (oldest first) may run, in the order to start them.

    ``running`` counts the admitted, unfinished responses of each user. A user never gets beyond
    ``limits.running`` and all users together never beyond ``limits.capacity``. The next slot
    always goes to the user with the fewest running for their weight; among equals to the one
    whose response has waited longest. So a hundred waiting messages of one user delay another's
    one by at most one slot.
    """
    counts = dict(running)
    free = limits.capacity - sum(counts.values())
    queues: dict[str, list[Waiting]] = {}
    for w in waiting:
        queues.setdefault(w.user_id, []).append(w)
    arrival = {user: index for index, user in enumerate(queues)}
    chosen: list[str] = []
    while free > 0:
        open_users = [u for u in queues if queues[u] and counts.get(u, 0) < limits.running]
        if not open_users:
            break

        def share(user: str) -> tuple[float, int]:
            weight = TIER_WEIGHT.get(queues[user][0].tier, 1.0)
            return counts.get(user, 0) / weight, arrival[user]

        user = min(open_users, key=share)
        chosen.append(queues[user].pop(0).response_id)
        counts[user] = counts.get(user, 0) + 1
        free -= 1
    return chosen

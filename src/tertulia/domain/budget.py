"""The budget of a context: which past turns fit beside what must be sent, in tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

#: Tokens a chat template spends on each message, an upper bound over the common templates.
MESSAGE_OVERHEAD = 6
#: Tokens kept for the answer when the request sets no maximum.
DEFAULT_ANSWER = 1024
#: The least answer worth a call, the standard's minimum of ``max_output_tokens``.
LEAST_ANSWER = 16


@dataclass(frozen=True, slots=True)
class Packed:
    """``kept``: how many of the newest turns fit; ``tokens``: of all that is sent."""

    kept: int
    tokens: int
    fits: bool


def answer_reserve(window: int, asked: int | None) -> int:
    """Tokens to keep free for the answer: what was asked, but never more than half the window."""
    wanted = DEFAULT_ANSWER if asked is None else max(asked, LEAST_ANSWER)
    return max(LEAST_ANSWER, min(wanted, window // 2))


def pack(window: int, reserve: int, fixed: int, turns: Sequence[int]) -> Packed:
    """Keep the newest of ``turns`` (their tokens, oldest first) that fit beside ``fixed``.

    ``fixed`` is what is always sent (instructions, the present message). Turns are kept without
    holes: the first that does not fit ends the memory. ``fits`` is False when even ``fixed`` leaves
    no room for the least answer.
    """
    room = window - reserve - fixed
    if room < 0:  # a long message may use the answer's room down to the least answer
        return Packed(0, fixed, fixed + LEAST_ANSWER <= window)
    kept = used = 0
    for tokens in reversed(turns):
        if used + tokens > room:
            break
        used += tokens
        kept += 1
    return Packed(kept, fixed + used, True)

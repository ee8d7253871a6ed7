"""Identifiers: ``<prefix>_<12 hex of milliseconds><20 hex of randomness>``.

They sort by the time they were made, so that rows of one time lie together in every index, and
hold 80 random bits, so that they cannot be guessed.
"""

from __future__ import annotations

import os
import time
from typing import Final

RESPONSE, CONVERSATION, MESSAGE = "resp", "conv", "msg"
FUNCTION_CALL, FUNCTION_OUTPUT, REASONING = "fc", "fco", "rs"
USER, KEY, LOGIN, CONNECTION, WORKER, JOB = "user", "key", "login", "conn", "worker", "job"

_RANDOM_SIZE: Final = 10
#: Asked of the system at once: asking gives the interpreter up, and winning it back takes longer.
_AT_ONCE: Final = 64
_randoms: list[str] = []
# A child of this process must not make the same ids.
os.register_at_fork(after_in_child=_randoms.clear)


def new_file_id() -> str:
    """With a hyphen, as OpenAI writes it: clients tell a file's id from other strings by it."""
    return new_id("file").replace("_", "-")


def new_id(prefix: str, *, now_ms: int | None = None) -> str:
    """A fresh id. ``now_ms``: Unix time in milliseconds, the present when None."""
    stamp = int(time.time() * 1000) if now_ms is None else now_ms
    return f"{prefix}_{stamp:012x}{_random()}"


def _random() -> str:
    try:
        # Taken by one thread only, each.
        return _randoms.pop()
    except IndexError:
        fresh = os.urandom(_AT_ONCE * _RANDOM_SIZE).hex()
        size = 2 * _RANDOM_SIZE
        _randoms.extend(fresh[at : at + size] for at in range(size, len(fresh), size))
        return fresh[:size]

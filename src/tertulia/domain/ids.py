"""Identifiers: ``<prefix>_<12 hex of milliseconds><20 hex of randomness>``.

They sort by the time they were made, so that rows of one time lie together in every index, and
hold 80 random bits, so that they cannot be guessed.
"""

from __future__ import annotations

import os
import time

RESPONSE, CONVERSATION, MESSAGE = "resp", "conv", "msg"
FUNCTION_CALL, FUNCTION_OUTPUT, REASONING = "fc", "fco", "rs"
USER, KEY, LOGIN, CONNECTION, WORKER, JOB = "user", "key", "login", "conn", "worker", "job"


def new_file_id() -> str:
    """With a hyphen, as OpenAI writes it: clients tell a file's id from other strings by it."""
    return new_id("file").replace("_", "-")


def new_id(prefix: str, *, now_ms: int | None = None) -> str:
    """A fresh id. ``now_ms``: Unix time in milliseconds, the present when None."""
    stamp = int(time.time() * 1000) if now_ms is None else now_ms
    return f"{prefix}_{stamp:012x}{os.urandom(10).hex()}"

"""What upstream, floor and clients agree on: which words an answer has, and when they come; and
how times are told."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import lru_cache

#: Seconds from a request to the first chunk of a paced answer.
FIRST_SECONDS = 0.1

_MODEL = re.compile(r"bench-(\d+)x(\d+)\Z")


class Wrong(Exception):
    """An answer that is not what the model said."""


def model_id(chunks: int, rate: int) -> str:
    """``chunks`` words at ``rate`` a second; rate 0: all of them at once, without delay."""
    return f"bench-{chunks}x{rate}"


def parse_model(model: str) -> tuple[int, int] | None:
    """Chunks and rate of a model's id; None for any other id."""
    match = _MODEL.match(model)
    return (int(match[1]), int(match[2])) if match else None


def tag_of(message: str) -> str:
    """The first word of a message, with which its answer begins, so that no answer is taken for
    another's."""
    return message.split(maxsplit=1)[0][:64] if message.strip() else "none"


def word(index: int) -> str:
    """The text of a chunk that is not the first."""
    return f"w{index} "


@lru_cache(maxsize=16)
def _rest(chunks: int) -> str:
    return "".join(map(word, range(1, chunks)))


def answer(tag: str, chunks: int) -> str:
    """The whole text that a client must have read."""
    return f"{tag} {_rest(chunks)}"


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that ``share`` of all do not exceed; 0 of none."""
    if not ordered:
        return 0.0
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]

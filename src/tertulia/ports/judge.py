"""The moderation port: judges what streams out before anyone sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Verdict:
    """On a text from its beginning.

    ``passed``: so many leading characters may be shown now, whatever comes after them.
    ``category``: set when the text from ``passed`` on must be withheld for good.
    """

    passed: int
    category: str | None = None


class Judge(Protocol):
    async def judge(self, text: str, *, already_passed: int, final: bool) -> Verdict:
        """``text`` is all of an answer so far; its first ``already_passed`` characters are shown.
        With ``final`` nothing more comes, so ``passed`` must reach the end unless withheld."""
        ...

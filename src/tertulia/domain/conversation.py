"""Conversations: trees of responses with a head, and their titles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

#: Where a title comes from, weakest first; a weaker source never replaces a stronger one.
TitleSource = Literal["message", "model", "user"]
TITLE_STRENGTH: Mapping[str | None, int] = {None: 0, "message": 1, "model": 2, "user": 3}

#: Longest title that is derived from a message, in characters.
DERIVED_TITLE_CHARS = 60
#: Ends a derived title that is only the beginning of what was said.
CUT = "…"


# Lists have hundreds of them at once, none in a cycle: nothing for a collector to visit.
class Resource(msgspec.Struct, frozen=True, gc=False):
    """A conversation on the wire. Times are whole Unix seconds."""

    id: str
    object: Literal["conversation"]
    created_at: int
    updated_at: int
    title: str | None
    metadata: dict[str, str]
    head: str | None


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """Times are Unix seconds on the store's clock."""

    id: str
    user_id: str
    created_at: float
    updated_at: float
    title: str | None = None
    title_source: TitleSource | None = None
    metadata: dict[str, str] = {}
    #: The response that ends the branch being shown; None while there is none.
    head: str | None = None

    def resource(self) -> Resource:
        return Resource(
            self.id,
            "conversation",
            int(self.created_at),
            int(self.updated_at),
            self.title,
            self.metadata,
            self.head,
        )


def derived_title(text: str) -> str | None:
    """A title from a message: its first line of words, cut at a word's end. None if it has none."""
    for line in text.splitlines():
        words = line.strip(" \t#>*-`").split()
        if not words:
            continue
        title = " ".join(words)
        if len(title) <= DERIVED_TITLE_CHARS:
            return title
        cut = title[: DERIVED_TITLE_CHARS - 1]
        at_word = cut.rsplit(" ", 1)[0]
        return (at_word if len(at_word) > DERIVED_TITLE_CHARS // 2 else cut) + CUT
    return None

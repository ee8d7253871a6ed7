"""Going on from a prefix with a model that cannot be prefilled.

Such a model is asked in words to continue, and often repeats the last words it sees before it goes
on. `Overlap` drops that repetition from the beginning of what it says.
"""

from __future__ import annotations

PROMPT = (
    "Your answer above was cut off. Continue it exactly from where it stops: begin with the very "
    "next character, repeat nothing, and add no introduction."
)

#: How far back a repetition may begin, and the least that counts as one, in characters; two whole
#: words do, however short.
REACH, LEAST = 400, 8


class Overlap:
    """Holds the beginning of a continuation until it is known what of it is repeated."""

    def __init__(self, prefix: str) -> None:
        self._tail = prefix[-REACH:]
        self._least = min(LEAST, len(self._tail))
        self._held = ""
        self._decided = not prefix

    def push(self, text: str) -> str:
        """More of the continuation; gives what may be shown of it."""
        if self._decided:
            return text
        self._held += text
        if self._held in self._tail:
            return ""  # it may yet turn out to reach the prefix's end
        return self._decide()

    def finish(self) -> str:
        """The continuation has ended: what was still held and is not repeated."""
        return "" if self._decided else self._decide()

    def _decide(self) -> str:
        self._decided = True
        held, self._held = self._held, ""
        longest = min(len(held), len(self._tail))
        for size in range(longest, 0, -1):
            if self._tail.endswith(held[:size]) and (
                size >= self._least or self._is_words(held, size)
            ):
                return held[size:]
        return held

    def _is_words(self, held: str, size: int) -> bool:
        """Whether the first ``size`` characters are two words or more, whole on both sides."""
        before, after = self._tail[: len(self._tail) - size][-1:], held[size : size + 1]
        whole = not before.strip() and not after.strip()
        return whole and len(held[:size].split()) >= 2

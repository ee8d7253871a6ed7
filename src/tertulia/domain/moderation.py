"""What may be shown of a text that is judged while it streams. Pure."""

from __future__ import annotations


class Withholding:
    """The window between what the model said and what was passed.

    ``shown``: text earlier attempts have shown already; it was passed by them.
    """

    def __init__(self, shown: str = "") -> None:
        self._text = shown
        self._passed = len(shown)

    @property
    def text(self) -> str:
        """All that was said, for the judge."""
        return self._text

    @property
    def passed(self) -> int:
        """How many leading characters were released."""
        return self._passed

    def say(self, text: str) -> None:
        """The model said more."""
        self._text += text

    def release(self, passed: int) -> str:
        """The judge passed so many leading characters: gives those not released before.

        A judge never takes back: a smaller number than before releases nothing.
        """
        until = max(self._passed, min(passed, len(self._text)))
        released = self._text[self._passed : until]
        self._passed = until
        return released

"""Hold back what its judge has not passed: the stage between the model and the log."""

from __future__ import annotations

from tertulia.domain.moderation import Withholding
from tertulia.ports.judge import Judge, Verdict


class Gate:
    """One text of one answer on its way out.

    Nothing leaves that the judge has not passed; when it withholds, ``withheld`` names the
    category and nothing leaves any more.
    """

    def __init__(self, judge: Judge, shown: str = "") -> None:
        self._judge = judge
        self._window = Withholding(shown)
        self.withheld: str | None = None

    async def push(self, text: str) -> str:
        """The model said ``text``; gives what may be shown now."""
        if not text or self.withheld is not None:
            return ""
        self._window.say(text)
        return await self._judged(final=False)

    async def finish(self) -> str:
        """The model has ended; gives the rest that may be shown."""
        if self.withheld is not None or self._window.passed == len(self._window.text):
            return ""
        return await self._judged(final=True)

    async def _judged(self, *, final: bool) -> str:
        verdict = await self._judge.judge(
            self._window.text, already_passed=self._window.passed, final=final
        )
        self.withheld = verdict.category
        return self._window.release(verdict.passed)


class TermJudge:
    """Withholds the answer from the first forbidden term on; case does not matter.

    It passes all but the longest end of the text that may be the beginning of a term, so a term
    is caught however it is split.
    """

    def __init__(self, terms: tuple[str, ...], category: str = "term") -> None:
        self._terms = tuple(_folded(t) for t in terms if t)
        self._category = category

    async def judge(self, text: str, *, already_passed: int, final: bool) -> Verdict:
        """See `tertulia.ports.judge.Judge.judge`."""
        folded = _folded(text)
        found = [at for at in (folded.find(t, already_passed) for t in self._terms) if at >= 0]
        if found:
            return Verdict(min(found), self._category)
        if final:
            return Verdict(len(text))
        held = max((_overhang(folded, t) for t in self._terms), default=0)
        return Verdict(len(text) - held)


def _folded(text: str) -> str:
    """Lower case, one character for one: positions must stay what they are."""
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def _overhang(text: str, term: str) -> int:
    """Length of the longest end of ``text`` that begins ``term``."""
    for size in range(min(len(term) - 1, len(text)), 0, -1):
        if text.endswith(term[:size]):
            return size
    return 0

"""The code on docs/how-to/clients.md is that of the scripts which the tests run.

A fence below `<!-- path: regions -->` holds what lies between `region: <name>` and `endregion` of
that script, for each name. `python -m tests.suites.snippets` writes the fences again; a test
compares.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

SUITES = Path(__file__).parent
PAGE = SUITES.parents[1] / "docs" / "how-to" / "clients.md"

_FENCE = re.compile(
    r"(?P<head><!-- tests/suites/(?P<path>\S+): (?P<regions>[\w, -]+) -->\n```\w+\n)"
    r"(?P<code>.*?)(?P<tail>```\n)",
    re.DOTALL,
)


def region(path: Path, name: str) -> str:
    """The lines between the marks, without the indent they share."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    marks = [line.strip().lstrip("#/ ") for line in lines]
    start = marks.index(f"region: {name}")
    end = marks.index("endregion", start)
    return textwrap.dedent("".join(lines[start + 1 : end])).strip("\n") + "\n"


def included(page: str) -> str:
    """The page with every fence as its script has it now."""
    return _FENCE.sub(
        lambda found: (
            found["head"]
            + "\n".join(region(SUITES / found["path"], n) for n in found["regions"].split(", "))
            + found["tail"]
        ),
        page,
    )


def shown(page: str) -> set[str]:
    """The scripts that the page shows a part of."""
    return {found["path"] for found in _FENCE.finditer(page)}


if __name__ == "__main__":
    PAGE.write_text(included(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

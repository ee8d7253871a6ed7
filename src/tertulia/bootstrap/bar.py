"""A progress bar for downloads, on a terminal; elsewhere one line says what is fetched."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar


@contextmanager
def bar(what: str) -> Iterator[Callable[[int, int | None, str], None]]:
    """Gives the callback that a download tells (bytes done, bytes in all if known, phase)."""
    with ExitStack() as shown:
        bars: dict[str, ProgressBar[int]] = {}

        def tell(done: int, total: int | None, phase: str) -> None:
            if total is None:  # no part of an unknown whole can be shown
                return
            if phase not in bars:
                shown.close()
                made = click.progressbar(length=total, label=f"{phase} {what}", file=sys.stderr)
                bars[phase] = shown.enter_context(made)
            bars[phase].update(done - bars[phase].pos)

        yield tell

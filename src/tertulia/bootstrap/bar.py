"""A progress bar for downloads, on a terminal; plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn


@contextmanager
def bar(what: str) -> Iterator[Callable[[int, int | None, str], None]]:
    """Gives the callback that a download tells (bytes done, bytes in all if known, phase)."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, TransferSpeedColumn(), console=console) as progress:
        task = progress.add_task(what, total=None)

        def tell(done: int, total: int | None, phase: str) -> None:
            progress.update(task, completed=done, total=total, description=f"{phase} {what}")

        yield tell

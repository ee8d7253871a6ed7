"""How far a pull is, and the hash that ends it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

Phase = Literal["waiting", "downloading", "extracting", "checking"]

#: Called with bytes done, bytes in all (None: not known) and what is going on; from the event
#: loop's thread or another.
Progress = Callable[[int, int | None, Phase], None]


def ignore(done: int, total: int | None, phase: Phase) -> None:
    """The progress of a pull that nobody watches."""


def file_sha256(path: Path, progress: Progress = ignore) -> str:
    """Hex digest; blocks for as long as reading the file takes."""
    size = path.stat().st_size
    digest = hashlib.sha256()
    done = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
            done += len(block)
            progress(done, size, "checking")
    return digest.hexdigest()

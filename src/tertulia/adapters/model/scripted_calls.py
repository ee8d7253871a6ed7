"""The record of the scripted model's calls: which call wrote which words.

Takeover tests read it: words before the cut were written by call 1, those after it by call 2,
and call 2 was sent exactly the logged text. Given a file it survives SIGKILL: a start, every
batch and the end are each one appended line, and a new process reads them back first.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

_OWN_WORDS = re.compile(r"(?:\s?w\d+)*\s?")

Ended = Literal["finished", "cancelled", "failed"]


@dataclass(slots=True)
class CallRecord:
    """One call. Words are numbered by their place in the whole answer, prefix included."""

    number: int
    model: str
    response_id: str
    attempt: int
    entries: int
    prefix: str
    #: Kind and size of each image that it was given.
    images: list[str] = field(default_factory=list)
    first: int | None = None
    last: int | None = None
    #: None while it runs, and for ever if its process was killed.
    ended: Ended | None = None


class CallLog:
    """The newest ``limit`` calls; one for each process (or for each file)."""

    def __init__(self, path: Path | None = None, *, limit: int = 1000) -> None:
        self._records: deque[CallRecord] = deque(maxlen=limit)
        self._path = path
        self._next = 1
        if path is not None and path.exists():
            self._read(path)

    def begin(
        self,
        *,
        model: str,
        response_id: str,
        attempt: int,
        entries: int,
        prefix: str,
        images: Sequence[str] = (),
    ) -> CallRecord:
        record = CallRecord(self._next, model, response_id, attempt, entries, prefix, list(images))
        self._next += 1
        self._records.append(record)
        line = asdict(record)
        if not _OWN_WORDS.fullmatch(prefix):
            # Talk never reaches the disk unsealed; only the model's own numbered words may.
            line["prefix"] = f"({len(prefix)} characters)"
        self._append(line)
        return record

    def wrote(self, record: CallRecord, first: int, last: int) -> None:
        record.first = first if record.first is None else record.first
        record.last = last
        self._append({"number": record.number, "first": record.first, "last": last})

    def end(self, record: CallRecord, ended: Ended) -> None:
        record.ended = ended
        self._append({"number": record.number, "ended": ended})

    def calls(self) -> list[CallRecord]:
        """Oldest first."""
        return list(self._records)

    def _append(self, line: dict[str, Any]) -> None:
        if self._path is None:
            return
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def _read(self, path: Path) -> None:
        known: dict[int, CallRecord] = {}
        content = path.read_text(encoding="utf-8")
        if content and not content.endswith("\n"):
            with path.open("a", encoding="utf-8") as file:
                file.write("\n")
        for text in content.splitlines():
            try:
                line: dict[str, Any] = json.loads(text)
            except ValueError:
                continue  # the last line of a killed process may be half written
            number = line["number"]
            if "model" in line:
                known[number] = CallRecord(**line)
                self._records.append(known[number])
                self._next = number + 1
            elif number in known:
                for name, value in line.items():
                    setattr(known[number], name, value)

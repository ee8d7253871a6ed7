"""Finding words where none may be: in every byte of files, in the forms text takes on a disk."""

from __future__ import annotations

import base64
import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_CHUNK = 4 << 20
#: Shorter patterns are found by chance.
_MIN_PATTERN = 8


@dataclass(frozen=True, order=True)
class Hit:
    path: str
    canary: str
    form: str
    offset: int


def scan(paths: Iterable[Path], canaries: Iterable[str]) -> list[Hit]:
    """Where any of ``canaries`` is found in these files, and in all files below these folders.

    Raises:
        OSError: a file is there and cannot be read: silence would pass for absence.
        ValueError: a canary is too short to be told from chance.
    """
    patterns = [(c, form, found) for c in canaries for form, found in forms(c).items()]
    return sorted(hit for path in paths for file in _files(path) for hit in _search(file, patterns))


def open_files(pid: int) -> list[Path]:
    """The regular files a process holds open (Linux), those without a name any more included."""
    found = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            mode = entry.stat().st_mode
        except FileNotFoundError:  # closed since we looked
            continue
        if stat.S_ISREG(mode):
            found.append(entry)
    return found


def forms(canary: str) -> Mapping[str, bytes]:
    """What ``canary`` looks like in each form, by the form's name.

    Raises:
        ValueError: it is too short.
    """
    raw = canary.encode()
    escaped = json.dumps(canary)[1:-1]
    made = {
        "raw": raw,
        "JSON": json.dumps(canary, ensure_ascii=False)[1:-1].encode(),
        "JSON, ASCII": escaped.encode(),
        "JSON in JSON": json.dumps(escaped)[1:-1].encode(),
        "hex": raw.hex().encode(),
        "HEX": raw.hex().upper().encode(),
        "UTF-16 LE": canary.encode("utf-16-le"),
        "UTF-16 BE": canary.encode("utf-16-be"),
    }
    for shift in range(3):
        plain = _base64_core(raw, shift)
        made[f"base64, alignment {shift}"] = plain
        made[f"base64 for URLs, alignment {shift}"] = plain.translate(bytes.maketrans(b"+/", b"-_"))
    if min(map(len, made.values())) < _MIN_PATTERN:
        raise ValueError(f"{canary!r} is too short a canary")
    # The same bytes by another name are searched for once.
    return {form: found for found, form in reversed({v: k for k, v in made.items()}.items())}


def _base64_core(raw: bytes, shift: int) -> bytes:
    """The characters that depend on ``raw`` alone, when ``shift`` bytes (mod 3) come before."""
    encoded = base64.b64encode(bytes(shift) + raw)
    return encoded[-(-shift * 8 // 6) : (shift + len(raw)) * 8 // 6]


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        for folder, _, names in os.walk(path):
            for name in names:
                file = Path(folder, name)
                if stat.S_ISREG(file.lstat().st_mode):
                    yield file
    elif path.exists():
        yield path


def _search(file: Path, patterns: list[tuple[str, str, bytes]]) -> Iterator[Hit]:
    overlap = max((len(found) for _, _, found in patterns), default=1) - 1
    # Opening an entry of /proc opens the file anew, for reading, whatever its owner does with it.
    with file.open("rb") as opened:
        start, tail = 0, b""
        while chunk := opened.read(_CHUNK):
            held = tail + chunk
            for canary, form, pattern in patterns:
                at = held.find(pattern)
                while at >= 0:
                    # What lies wholly in the overlap was told with the chunk before.
                    if at + len(pattern) > len(tail):
                        yield Hit(str(file), canary, form, start + at)
                    at = held.find(pattern, at + 1)
            tail = held[-overlap:] if overlap else b""
            start += len(held) - len(tail)

"""The output of a response so far, cut into pages: what a reader gets instead of its deltas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

#: An item, or a part of one, as a plain JSON object.
Json = dict[str, Any]


def pages(output: Sequence[Json], size: int) -> list[list[Json]]:
    """Pages of at most ``size`` characters of text; at least one, which may be empty.

    The first page replaces what a reader holds. Each later one appends: what it says of an item
    whose id is there already is added to it, text to text, parts and arguments by their place.
    """
    result: list[list[Json]] = [[]]
    room = size
    for item in output:
        rest: Json | None = item
        while rest is not None:
            if room <= 0:
                result.append([])
                room = size
            head, rest = _cut(rest, room)
            result[-1].append(head)
            room -= _length(head)
    return result


def _length(item: Json) -> int:
    texts = sum(len(part.get("text", "")) for part in item.get("content") or ())
    return texts + len(item.get("arguments", ""))


def _cut(item: Json, room: int) -> tuple[Json, Json | None]:
    """An item's first ``room`` characters, and what is left to append to them."""
    arguments = item.get("arguments", "")
    if len(arguments) > room:
        return {**item, "arguments": arguments[:room]}, {**item, "arguments": arguments[room:]}
    parts = item.get("content") or []
    for index, part in enumerate(parts):
        text = part.get("text", "")
        if len(text) <= room:
            room -= len(text)
            continue
        head = [*parts[:index], {**part, "text": text[:room]}]
        # Parts are appended by their place, so those that are through stand there with nothing.
        through = [{**p, "text": ""} if "text" in p else p for p in parts[:index]]
        left = [*through, {**part, "text": text[room:]}, *parts[index + 1 :]]
        rest = {**item, "content": left}
        if item.get("summary"):
            rest["summary"] = []
        return {**item, "content": head}, rest
    return item, None

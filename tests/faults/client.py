"""A faithful client, without I/O: what one device holds of one response.

Written from the rules of "The wire", not from the server's sources: a frame is applied iff its
number is the next one, or it is the first of an attempt that was announced to go on from what is
held; what is held already is dropped; anything else is a gap, and asked for again.
"""

from __future__ import annotations

from typing import Any, Literal

#: Attempt *a* counts from (a − 1) times this.
SPAN = 1 << 20
TERMINAL = frozenset({"response.completed", "response.failed", "response.incomplete"})

Step = Literal["held", "resubscribe"]
Json = dict[str, Any]


def attempt_of(number: int) -> int:
    return number // SPAN + 1


class View:
    """``folded`` is the text put together from deltas and snapshots; ``text`` what is shown, which
    is the terminal event's once that has come."""

    def __init__(self) -> None:
        self.last: int | None = None
        self.status = "queued"
        self.items: list[Json] = []
        self.ended = False
        #: The terminal event's text, where it told any.
        self.told: str | None = None
        #: How often the position was lost and all was read again.
        self.restarts = 0
        self._announced: tuple[int, int] | None = None
        self._pages: tuple[int, int, list[Json]] | None = None

    @property
    def folded(self) -> str:
        return text_of(self.items)

    @property
    def text(self) -> str:
        return self.folded if self.told is None else self.told

    def restart(self) -> None:
        """`position_lost`: read from the start, which replaces what is held."""
        self.last, self._announced, self._pages = None, None, None
        self.restarts += 1

    def retrieved(self, resource: Json) -> None:
        """The response as it stands, instead of its stream."""
        self.items = resource["output"]
        self.told = text_of(self.items)
        self.status, self.ended = resource["status"], True

    def apply(self, event: Json) -> Step:
        """One event as it came."""
        if self.ended:
            return "held"
        kind: str = event["type"]
        if kind.startswith("tertulia:"):
            return self._ours(kind, event)
        number = event.get("sequence_number")
        if not isinstance(number, int) or kind == "error":
            return "held"
        if self.last is not None and number <= self.last:
            return "held"
        if not self._follows(number):
            return "resubscribe"
        if self.last is None:
            self.items = []
        self.last, self._announced, self._pages = number, None, None
        self._fold(kind, event)
        return "held"

    def _follows(self, number: int) -> bool:
        if self.last is None:
            return number % SPAN == 0
        begins = (attempt_of(number), self.last)
        return number == self.last + 1 or (number % SPAN == 0 and self._announced == begins)

    def _ours(self, kind: str, event: Json) -> Step:
        if kind == "tertulia:attempt":
            after, last = event["after"], -1 if self.last is None else self.last
            if after > last:
                return "resubscribe"
            if after == last:
                self._announced = (event["attempt"], after)
        elif kind == "tertulia:snapshot":
            return self._snapshot(event)
        return "held"

    def _snapshot(self, event: Json) -> Step:
        after, page, output = event["after"], event["page"], event["output"]
        if self.last is not None and after < self.last:
            return "held"
        if page == 0:
            self._pages = (after, 0, output)
        elif self._pages is None or self._pages[:2] != (after, page - 1):
            self._pages = None
            return "resubscribe"
        else:
            self._pages = (after, page, appended(self._pages[2], output))
        if page + 1 == event["pages"]:
            self.items = self._pages[2]
            self.last, self._announced, self._pages = after, None, None
            self.status = "in_progress" if self.items else self.status
        return "held"

    def _fold(self, kind: str, event: Json) -> None:
        if kind == "response.created":
            self.items = []
        if kind in TERMINAL:
            resource = event["response"]
            if resource["output"]:
                self.told = text_of(resource["output"])
            self.ended = True
        if "response" in event:
            self.status = event["response"]["status"]
        elif kind == "response.output_item.added":
            if event["output_index"] == len(self.items):
                self.items.append({**event["item"], "content": []})
        elif kind == "response.content_part.added":
            parts = self.items[event["output_index"]]["content"]
            if event["content_index"] == len(parts):
                parts.append(dict(event["part"]))
        elif kind == "response.output_text.delta":
            self.items[event["output_index"]]["content"][event["content_index"]]["text"] += event[
                "delta"
            ]


def text_of(items: list[Json]) -> str:
    """All that is said in messages."""
    return "".join(
        part.get("text", "")
        for item in items
        if item["type"] == "message"
        for part in item.get("content", ())
        if part["type"] == "output_text"
    )


def appended(items: list[Json], more: list[Json]) -> list[Json]:
    """A later page: what it says of an item that is there is added to it, part by part."""
    result = [dict(item) for item in items]
    places = {item["id"]: index for index, item in enumerate(result)}
    for item in more:
        index = places.get(item["id"])
        if index is None:
            result.append(dict(item))
            continue
        held, parts = result[index], [dict(part) for part in result[index].get("content") or ()]
        for place, part in enumerate(item.get("content") or ()):
            if place < len(parts):
                parts[place]["text"] = parts[place].get("text", "") + part.get("text", "")
            else:
                parts.append(dict(part))
        result[index] = {**held, "content": parts}
    return result

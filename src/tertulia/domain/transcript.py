"""The fold of a response's frames: what a reader that applied them all would hold.

One pure reducer for takeover, snapshots and tests; the web client has its twin, and both replay
``tests/golden``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from tertulia.domain.frame import TERMINAL_EVENTS, Frame, follows
from tertulia.domain.item import Item

_decode = msgspec.json.Decoder().decode


class Gap(Exception):
    """A frame came that does not follow the last one: subscribe again from `last`."""

    def __init__(self, last: int | None) -> None:
        super().__init__(f"the next frame does not follow {last}")
        self.last = last


class Transcript:
    """Holds the response so far; `apply` goes on one frame."""

    def __init__(self) -> None:
        #: Number of the last frame applied.
        self.last: int | None = None
        self.status: str | None = None
        #: The resource of the last event that carried one.
        self.response: dict[str, Any] | None = None
        #: Output items as plain JSON objects, deltas folded in.
        self.items: list[dict[str, Any]] = []
        #: Ids of the items that have ended.
        self.closed: set[str] = set()
        self.kinds: set[str] = set()

    def apply(self, frame: Frame) -> bool:
        """Apply one frame; False when it was held already.

        Raises:
            Gap: frames between are missing.
        """
        if self.last is not None and frame.sequence_number <= self.last:
            return False
        if not follows(self.last, frame):
            raise Gap(self.last)
        if self.last is None or frame.kind == "response.created":
            self.items.clear()
            self.closed.clear()
        self._fold(frame.kind, _decode(frame.data))
        self.kinds.add(frame.kind)
        self.last = frame.sequence_number
        return True

    def extend(self, frames: Iterable[Frame]) -> None:
        """Apply many."""
        for frame in frames:
            self.apply(frame)

    def _fold(self, kind: str, event: dict[str, Any]) -> None:
        if "response" in event:
            self.response = event["response"]
            self.status = event["response"]["status"]
            if kind in TERMINAL_EVENTS and event["response"]["output"]:
                self.items = event["response"]["output"]
        elif kind == "response.output_item.added":
            if event["output_index"] == len(self.items):  # else announced once more
                self.items.append(event["item"])
        elif kind == "response.output_item.done":
            self.items[event["output_index"]] = event["item"]
            self.closed.add(event["item"]["id"])
        elif kind == "response.content_part.added":
            parts = self.items[event["output_index"]].setdefault("content", [])
            if event["content_index"] == len(parts):
                parts.append(event["part"])
        elif kind in ("response.output_text.delta", "response.reasoning.delta"):
            item = self.items[event["output_index"]]
            item["content"][event["content_index"]]["text"] += event["delta"]
        elif kind == "response.function_call_arguments.delta":
            self.items[event["output_index"]]["arguments"] += event["delta"]

    @property
    def text(self) -> str:
        """All output text, items and parts joined."""
        return "".join(
            part.get("text", "")
            for item in self.items
            if item["type"] == "message"
            for part in item.get("content", ())
            if part["type"] == "output_text"
        )

    def output(self) -> tuple[Item, ...]:
        """The items as structures."""
        return msgspec.convert(self.items, tuple[Item, ...])

    @property
    def open_item(self) -> dict[str, Any] | None:
        """The item that has begun and not ended, if any."""
        return next((i for i in reversed(self.items) if i["id"] not in self.closed), None)

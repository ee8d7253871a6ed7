"""From what a model generates to the frames of its response.

A `Composer` is the writing side of one attempt: it knows which items and parts are open, numbers
every frame, and takes a response over from the frames another attempt has left. Pure: it is fed
text and gives frames; who appends them, and when, is not its business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from tertulia.domain import event
from tertulia.domain.frame import Frame, first_number
from tertulia.domain.ids import FUNCTION_CALL, MESSAGE, REASONING, new_id
from tertulia.domain.item import (
    FunctionCall,
    Item,
    ItemStatus,
    Message,
    OutputText,
    Reasoning,
    ReasoningText,
)
from tertulia.domain.response import Response, resource
from tertulia.domain.transcript import Transcript

#: Events that say nothing of the output but that there is none yet, or what was there before.
_OPENING = frozenset({"response.created", "response.queued", "response.in_progress"})


class Composer:
    """The output of one attempt.

    ``held``: all frames the log has of earlier attempts (for the first attempt, the opening
    frames). What they say stands: item ids, indexes and text go on from there.
    """

    def __init__(
        self,
        response: Response,
        held: Sequence[Frame],
        *,
        make_id: Callable[[str], str] = new_id,
    ) -> None:
        self._response = response
        self._make_id = make_id
        last = held[-1].sequence_number if held else None
        self._kinds = {frame.kind for frame in held}
        self._items: list[Item] = []
        self._closed = 0
        if not self._kinds <= _OPENING:
            seen = Transcript()
            seen.extend(held)
            self._items += seen.output()
            self._closed = len(self._items) - (seen.open_item is not None)
        own = bool(held) and held[-1].attempt == response.attempt
        self._begun = own and held[-1].kind == "response.in_progress"
        if last is not None and own:
            self._number = last + 1
            self._continues = None
        else:
            self._number = first_number(response.attempt)
            self._continues = last
        #: Text of the open message that earlier attempts wrote.
        self.prefix = self._open_text()
        self._text: list[str] = []
        self._delta: event.DeltaEncoder | None = None
        self._calls: dict[int, int] = {}
        if isinstance(self._open, Message) and self._open.content:
            self._text = [self.prefix]
            self._delta = event.text_deltas(self._open.id, len(self._items) - 1, 0)

    # --- what stands -----------------------------------------------------------------------

    @property
    def _open(self) -> Item | None:
        return self._items[-1] if self._closed < len(self._items) else None

    def _open_text(self) -> str:
        return self._open.text if isinstance(self._open, Message) else ""

    @property
    def resumable(self) -> bool:
        """False when the open item cannot be continued: a function call or reasoning."""
        return self._open is None or isinstance(self._open, Message)

    @property
    def complete(self) -> bool:
        """True when an earlier attempt had ended every item it began (and began one)."""
        return bool(self._items) and self._open is None

    @property
    def cut_short(self) -> bool:
        """Whether the last item ended as ``incomplete``."""
        return bool(self._items) and self._items[-1].status == "incomplete"

    @property
    def shown(self) -> bool:
        """Whether readers have seen any output."""
        return bool(self._items)

    @property
    def next_number(self) -> int:
        return self._number

    @property
    def text(self) -> str:
        """Text of the open message so far, the prefix included."""
        return "".join(self._text)

    @property
    def output(self) -> tuple[Item, ...]:
        """The items as they stand now."""
        return tuple(self._items[: self._closed]) + (
            () if self._open is None else (self._now(self._open, "in_progress"),)
        )

    # --- frames ----------------------------------------------------------------------------

    def _frame(self, kind: str, body: dict[str, Any]) -> Frame:
        made = event.frame(self._number, kind, body, self._continues)
        self._number += 1
        self._continues = None
        return made

    def _deltas(self, text: str) -> Frame:
        if self._delta is None:
            raise ValueError("the reasoning of an earlier attempt cannot be continued")
        self._text.append(text)
        made = self._delta(self._number, text)
        self._number += 1
        return made

    def begin(self) -> list[Frame]:
        """What readers see before this attempt's first word: opening frames that a lost log no
        longer holds, and ``response.in_progress`` with the output so far.

        Every attempt begins with it, so that its terminal frame is never its first one and can
        be derived from the row alone. Nothing, if the attempt has begun already.
        """
        if self._begun:
            return []
        frames = []
        if "response.created" not in self._kinds:
            shown = {"response": resource(msgspec.structs.replace(self._response, status="queued"))}
            frames = [
                self._frame("response.created", shown),
                self._frame("response.queued", shown),
            ]
        shown = {"response": resource(self._response, self.output)}
        frames.append(self._frame("response.in_progress", shown))
        return frames

    def write(self, text: str) -> list[Frame]:
        """More text of the answer."""
        frames: list[Frame] = []
        if not isinstance(self._open, Message):
            frames = self._close_open("completed")
            message = Message(
                id=self._make_id(MESSAGE), role="assistant", content=(), status="in_progress"
            )
            frames.append(self._added(message))
        if self._delta is None:  # a new message, or one that was cut off before its part
            frames.append(self._text_part())
        frames.append(self._deltas(text))
        return frames

    def think(self, text: str) -> list[Frame]:
        """More of the model's reasoning."""
        frames: list[Frame] = []
        if not isinstance(self._open, Reasoning):
            frames = self._close_open("completed")
            item = Reasoning(id=self._make_id(REASONING), status="in_progress")
            index = len(self._items)
            frames.append(self._added(item))
            part = ReasoningText(text="")
            self._items[index] = msgspec.structs.replace(item, content=(part,))
            place = {"item_id": item.id, "output_index": index, "content_index": 0}
            frames.append(self._frame("response.content_part.added", {**place, "part": part}))
            self._delta = event.reasoning_deltas(item.id, index)
            self._text = []
        frames.append(self._deltas(text))
        return frames

    def call(self, index: int, call_id: str | None, name: str | None, args: str) -> list[Frame]:
        """More of the function call that the model numbers ``index``."""
        frames: list[Frame] = []
        if index not in self._calls:
            frames = self._close_open("completed")
            item = FunctionCall(
                id=self._make_id(FUNCTION_CALL),
                call_id=call_id or self._make_id("call"),
                name=name or "",
                arguments="",
                status="in_progress",
            )
            self._calls[index] = len(self._items)
            frames.append(self._added(item))
            self._delta = event.argument_deltas(item.id, self._calls[index])
            self._text = []
        if args:
            if self._calls[index] != len(self._items) - 1:
                raise ValueError("a function call went on after the next item had begun")
            frames.append(self._deltas(args))
        return frames

    def end(self, status: ItemStatus) -> list[Frame]:
        """End the open item, if any; the terminal frame comes from the row."""
        return self._close_open(status)

    # --- items -----------------------------------------------------------------------------

    def _text_part(self) -> Frame:
        """Begin the open message's one part."""
        index = len(self._items) - 1
        message, part = self._items[index], OutputText(text="")
        self._items[index] = msgspec.structs.replace(message, content=(part,))
        self._delta, self._text = event.text_deltas(message.id, index, 0), []
        place = {"item_id": message.id, "output_index": index, "content_index": 0}
        return self._frame("response.content_part.added", {**place, "part": part})

    def _added(self, item: Item) -> Frame:
        frame = self._frame(
            "response.output_item.added", {"output_index": len(self._items), "item": item}
        )
        self._items.append(item)
        return frame

    def _now(self, item: Item, status: ItemStatus) -> Item:
        """The open item with what was written into it."""
        text = "".join(self._text)
        if isinstance(item, Message):
            content = (OutputText(text=text),) if item.content else ()
            return msgspec.structs.replace(item, content=content, status=status)
        if isinstance(item, FunctionCall):
            return msgspec.structs.replace(item, arguments=text or item.arguments, status=status)
        if isinstance(item, Reasoning):
            parts = (ReasoningText(text=text),) if text else item.content
            return msgspec.structs.replace(item, content=parts, status=status)
        raise TypeError(f"a model does not write {type(item).__name__}")

    def _close_open(self, status: ItemStatus) -> list[Frame]:
        item = self._open
        if item is None:
            return []
        index = len(self._items) - 1
        ended = self._now(item, status)
        self._items[index] = ended
        self._closed = len(self._items)
        self._delta = None
        self._text = []
        return [self._frame(kind, body) for kind, body in event.done_events(ended, index)]

"""The function calls of one answer: only what the request allows, and one after the other.

Servers may send parallel calls in turns, a piece of each. Our items begin and end in order, so the
first call is streamed, and what comes of later ones waits until the first is complete.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from tertulia.domain.ids import new_id
from tertulia.domain.item import ItemStatus
from tertulia.domain.promise import BAD_ARGUMENTS, NOT_ALLOWED, Promise, is_object
from tertulia.errors import ModelError, ModelGarbage
from tertulia.ports.model import ToolCallChunk

#: The longest id of a call that the standard takes back.
_LONGEST_ID = 64


@dataclass(slots=True)
class _Call:
    index: int
    call_id: str
    name: str
    #: Arguments so far, and those among them that are still to be shown.
    arguments: list[str] = field(default_factory=list)
    unshown: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        if not self.arguments or not self.arguments[-1].rstrip().endswith("}"):
            return False  # most often this saves reading them all
        return is_object("".join(self.arguments))


class Calls:
    """``show`` is given the index, id and name of a call and more of its arguments, first of all
    the empty string; ``end`` ends the call shown last."""

    def __init__(
        self,
        promise: Promise,
        taken: set[str],
        *,
        show: Callable[[int, str, str, str], None],
        end: Callable[[ItemStatus], None],
    ) -> None:
        self._promise = promise
        self._taken = taken
        self._show = show
        self._end = end
        self._open: deque[_Call] = deque()
        #: By the model's index; None: passed over.
        self._known: dict[int, _Call | None] = {}
        self._count = 0

    def knows(self, index: int) -> bool:
        return index in self._known

    def begin(self, chunk: ToolCallChunk) -> None:
        """The first chunk of a call.

        Raises:
            ModelError: the request does not allow it (``tool_not_allowed``).
        """
        promise = self._promise
        if promise.most is not None and self._count >= promise.most:
            self._known[chunk.index] = None
            return
        if chunk.name is None or chunk.name not in promise.allowed:
            raise ModelError(NOT_ALLOWED.message, code=NOT_ALLOWED.code)
        self._count += 1
        call = _Call(chunk.index, self._own_id(chunk.call_id), chunk.name)
        self._known[chunk.index] = call
        self._open.append(call)
        if len(self._open) == 1:
            self._reveal(call)
        else:
            self._advance()

    def write(self, index: int, arguments: str) -> None:
        """More arguments of a call that has begun.

        Raises:
            ModelError: a strict call before it ends with arguments that break its schema.
            ModelGarbage: the call has ended.
        """
        call = self._known[index]
        if call is None or not arguments:
            return
        if call not in self._open:
            if not arguments.strip():
                return
            raise ModelGarbage("The model went on with a function call that was complete.")
        call.arguments.append(arguments)
        if call is not self._open[0]:
            call.unshown.append(arguments)
            return
        self._show(call.index, call.call_id, call.name, arguments)
        if len(self._open) > 1:
            self._advance()

    def settle(self) -> bool:
        """End the calls, if all that have begun are complete: the model has gone on to something
        else. False: more of them is to come."""
        if not all(call.complete for call in self._open):
            return False
        self.finish(cut=False)
        return True

    def finish(self, *, cut: bool) -> None:
        """The model has ended; where it was ``cut`` short, what is not complete ends incomplete."""
        while self._open:
            self._close(cut=cut and not self._open[0].complete)

    def _advance(self) -> None:
        """End calls that are complete and have another behind them."""
        while len(self._open) > 1 and self._open[0].complete:
            self._close(cut=False)

    def _close(self, *, cut: bool) -> None:
        call = self._open.popleft()
        arguments = "".join(call.arguments)
        if not arguments and not cut:
            # A function without parameters: some servers send no arguments at all.
            arguments = "{}"
            self._show(call.index, call.call_id, call.name, arguments)
        kept = cut or self._promise.kept_by_arguments(call.name, arguments)
        self._end("completed" if kept and not cut else "incomplete")
        if not kept:
            raise ModelError(BAD_ARGUMENTS.message, code=BAD_ARGUMENTS.code)
        if self._open:
            self._reveal(self._open[0])

    def _reveal(self, call: _Call) -> None:
        """Begin to show a call, with what of it has waited."""
        self._show(call.index, call.call_id, call.name, "")
        text, call.unshown = "".join(call.unshown), []
        if text:
            self._show(call.index, call.call_id, call.name, text)

    def _own_id(self, given: str | None) -> str:
        """The server's id; one of ours where it has none, or one that another call has."""
        call_id = given or ""
        if not call_id or call_id in self._taken or len(call_id) > _LONGEST_ID:
            call_id = new_id("call")
        self._taken.add(call_id)
        return call_id

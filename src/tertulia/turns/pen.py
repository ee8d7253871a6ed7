"""From a model's chunks to frames in the log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import cast

from tertulia.domain.compose import Composer
from tertulia.domain.continuation import Overlap
from tertulia.domain.item import FunctionCall, ItemStatus
from tertulia.domain.promise import Promise
from tertulia.ports.model import Chunk, ReasoningChunk, TextChunk, ToolCall, ToolCallChunk
from tertulia.turns.append import Coalescer, Key, LogWriter
from tertulia.turns.calls import Calls
from tertulia.turns.context import Context
from tertulia.turns.moderate import Gate
from tertulia.turns.parts import Parts


class Pen:
    """Chunks on their way: overlap dropped, calls checked and put in order, judged, coalesced,
    composed, appended."""

    def __init__(
        self,
        parts: Parts,
        composer: Composer,
        writer: LogWriter,
        context: Context,
        promise: Promise,
        on_shown: Callable[[], None] | None = None,
    ) -> None:
        #: Called once readers can have the first of what is written here.
        self._on_shown = on_shown
        self._composer = composer
        self._writer = writer
        self._overlap = Overlap(context.repeated)
        judge = parts.judge
        self._gates = (
            {"text": Gate(judge, composer.prefix), "reasoning": Gate(judge)} if judge else {}
        )
        self._coalescer = Coalescer(
            self._emit,
            pace=parts.pace,
            max_bytes=parts.timing.flush_bytes,
            busy=lambda: writer.busy,
        )
        taken = {e.call_id for e in context.call.entries if isinstance(e, ToolCall)}
        taken |= {i.call_id for i in composer.output if isinstance(i, FunctionCall)}
        self._calls = Calls(promise, taken, show=self._show, end=self._end)
        #: Whether what comes now may stand between calls.
        self.calling = False
        self._names: dict[int, tuple[str, str]] = {}
        #: What came between calls that are not complete; it is shown after them.
        self._held: list[TextChunk | ReasoningChunk] = []
        #: Everything the model said in this attempt, for counting.
        self.said: list[str] = []

    @property
    def withheld(self) -> bool:
        return any(gate.withheld for gate in self._gates.values())

    async def write(self, chunk: TextChunk | ReasoningChunk | ToolCallChunk) -> None:
        """Raises ModelError: see `turns.calls.Calls`."""
        if isinstance(chunk, ToolCallChunk):
            self.said.append(chunk.arguments)
            await self._call(chunk)
            return
        self.said.append(chunk.text)
        if self.calling:
            # Between calls and after them models are fond of line breaks.
            if chunk.text.strip() and (self._held or not self._settled()):
                self._held.append(chunk)
            if self.calling:
                return
        await self._say(chunk)

    async def _say(self, chunk: TextChunk | ReasoningChunk) -> None:
        if isinstance(chunk, TextChunk):
            await self._pass("text", self._overlap.push(chunk.text))
        else:
            await self._pass("reasoning", chunk.text)

    def _settled(self) -> bool:
        self.calling = not self._calls.settle()
        return not self.calling

    async def _call(self, chunk: ToolCallChunk) -> None:
        if not self._calls.knows(chunk.index):
            if not self.calling:
                await self._release()  # text before a call is complete, and judged whole
            self.calling = True
            self._calls.begin(chunk)
        self._calls.write(chunk.index, chunk.arguments)

    async def _pass(self, kind: str, text: str) -> None:
        gate = self._gates.get(kind)
        if gate is not None:
            text = await gate.push(text)
        self._coalescer.add((kind, 0), text)

    async def _release(self) -> None:
        await self._pass("text", self._overlap.finish())
        for kind, gate in self._gates.items():
            self._coalescer.add((kind, 0), await gate.finish())
        self._coalescer.flush()

    async def finish(self, *, cut: bool) -> None:
        """The model has ended, or was ``cut`` short: release what was held back on the way.

        Raises:
            ModelError: a strict call's arguments break its schema.
        """
        self._calls.finish(cut=cut)
        for chunk in self._held:
            await self._say(chunk)
        await self._release()

    def rest(self, chunks: int) -> asyncio.Future[None] | None:
        """See `Coalescer.rest`."""
        return self._coalescer.rest(chunks)

    def flush(self) -> None:
        """Append what is ready; nothing more is written after it."""
        self._coalescer.end()

    def _show(self, index: int, call_id: str, name: str, arguments: str) -> None:
        if arguments:
            self._coalescer.add(("call", index), arguments)
            return
        self._coalescer.flush()
        self._names[index] = (call_id, name)
        self._emit(("call", index), "")

    def _end(self, status: ItemStatus) -> None:
        self._coalescer.flush()
        self._writer.put(self._composer.end(status))

    def _emit(self, key: Key, text: str) -> None:
        kind, index = key
        if kind == "text":
            frames = self._composer.write(text)
        elif kind == "reasoning":
            frames = self._composer.think(text)
        else:
            frames = self._composer.call(index, *self._names[index], text)
        if self._on_shown is not None and frames:
            self._writer.tell(frames, self._on_shown)
            self._on_shown = None
        self._writer.put(frames)


def joined(batch: Sequence[Chunk]) -> Sequence[Chunk]:
    """What one read brought, the pieces of a text as one: it is judged, coalesced and composed
    once, not once for each token. Between calls each piece counts by itself."""
    if len(batch) == 1:
        return batch
    whole: list[Chunk] = []
    for kind, run in groupby(batch, type):
        if kind is ToolCallChunk:
            return batch
        if kind is TextChunk or kind is ReasoningChunk:
            texts = cast("Iterable[TextChunk | ReasoningChunk]", run)
            whole.append(kind("".join([chunk.text for chunk in texts])))
        else:
            whole += run
    return whole

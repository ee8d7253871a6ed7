"""A deterministic model for tests, demos and load: its ids and rules are in `scripted_rules`.

It is a shipped adapter that passes the port's conformance suite, offered only where the setting
``models.scripted`` says so. It understands a prefix, tools (`scripted_tools`) and JSON schemas
(`example`). Its tokens are words.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tertulia.adapters.model.example import UnsatisfiableSchema, example
from tertulia.adapters.model.scripted_calls import CallLog, CallRecord, Ended
from tertulia.adapters.model.scripted_rules import (
    EFFORTS,
    Script,
    after_prefix,
    before_stop,
    error_of,
    numbered,
    parse_id,
    parse_rules,
    words,
)
from tertulia.adapters.model.scripted_tools import chosen, outputs
from tertulia.domain.image import size_of
from tertulia.errors import ModelRefused, ModelUnavailable
from tertulia.ports.model import (
    Call,
    Chunk,
    Finished,
    FinishReason,
    ImagePart,
    Message,
    ModelInfo,
    ModelState,
    ReasoningChunk,
    TextChunk,
    Tool,
    ToolCall,
    ToolCallChunk,
    ToolOutput,
    Usage,
)

CONTEXT_WINDOW = 32_768

#: Chunks of one batch when no rate is asked, so that others get a turn now and then.
_BURST = 32


class ScriptedModel:
    """One id of the scripted model. ``clock`` and ``sleep`` (seconds) are the event loop's."""

    def __init__(
        self,
        model_id: str,
        log: CallLog,
        *,
        clock: Callable[[], float] | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """Raises ValueError if ``model_id`` is none of a scripted model."""
        parsed = parse_id(model_id)
        if parsed is None:
            raise ValueError(f"{model_id} is not a scripted model")
        self._id = parsed
        self._log = log
        self._clock = clock
        self._sleep = sleep
        by_rules = parsed.chunks is None
        self.info = ModelInfo(
            id=model_id,
            name="Scripted",
            owned_by="tertulia",
            context_window=CONTEXT_WINDOW,
            tools=by_rules,
            images=by_rules,
            json_schema=by_rules,
            prefill=not parsed.portable,
        )

    def state(self) -> ModelState:
        return ModelState("ready")

    async def ready(self) -> None:
        return None

    def schema_obstacle(self, schema: Mapping[str, Any], *, strict: bool) -> str | None:  # noqa: ARG002
        try:
            example(schema)
        except UnsatisfiableSchema as error:
            return str(error)
        return None

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    async def generate(self, call: Call) -> AsyncGenerator[Sequence[Chunk], None]:
        record = self._log.begin(
            model=self.info.id,
            response_id=call.response_id,
            attempt=call.attempt,
            entries=len(call.entries),
            prefix=call.prefix,
            images=_images(call),
        )
        ended: Ended = "failed"
        try:
            async for batch in self._answer(call, record):
                if isinstance(batch[-1], Finished):
                    ended = "finished"
                yield batch
        except (GeneratorExit, asyncio.CancelledError):
            ended = "finished" if ended == "finished" else "cancelled"
            raise
        finally:
            self._log.end(record, ended)

    async def _answer(
        self, call: Call, record: CallRecord
    ) -> AsyncGenerator[Sequence[Chunk], None]:
        script = self._script(call)
        if script.error is not None:
            raise error_of(script.error)
        if script.delay:
            await self._sleep(script.delay)
        # What was cut off had thought before.
        thoughts = () if call.prefix else script.thoughts
        bound = call.max_output_tokens
        for thought in thoughts[:bound]:
            yield [ReasoningChunk(thought)]
        if bound is not None and len(thoughts) > bound:
            yield [Finished("length", _usage(call, 0, bound))]
            return
        tools = self._calls(call, script)
        if tools:
            yield [*_tool_chunks(call, tools)]
            yield [Finished("tool_calls", _usage(call, len(tools), len(thoughts)))]
            return
        async for batch in self._text(call, script, record, len(thoughts)):
            yield batch

    def _script(self, call: Call) -> Script:
        if self._id.chunks is not None:
            return Script(chunks=numbered(self._id.chunks), rate=self._id.rate)
        earlier, message = ["", "", *_user_texts(call)][-2:]
        script = parse_rules(message, earlier)
        if not script.thoughts:
            effort = EFFORTS.get(call.reasoning_effort or "none", 0)
            script = replace(script, thoughts=numbered(effort, "t"))
        seen = f" [{'; '.join(shown)}]" if (shown := _images(call)) else ""
        text: str | None = None
        if call.json_schema is not None:
            try:
                text = json.dumps(example(call.json_schema))
            except UnsatisfiableSchema as error:
                raise ModelRefused(f"invalid schema: {error}", param="text.format") from error
        elif script.default and (answers := outputs(call)):
            who = "tool" if len(answers) == 1 else "tools"
            text = f"The {who} answered: {'; '.join(answers)}{seen}"
        elif seen and (script.default or not message.strip()):
            text = f"{''.join(script.chunks)}{seen}"
        return script if text is None else replace(script, chunks=words(text), default=False)

    def _calls(self, call: Call, script: Script) -> list[tuple[Tool, dict[str, Any]]]:
        if not call.tools or not script.use_tools or self._id.chunks is not None:
            return []
        message = _user_texts(call)[-1:]
        try:
            return chosen(call, "".join(message), script.calls, script.rounds)
        except UnsatisfiableSchema as error:
            raise ModelRefused(f"invalid tool: {error}", param="tools") from error

    async def _text(
        self, call: Call, script: Script, record: CallRecord, thought: int
    ) -> AsyncGenerator[Sequence[Chunk], None]:
        """``thought``: the words of the bound that have gone into reasoning."""
        chunks = before_stop(script.chunks, call.stop)
        held, rest = after_prefix(chunks, call.prefix)
        if self._id.portable:
            held, rest = _after_unfinished(chunks, call)
        reason: FinishReason = script.reason if chunks is script.chunks else "stop"
        if call.max_output_tokens is not None and len(rest) > call.max_output_tokens - thought:
            rest, reason = rest[: call.max_output_tokens - thought], "length"
        stop = script.fail_at if script.fail_at is not None else script.hang_at
        stops = stop is not None and (stop > held or not call.prefix)
        if stop is not None and stops:
            rest = rest[: stop - held]
        async for start, batch in self._paced(rest, script.rate):
            self._log.wrote(record, held + start, held + start + len(batch) - 1)
            yield [TextChunk(text) for text in batch]
        if stops and script.fail_at is not None:
            raise ModelUnavailable("the scripted model was told to break off")
        if stops:
            await asyncio.get_running_loop().create_future()
        yield [Finished(reason, _usage(call, len(rest), thought))]

    async def _paced(
        self, chunks: Sequence[str], rate: float
    ) -> AsyncGenerator[tuple[int, Sequence[str]], None]:
        """All chunks that are due, with the place of the first: a late reader gets a burst."""
        clock = self._clock or asyncio.get_running_loop().time
        begun = clock()
        done = 0
        while done < len(chunks):
            if rate:
                elapsed = clock() - begun
                due = math.floor(elapsed * rate + 1e-6) + 1
                if due <= done:
                    await self._sleep(done / rate - elapsed)
                    continue
            else:
                due = done + _BURST
                await self._sleep(0)
            yield done, chunks[done:due]
            done = min(due, len(chunks))


def _images(call: Call) -> list[str]:
    """What each image is by its own bytes, as ``image/png 640x480, 1234 bytes``."""
    shown = [
        part.url
        for entry in call.entries
        if isinstance(entry, Message)
        for part in entry.parts
        if isinstance(part, ImagePart)
    ]
    told: list[str] = []
    for url in shown:
        image = size_of(url)
        size = len(base64.b64decode(url.partition(",")[2]))
        told.append(
            f"{image.media_type} {image.width}x{image.height}, {size} bytes" if image else "?"
        )
    return told


def _user_texts(call: Call) -> list[str]:
    return [
        entry.text for entry in call.entries if isinstance(entry, Message) and entry.role == "user"
    ]


def _after_unfinished(chunks: tuple[str, ...], call: Call) -> tuple[int, tuple[str, ...]]:
    """What a model without prefill writes after "continue exactly from here"."""
    if len(call.entries) >= 2:
        before = call.entries[-2]
        if isinstance(before, Message) and before.role == "assistant":
            held, rest = after_prefix(chunks, before.text)
            if held and rest:
                start = max(0, held - 2)
                return start, (chunks[start].lstrip(), *chunks[start + 1 :])
    return 0, chunks


def _tool_chunks(call: Call, made: Sequence[tuple[Tool, dict[str, Any]]]) -> list[Chunk]:
    chunks: list[Chunk] = []
    for index, (tool, arguments) in enumerate(made):
        seed = f"{call.response_id}/{call.attempt}/{len(call.entries)}/{index}"
        call_id = "call_" + hashlib.sha256(seed.encode()).hexdigest()[:24]
        chunks.append(ToolCallChunk(index, call_id, tool.name))
        chunks += [ToolCallChunk(index, arguments=piece) for piece in words(json.dumps(arguments))]
    return chunks


def _usage(call: Call, written: int, thought: int) -> Usage:
    """In words; ``written`` leaves out what was ``thought``."""
    sent = [call.prefix]
    for entry in call.entries:
        match entry:
            case Message():
                sent.append(entry.text)
            case ToolCall():
                sent.append(entry.arguments)
            case ToolOutput():
                sent.append(entry.output)
    return Usage(
        input_tokens=sum(len(s.split()) for s in sent),
        output_tokens=written + thought,
        reasoning_tokens=thought,
    )

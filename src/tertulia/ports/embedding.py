"""The embedding port: texts in, vectors out, so that what is alike lies close together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from tertulia.ports.model import ModelState

#: What a text is for. Some models are given a question and what may answer it differently.
Kind = Literal["document", "query"]


@dataclass(frozen=True, slots=True)
class EmbeddingInfo:
    """What an embedding model declares."""

    id: str
    name: str
    owned_by: str
    #: Numbers in a vector; None until a server that does not tell has given its first one.
    dimensions: int | None
    #: Most tokens of one text; None where only the server knows.
    context_window: int | None
    created: int = 0


@dataclass(frozen=True, slots=True)
class Embedded:
    """``vectors``: one a text, in their order, each the bytes of little-endian float32 numbers
    (``numpy.frombuffer(v, "<f4")``), of length 1, so that a dot product is the cosine.
    ``tokens``: of all texts together, as the model counts them."""

    vectors: tuple[bytes, ...]
    tokens: int


class Embedding(Protocol):
    """One embedding model. Safe for many concurrent calls; takes no memory before the first.

    Guarantees: the same text of the same kind gives the same vector, but for rounding (1e-6),
    whatever stands beside it; every vector has ``info.dimensions`` numbers once that is known;
    large calls are worked off in small pieces, so that others get their turn between them.
    """

    @property
    def info(self) -> EmbeddingInfo: ...

    def state(self) -> ModelState:
        """How things stand now; cheap, never blocks."""
        ...

    async def ready(self) -> None:
        """Return when it can embed, fetching and loading it if need be.

        Raises:
            ModelUnavailable: it cannot be made ready; the message says why and what to do.
        """
        ...

    async def embed(self, texts: Sequence[str], kind: Kind = "document") -> Embedded:
        """All vectors, or none. Cancelling the caller ends the work at the next piece.

        Raises:
            ContextTooLong: a text is longer than the model takes; ``param`` is ``input[i]``
                where it is known which.
            ModelError: one of its kinds.
        """
        ...

    async def close(self) -> None: ...

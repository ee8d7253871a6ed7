"""Embeddings of any server that speaks OpenAI's ``/embeddings``."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec
import structlog

from tertulia.adapters.model.openai_errors import error_from_status, garbage
from tertulia.domain.vector import WIDTH, numbers, unit
from tertulia.errors import ContextTooLong, ModelError, ModelUnavailable
from tertulia.ports.embedding import Embedded, EmbeddingInfo, Kind
from tertulia.ports.model import ModelState

if TYPE_CHECKING:
    import aiohttp

_log = structlog.get_logger(__name__)

#: Texts of one request: large enough for GPUs, below the limits of common servers.
_BATCH = 64
#: Bytes of an answer; 64 vectors of 4,096 numbers are some 6 MB as JSON.
_MOST_ANSWER = 64 * 2**20
#: Waits between tries (seconds), doubled each time; the longest that a server may ask for.
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 20.0


@dataclass(frozen=True, slots=True)
class EmbeddingEndpoint:
    """A server, one of its models, and how patient to be. Times in seconds."""

    base_url: str
    model: str
    owned_by: str = "openai"
    api_key: str | None = None
    #: Put before questions and before texts, for models that were trained with such marks.
    query: str = ""
    document: str = ""
    connect_seconds: float = 10.0
    answer_seconds: float = 120.0
    retries: int = 2


class _Vector(msgspec.Struct):
    embedding: list[float] | str
    index: int


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    total_tokens: int | None = None


class _Answer(msgspec.Struct):
    data: list[_Vector]
    usage: _Usage | None = None


_decode = msgspec.json.Decoder(_Answer).decode


class OpenAIEmbedding:
    """See `ports.embedding.Embedding`."""

    def __init__(
        self,
        endpoint: EmbeddingEndpoint,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.info = EmbeddingInfo(
            id=endpoint.model,
            name=endpoint.model,
            owned_by=endpoint.owned_by,
            dimensions=None,
            context_window=None,
        )
        self._endpoint = endpoint
        self._sleep = sleep
        self._session: aiohttp.ClientSession | None = None

    def state(self) -> ModelState:
        return ModelState("ready")

    async def ready(self) -> None:
        return None

    async def embed(self, texts: Sequence[str], kind: Kind = "document") -> Embedded:
        mark = self._endpoint.query if kind == "query" else self._endpoint.document
        vectors: list[bytes] = []
        tokens = 0
        for start in range(0, len(texts), _BATCH):
            batch = [mark + text for text in texts[start : start + _BATCH]]
            answer = await self._patiently({"model": self._endpoint.model, "input": batch})
            vectors += self._vectors(answer, len(batch))
            tokens += _counted(answer, batch)
        return Embedded(tuple(vectors), tokens)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _patiently(self, body: dict[str, object]) -> _Answer:
        data = msgspec.json.encode(body)
        tries = 0
        while True:
            try:
                return await self._post(data)
            except ModelError as error:
                wait = error.retry_after or min(_LONGEST_WAIT, _FIRST_WAIT * 2**tries)
                tries += 1
                if not error.retryable or tries > self._endpoint.retries or wait > _LONGEST_WAIT:
                    raise
                _log.info("embedding.retry", kind=error.code, tries=tries)
                await self._sleep(wait)

    async def _post(self, data: bytes) -> _Answer:
        import aiohttp

        name = self.info.owned_by
        try:
            async with (
                asyncio.timeout(self._endpoint.answer_seconds),
                self._open().post(
                    f"{self._endpoint.base_url}/embeddings", data=data, allow_redirects=False
                ) as response,
            ):
                body = bytearray()
                while len(body) < _MOST_ANSWER and (read := await response.content.readany()):
                    body += read
                status, wait = response.status, response.headers.get("Retry-After")
        except (OSError, TimeoutError, aiohttp.ClientError) as error:
            # Only the kind of the error: its text may name addresses.
            raise ModelUnavailable(
                f"The embedding server {name} cannot be reached ({type(error).__name__})."
            ) from None
        if status != 200:
            _log.warning("embedding.refused", server=name, status=status)
            refusal = error_from_status(name, self._endpoint.model, status, bytes(body), wait)
            if isinstance(refusal, ContextTooLong):
                raise ContextTooLong(
                    f"A text is too long for {self._endpoint.model}. Cut it into shorter ones.",
                    param="input",
                )
            raise refusal
        try:
            return _decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise garbage(name, "no embeddings; check the address in the setting") from None

    def _vectors(self, answer: _Answer, count: int) -> list[bytes]:
        """In the order of the texts, of length 1 and of one size, now and ever."""
        name = self.info.owned_by
        by_index = {one.index: one for one in answer.data}
        if sorted(by_index) != list(range(count)) or len(answer.data) != count:
            raise garbage(name, f"{len(answer.data)} embeddings for {count} texts")
        vectors = [_unit(by_index[index].embedding) for index in range(count)]
        sizes = {len(vector) for vector in vectors if vector is not None}
        known = {WIDTH * self.info.dimensions} if self.info.dimensions else sizes
        if None in vectors or len(sizes) != 1 or sizes != known:
            raise garbage(name, "embeddings that are none, or of several sizes")
        self.info = replace(self.info, dimensions=sizes.pop() // WIDTH)
        return [vector for vector in vectors if vector is not None]

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            import aiohttp

            endpoint = self._endpoint
            headers = {"Content-Type": "application/json"}
            if endpoint.api_key:
                headers["Authorization"] = f"Bearer {endpoint.api_key}"
            timeout = aiohttp.ClientTimeout(
                total=None, connect=endpoint.connect_seconds, sock_connect=endpoint.connect_seconds
            )
            self._session = aiohttp.ClientSession(headers=headers, timeout=timeout)
        return self._session


def _unit(sent: list[float] | str) -> bytes | None:
    """A vector of length 1; None for what is no direction."""
    try:
        return unit(numbers(base64.b64decode(sent)) if isinstance(sent, str) else sent)
    except (binascii.Error, ValueError, OverflowError):
        return None


def _counted(answer: _Answer, texts: Sequence[str]) -> int:
    """What the server counted; where it does not tell, four bytes a token."""
    usage = answer.usage
    told = (usage.prompt_tokens or usage.total_tokens) if usage is not None else None
    return told or sum(len(text.encode()) // 4 + 1 for text in texts)

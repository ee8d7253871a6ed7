"""One server that speaks OpenAI's ``/chat/completions``, and how to be patient with it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import structlog

from tertulia.adapters.model.openai_errors import MAX_BODY, error_from_status, garbage
from tertulia.adapters.model.openai_request import Dialect, request_body
from tertulia.adapters.model.openai_stream import StreamReader
from tertulia.adapters.model.patience import PatientReader
from tertulia.adapters.model.tokens import estimate_usage
from tertulia.errors import ModelError, ModelUnavailable, TertuliaError
from tertulia.ports.model import Call, Chunk, Finished

if TYPE_CHECKING:
    import aiohttp

_log = structlog.get_logger(__name__)

#: A server that asks to wait longer than this (seconds) is reported as busy at once.
MAX_RETRY_AFTER = 20.0

#: Waits between tries (seconds): doubled each time, then between half and all of it by chance.
_FIRST_WAIT = 0.5
_LONGEST_WAIT = 8.0

#: After the answer's end the server may still send its usage; not longer than this (seconds).
_LAST_WORDS = 5.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server and how patient to be with it. Times in seconds."""

    name: str
    base_url: str
    api_key: str | None = None
    dialect: Dialect = "generic"
    connect_seconds: float = 10.0
    first_chunk_seconds: float = 120.0
    chunk_seconds: float = 60.0
    retries: int = 2
    #: Path of a Unix socket to reach it by, in place of the address's host and port.
    socket: str | None = None


class _Meta(msgspec.Struct):
    n_ctx: int | None = None


class Listed(msgspec.Struct):
    """An entry of a server's list. Beside the id, what some servers tell of the window."""

    id: str
    max_model_len: int | None = None
    context_length: int | None = None
    meta: _Meta | None = None

    @property
    def window(self) -> int | None:
        """Tokens; None where the server does not tell."""
        loaded = self.meta.n_ctx if self.meta is not None else None
        return self.max_model_len or self.context_length or loaded


class _ModelList(msgspec.Struct):
    data: list[Listed]


_MODELS = msgspec.json.Decoder(_ModelList)


class ChatClient:
    """One server: a pool of connections, time-outs, and tries again before the first chunk."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.endpoint = endpoint
        self._sleep = sleep
        self._chance = chance
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def models(self) -> Sequence[Listed]:
        """The models that the server lists.

        Raises:
            ModelError: it does not answer, or not with such a list.
        """
        name = self.endpoint.name
        try:
            async with (
                asyncio.timeout(self.endpoint.connect_seconds),
                self._open().get(
                    f"{self.endpoint.base_url}/models", allow_redirects=False
                ) as response,
            ):
                body = await _some(response, 4 * 1024 * 1024)
                if response.status != 200:
                    wait = response.headers.get("Retry-After")
                    raise error_from_status(name, "its list", response.status, body, wait)
        except (OSError, TimeoutError, _client_error()) as error:
            raise _unreachable(name, error) from None
        try:
            return _MODELS.decode(body).data
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise garbage(name, "no list of models") from None

    async def chat(self, call: Call, model: str) -> AsyncGenerator[Sequence[Chunk], None]:
        """As `Model.generate`; ``model`` is the id as the server knows it."""
        body = msgspec.json.encode(request_body(call, model, self.endpoint.dialect))
        tries = 0
        while True:
            begun = False
            stream = self._stream(body, model, call)
            try:
                async for batch in stream:
                    begun = True
                    yield batch
            except ModelError as error:
                tries += 1
                wait = self._wait(error, tries)
                if begun or wait is None:
                    raise
                _log.info("model.retry", server=self.endpoint.name, kind=error.code, tries=tries)
                await self._sleep(wait)
            else:
                return
            finally:
                await stream.aclose()

    def _wait(self, error: ModelError, tries: int) -> float | None:
        """Seconds until the next try; None if there is none."""
        if not error.retryable or error.code == "timeout" or tries > self.endpoint.retries:
            return None
        if error.retry_after is not None:
            return error.retry_after if error.retry_after <= MAX_RETRY_AFTER else None
        longest: float = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** (tries - 1))
        return longest * (0.5 + self._chance() / 2)

    async def _stream(
        self, body: bytes, model: str, call: Call
    ) -> AsyncGenerator[Sequence[Chunk], None]:
        """What each read brought. Comments, which some servers send to keep the connection
        open, do not count as a sign of life."""
        endpoint = self.endpoint
        name, limit = endpoint.name, endpoint.first_chunk_seconds
        reader = StreamReader(name, model)
        try:
            async with asyncio.timeout(limit):
                response = await self._post(body, model, call.traceparent)
        except TimeoutError:
            raise _silent(name, limit) from None
        source = PatientReader(response, limit)
        try:
            while not reader.done and (read := await _read(source, reader, name, limit)):
                chunks = reader.feed(read)
                if chunks:
                    limit = endpoint.chunk_seconds
                    source.pause()
                    yield chunks
                if reader.failure is not None:
                    # Only now: what came before it in the same read stands.
                    raise reader.failure
                if reader.stirred:
                    source.wait(limit if reader.reason is None else min(limit, _LAST_WORDS))
        finally:
            source.close()
            # Not read to its end: closing the connection is how the server learns to stop.
            if not response.content.at_eof():
                response.close()
            response.release()
        if reader.reason is None and reader.bytes and not reader.events:
            raise garbage(name, "no stream of chunks; check its base_url")
        if reader.reason is None:
            raise ModelUnavailable(f"The model server {name} cut its answer off.")
        yield [Finished(reader.reason, reader.usage or estimate_usage(call, reader.written))]

    async def _post(self, body: bytes, model: str, traceparent: str) -> aiohttp.ClientResponse:
        """The response, its status and type already judged."""
        name = self.endpoint.name
        headers = {"traceparent": traceparent} if traceparent else None
        try:
            response = await self._open().post(
                f"{self.endpoint.base_url}/chat/completions",
                data=body,
                headers=headers,
                allow_redirects=False,
            )
        except (OSError, TimeoutError, _client_error()) as error:
            raise _unreachable(name, error) from None
        kind = response.content_type
        if response.status == 200 and kind not in ("application/json", "text/html"):
            return response
        try:
            said = await _some(response, MAX_BODY)
        except (OSError, _client_error()) as error:
            raise _unreachable(name, error) from None
        finally:
            response.close()
        _log.warning("model.refused", server=name, status=response.status, kind=kind)
        if response.status == 200:
            raise garbage(name, f"{kind} in place of a stream; check its base_url")
        wait = response.headers.get("Retry-After")
        raise error_from_status(name, model, response.status, said, wait)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = _session(self.endpoint)
        return self._session


def _session(endpoint: Endpoint) -> aiohttp.ClientSession:
    import aiohttp

    headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
    if endpoint.api_key:
        headers["Authorization"] = f"Bearer {endpoint.api_key}"
    connector: aiohttp.BaseConnector
    if endpoint.socket is not None:
        # A kept connection would hold one of the in-process server's few threads.
        connector = aiohttp.UnixConnector(endpoint.socket, limit=0, force_close=True)
    else:
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=30)
    timeout = aiohttp.ClientTimeout(
        total=None, connect=endpoint.connect_seconds, sock_connect=endpoint.connect_seconds
    )
    return aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers)


def _client_error() -> type[Exception]:
    """The base of aiohttp's errors, imported when first needed: it takes a tenth of a second."""
    import aiohttp

    return aiohttp.ClientError


async def _read(source: PatientReader, reader: StreamReader, server: str, limit: float) -> bytes:
    """What has arrived, nothing at the end. An answer that has given its reason has ended, even
    where the connection breaks behind it."""
    try:
        return await source.read()
    except (OSError, _client_error()) as error:
        if reader.reason is not None:
            return b""
        late = isinstance(error, TimeoutError)
        raise (_silent(server, limit) if late else _unreachable(server, error)) from None


async def _some(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """Up to ``limit`` bytes of the body; what is longer is cut."""
    body = bytearray()
    while len(body) < limit and (read := await response.content.readany()):
        body += read
    return bytes(body[:limit])


def _unreachable(server: str, error: BaseException) -> TertuliaError:
    # Only the kind of the error: its text may name addresses and paths.
    return ModelUnavailable(
        f"The model server {server} cannot be reached ({type(error).__name__})."
    )


def _silent(server: str, limit: float) -> ModelUnavailable:
    return ModelUnavailable(
        f"The model server {server} sent nothing for {limit:g} seconds.", code="timeout"
    )

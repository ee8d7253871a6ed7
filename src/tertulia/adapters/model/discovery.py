"""Model servers and the models they list: configured ones, those found on this machine, and the
service that the environment's key is for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import structlog

from tertulia.adapters.model.catalog import DEFAULT_WINDOW, chats, known_images, known_window
from tertulia.adapters.model.openai_client import ChatClient, Endpoint, Listed
from tertulia.errors import TertuliaError
from tertulia.ports.model import ModelInfo
from tertulia.settings import Models as ModelSettings
from tertulia.settings import ModelServer

_log = structlog.get_logger(__name__)

_OPENAI_URL = "https://api.openai.com/v1"

#: Long enough for a server on this machine that is awake (seconds).
_PROBE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Usual:
    """Where a kind of server usually listens, and the window it is usually started with."""

    name: str
    port: int
    window: int = DEFAULT_WINDOW


USUAL = (
    Usual("ollama", 11434, 4096),
    Usual("lm-studio", 1234, 4096),
    Usual("llama-cpp", 8080),
    Usual("vllm", 8000),
)


@dataclass(slots=True)
class Server:
    """One server, and what its models are taken for where it does not tell."""

    client: ChatClient
    admin_only: bool
    capable: bool
    tools: bool = True
    json_schema: bool = True
    images: bool | None = None
    prefill: bool = False
    window: int | None = None
    fallback_window: int = DEFAULT_WINDOW
    price_in: float = 0.0
    price_out: float = 0.0
    #: None: all that the server lists.
    wanted: Sequence[str] | None = None
    #: A port of this machine where it may listen, or may not.
    perhaps: int | None = None
    listed: Sequence[Listed] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.client.endpoint.name

    async def refresh(self) -> None:
        """Ask the server for its models; one that does not answer has none."""
        if self.perhaps is not None and not await _listens(self.perhaps):
            # Most often nothing does: not worth loading an HTTP client for.
            self.listed = []
            return
        try:
            self.listed = await self.client.models()
        except TertuliaError as error:
            self.listed = []
            # A server that may or may not be there is no news when it is not.
            if not self.admin_only:
                _log.warning("model.server_silent", server=self.name, kind=error.code)

    def infos(self) -> list[tuple[str, ModelInfo]]:
        """Id there, and what we say of the model."""
        windows = {listed.id: listed.window for listed in self.listed}
        ids = self.wanted if self.wanted is not None else [i for i in windows if chats(i)]
        return [(i, self._info(i, windows.get(i))) for i in ids]

    def _info(self, model_id: str, told: int | None) -> ModelInfo:
        return ModelInfo(
            id=model_id,
            name=model_id,
            owned_by=self.name,
            context_window=self.window or told or known_window(model_id) or self.fallback_window,
            tools=self.tools,
            images=self.images if self.images is not None else known_images(model_id),
            json_schema=self.json_schema,
            prefill=self.prefill,
            capable=self.capable,
            eager=True,
            price_in=self.price_in,
            price_out=self.price_out,
            admin_only=self.admin_only,
        )


def configured(server: ModelServer, settings: ModelSettings) -> Server:
    """A server that the settings name: for everybody."""
    endpoint = _endpoint(
        server.name,
        server.base_url,
        server.api_key.get_secret_value() if server.api_key else None,
        settings,
    )
    return Server(
        ChatClient(endpoint),
        admin_only=False,
        capable=server.capable is not False,
        tools=server.tools is not False,
        json_schema=server.json_schema is not False,
        images=server.images,
        prefill=server.prefill is True,
        window=server.context_window,
        price_in=server.price_in or 0.0,
        price_out=server.price_out or 0.0,
        wanted=server.models,
    )


def from_environment(settings: ModelSettings) -> Server | None:
    """The service that ``OPENAI_API_KEY`` and ``OPENAI_BASE_URL`` name; for admins."""
    if settings.openai_api_key is None and settings.openai_base_url is None:
        return None
    url = (settings.openai_base_url or _OPENAI_URL).rstrip("/")
    key = settings.openai_api_key
    endpoint = _endpoint("openai", url, key.get_secret_value() if key else None, settings)
    return Server(ChatClient(endpoint), admin_only=True, capable=True)


def on_this_machine(
    settings: ModelSettings, usual: Sequence[Usual] = USUAL, *, own_port: int | None = None
) -> list[Server]:
    """Where servers may be found on loopback, and nowhere else; for admins. ``own_port``: ours,
    which must not find itself."""
    taken = {urlsplit(server.base_url).port for server in settings.servers if _loops(server)}
    return [
        Server(
            ChatClient(
                _endpoint(
                    place.name,
                    f"http://127.0.0.1:{place.port}/v1",
                    None,
                    settings,
                    connect_seconds=_PROBE_SECONDS,
                )
            ),
            admin_only=True,
            capable=False,
            fallback_window=place.window,
            perhaps=place.port,
        )
        for place in usual
        if place.port != own_port and place.port not in taken
    ]


async def _listens(port: int) -> bool:
    try:
        async with asyncio.timeout(_PROBE_SECONDS):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def _loops(server: ModelServer) -> bool:
    return urlsplit(server.base_url).hostname in ("127.0.0.1", "localhost", "::1")


def _endpoint(
    name: str,
    url: str,
    key: str | None,
    settings: ModelSettings,
    connect_seconds: float | None = None,
) -> Endpoint:
    return Endpoint(
        name=name,
        base_url=url,
        api_key=key,
        dialect="openai" if urlsplit(url).hostname == "api.openai.com" else "generic",
        connect_seconds=connect_seconds or settings.connect_seconds,
        first_chunk_seconds=settings.first_chunk_seconds,
        chunk_seconds=settings.chunk_seconds,
        retries=settings.retries,
    )

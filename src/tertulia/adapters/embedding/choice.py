"""The embedding model that the settings name."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from tertulia.adapters.embedding.catalog import minilm_weights
from tertulia.adapters.embedding.minilm import MiniLM
from tertulia.adapters.embedding.openai import EmbeddingEndpoint, OpenAIEmbedding
from tertulia.ports.embedding import Embedding
from tertulia.settings import Settings
from tertulia.settings.embedding import embedding_server

_OPENAI_URL = "https://api.openai.com/v1"


def embedding_of(settings: Settings, folder: Path) -> Embedding | None:
    """None for ``none``. ``folder``: where weights are kept. Nothing is fetched or loaded yet."""
    if settings.embedding == "none":
        return None
    server = embedding_server(settings.embedding)
    if server is None:
        return MiniLM(minilm_weights(folder))
    models = settings.models
    return OpenAIEmbedding(
        EmbeddingEndpoint(
            base_url=server.base_url,
            model=server.model,
            owned_by=_owner(settings, server.base_url),
            api_key=_key(settings, server.base_url),
            query=server.query,
            document=server.document,
            connect_seconds=models.connect_seconds,
            answer_seconds=models.first_chunk_seconds,
            retries=models.retries,
        )
    )


def _owner(settings: Settings, base_url: str) -> str:
    """The name that the models' settings give the server, else its host's."""
    for server in settings.models.servers:
        if server.base_url == base_url:
            return server.name
    return urlsplit(base_url).hostname or "server"


def _key(settings: Settings, base_url: str) -> str | None:
    """Its own key; else the one that is meant for this very address, and no other."""
    models = settings.models
    key = settings.embedding_api_key
    if key is None:
        for server in models.servers:
            if server.base_url == base_url:
                key = server.api_key
    if key is None and base_url == (models.openai_base_url or _OPENAI_URL).rstrip("/"):
        key = models.openai_api_key
    return key.get_secret_value() if key is not None else None

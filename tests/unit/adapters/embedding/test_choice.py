"""Which embedding model the settings name, and which key may go where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tertulia.adapters.embedding.choice import embedding_of
from tertulia.adapters.embedding.minilm import MiniLM
from tertulia.adapters.embedding.openai import EmbeddingEndpoint, OpenAIEmbedding
from tertulia.settings import Models, Settings

FAR = {"name": "far", "base_url": "http://far:1/v1", "api_key": "sk-far"}


def endpoint(folder: Path, embedding: str, **more: Any) -> EmbeddingEndpoint:
    made = embedding_of(Settings(data=folder, embedding=embedding, **more), folder)
    assert isinstance(made, OpenAIEmbedding)
    return made._endpoint


async def test_words(tmp_path: Path) -> None:
    made = embedding_of(Settings(data=tmp_path), tmp_path)
    assert isinstance(made, MiniLM)
    await made.close()
    assert embedding_of(Settings(data=tmp_path, embedding="none"), tmp_path) is None


def test_a_server(tmp_path: Path) -> None:
    address = "openai+http://far:1/v1/?model=a/b:1&query=query:%20&document=passage:%20"
    found = endpoint(tmp_path, address)
    assert (found.base_url, found.model, found.owned_by) == ("http://far:1/v1", "a/b:1", "far")
    assert (found.query, found.document, found.api_key) == ("query: ", "passage: ", None)


def test_a_key_goes_to_its_own_server_only(tmp_path: Path) -> None:
    models = Models(servers=(FAR,), openai_api_key="sk-openai")
    far, openai = "openai+http://far:1/v1?model=x", "openai+https://api.openai.com/v1?model=x"
    assert endpoint(tmp_path, far, models=models).api_key == "sk-far"
    assert endpoint(tmp_path, far, models=models, embedding_api_key="sk-e").api_key == "sk-e"
    assert endpoint(tmp_path, openai, models=models).api_key == "sk-openai"
    assert endpoint(tmp_path, openai.replace("https", "http"), models=models).api_key is None
    moved = Models(openai_api_key="sk-openai", openai_base_url="http://far:1/v1/")
    assert endpoint(tmp_path, openai, models=moved).api_key is None
    assert endpoint(tmp_path, far, models=moved).api_key == "sk-openai"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("", "minilm, none, or openai"),
        ("http://far/v1?model=x", "minilm, none, or openai"),
        ("openai+ftp://far/v1?model=x", "minilm, none, or openai"),
        ("openai+http:///v1?model=x", "has a host"),
        ("openai+http://far/v1?model=x#y", "no #"),
        ("openai+http://sk-key@far/v1?model=x", "embedding_api_key"),
        ("openai+http://far/v1?model=x&api_key=sk-key", "embedding_api_key"),
        ("openai+http://far/v1", "which model"),
        ("openai+http://far/v1?model=", "which model"),
    ],
)
def test_what_names_none(value: str, said: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Settings(embedding=value)
    (problem,) = raised.value.errors(include_input=False)
    assert said in problem["msg"]
    assert "sk-key" not in problem["msg"]

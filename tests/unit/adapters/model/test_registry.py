"""Which models there are, for whom, under which ids, and which is the default."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support.upstream import Upstream, upstream

from tertulia.adapters.model import registry as module
from tertulia.adapters.model.discovery import Usual
from tertulia.adapters.model.registry import ModelRegistry
from tertulia.errors import Misconfigured, ModelUnavailable, NotFound
from tertulia.ports.model import Call, Message, TextPart
from tertulia.settings import Settings

LOCAL = "smollm2-135m-instruct"


@asynccontextmanager
async def registry(
    data: Path, usual: tuple[Usual, ...] = (), **models: Any
) -> AsyncIterator[ModelRegistry]:
    made = ModelRegistry(Settings(data=data, models=models), usual=usual)
    try:
        yield made
    finally:
        await made.close()


@pytest.fixture
async def server() -> AsyncIterator[Upstream]:
    async with upstream() as made:
        yield made


def port(server: Upstream) -> int:
    return int(server.base_url.split(":")[2].split("/")[0])


def named(server: Upstream, name: str = "big", **more: Any) -> dict[str, Any]:
    return {"name": name, "base_url": server.base_url, **more}


def ids(models: ModelRegistry, *, admin: bool = False) -> list[str]:
    return [model.info.id for model in models.list(admin=admin)]


async def test_making_one_imports_nothing_heavy(tmp_path: Path) -> None:
    program = (
        "import sys; from tertulia.adapters.model.registry import ModelRegistry; "
        "from tertulia.settings import Settings; ModelRegistry(Settings()); "
        "sys.exit(any(m in sys.modules for m in ('aiohttp', 'xllamacpp', 'numpy')))"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    assert await process.wait() == 0


async def test_the_scripted_model_is_offered_only_where_it_is_wanted(tmp_path: Path) -> None:
    async with registry(tmp_path, local=None, scripted=True) as models:
        assert ids(models) == ["scripted"]
        assert models.default_id() == "scripted"
        assert models.get("scripted-5x0").info.id == "scripted-5x0"
        message = Message("user", (TextPart("x"),))
        async for _ in models.get("scripted-5x0").generate(Call("x", [message])):
            pass
        assert [call.model for call in models.calls()] == ["scripted-5x0"]
        with pytest.raises(NotFound) as raised:
            models.get("scripted-0x0")
        assert (raised.value.code, raised.value.param) == ("model_not_found", "model")
    async with registry(tmp_path, local=None) as models:
        assert ids(models) == []
        assert models.calls() == ()
        for wanted in ("scripted", "scripted-5x0", None):
            with pytest.raises(NotFound):
                models.get(wanted)


async def test_the_order_in_which_the_default_is_chosen(
    tmp_path: Path, server: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = [named(server, models="one,two")]
    async with registry(tmp_path, servers=servers, scripted=True) as models:
        assert ids(models) == [LOCAL, "one", "two", "scripted"]
    async with registry(tmp_path, servers=servers, scripted=True, default="two") as models:
        assert ids(models) == ["two", LOCAL, "one", "scripted"]
        assert models.get(None).info.id == "two"
    async with registry(tmp_path, servers=servers, scripted=True, local=None) as models:
        assert models.default_id() == "one"
    monkeypatch.setattr(module, "installed", lambda: False)
    async with registry(tmp_path, servers=servers) as models:
        assert models.default_id() == "one"
    async with registry(tmp_path) as models:
        # Offered although it cannot run: to say why there is nothing else.
        assert ids(models) == [LOCAL]


async def test_a_servers_models(tmp_path: Path, server: Upstream) -> None:
    more: dict[str, Any] = {
        "context_window": 1000,
        "prefill": True,
        "images": True,
        "capable": False,
    }
    servers = [
        named(server, models="ok", price_in=0.5, price_out=2, **more),
        named(server, "other", models="ok"),
    ]
    async with registry(tmp_path, local=None, servers=servers) as models:
        info = models.get("ok").info
        assert (info.owned_by, info.context_window, info.admin_only) == ("big", 1000, False)
        assert (info.prefill, info.images, info.capable) == (True, True, False)
        assert (info.tools, info.json_schema) == (True, True)
        assert (info.price_in, info.price_out) == (0.5, 2)
        second = models.get("other/ok")
        assert (second.info.capable, second.info.prefill) == (True, False)
        async for _ in second.generate(Call("other/ok", [Message("user", (TextPart("x"),))])):
            pass
        assert server.requests[0]["model"] == "ok"


async def test_a_server_is_asked_for_its_models(tmp_path: Path, server: Upstream) -> None:
    server.listed = [{"id": "a", "max_model_len": 123}, {"id": "text-embed"}, {"id": "gpt-4o"}]
    servers = [named(server, api_key="sk-1")]
    async with registry(tmp_path, local=None, servers=servers) as models:
        assert ids(models) == []
        await models.refresh()
        assert ids(models) == ["a", "gpt-4o"]
        assert models.get("a").info.context_window == 123
        assert models.get("gpt-4o").info.context_window == 128_000
        assert models.get("gpt-4o").info.images
        assert server.headers[0]["Authorization"] == "Bearer sk-1"
        server.listed = None
        await models.refresh()
        assert ids(models) == []


async def test_servers_on_this_machine_are_for_admins(tmp_path: Path, server: Upstream) -> None:
    server.listed = [{"id": "tiny"}, {"id": "scripted"}]
    found = (Usual("ollama", port(server), 4096),)
    async with registry(tmp_path, found, local=None, scripted=True) as models:
        await models.start()
        await models.refresh()
        assert ids(models) == ["scripted"]
        assert ids(models, admin=True) == ["scripted", "tiny", "ollama/scripted"]
        assert models.default_id() == "scripted"
        with pytest.raises(NotFound):
            models.get("tiny")
        info = models.get("tiny", admin=True).info
        assert (info.owned_by, info.context_window, info.capable) == ("ollama", 4096, False)
        assert "Authorization" not in server.headers[0]


async def test_a_found_model_is_never_the_default(tmp_path: Path, server: Upstream) -> None:
    found = (Usual("ollama", port(server)),)
    async with registry(tmp_path, found, local=None) as models:
        await models.refresh()
        assert ids(models, admin=True) == ["tiny"]
        with pytest.raises(NotFound):
            models.default_id()


async def test_where_it_does_not_look(tmp_path: Path, server: Upstream) -> None:
    found = (Usual("ollama", port(server)),)
    async with registry(tmp_path, found, local=None, discover=False) as models:
        await models.refresh()
        assert ids(models, admin=True) == []
    ours = Settings(data=tmp_path, port=port(server), models={"local": None})
    itself = ModelRegistry(ours, usual=found)
    await itself.refresh()
    assert ids(itself, admin=True) == []
    configured = [named(server, models="ok", context_window=10)]
    async with registry(tmp_path, found, local=None, servers=configured) as models:
        await models.refresh()
        assert ids(models, admin=True) == ["ok"]
    assert server.headers == []


async def test_nobody_is_there(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        gone = await stack.enter_async_context(upstream())
    async with registry(tmp_path, (Usual("ollama", port(gone)),), local=None) as models:
        await models.refresh()
        assert ids(models, admin=True) == []


async def test_the_key_of_the_environment(tmp_path: Path, server: Upstream) -> None:
    server.listed = [{"id": "gpt-4o"}, {"id": "whisper-1"}]
    async with registry(
        tmp_path,
        local=None,
        discover=False,
        openai_api_key="sk-env",
        openai_base_url=server.base_url + "/",
    ) as models:
        await models.refresh()
        assert ids(models) == []
        assert ids(models, admin=True) == ["gpt-4o"]
        info = models.get("gpt-4o", admin=True).info
        assert (info.owned_by, info.capable, info.context_window) == ("openai", True, 128_000)
        assert server.headers[0]["Authorization"] == "Bearer sk-env"


async def test_starting_begins_to_load_the_default(tmp_path: Path) -> None:
    missing = str(tmp_path / "gone.gguf")
    async with registry(tmp_path, local=missing) as models:
        await models.start()
        assert models.default_id() == "gone"
        with pytest.raises(ModelUnavailable):
            await models.get(None).ready()
        assert models.get(None).state().status == "failed"


async def test_starting_leaves_a_local_model_alone_that_is_not_the_default(tmp_path: Path) -> None:
    missing = str(tmp_path / "gone.gguf")
    async with registry(tmp_path, local=missing, scripted=True, default="scripted") as models:
        await models.start()
        await asyncio.sleep(0)
        assert models.get("gone").state().status == "absent"


def test_a_local_model_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="'nonsense' is no model"):
        ModelRegistry(Settings(data=tmp_path, models={"local": "nonsense"}))

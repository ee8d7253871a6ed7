"""The busiest routes have a way past FastAPI: what it answers is what FastAPI would."""

from __future__ import annotations

import httpx
import pytest
from tests.support.served import Served, error_of

from tertulia.transports.direct import Direct

ROOT = "/v1/conversations"


async def both(
    client: httpx.AsyncClient, path: str, monkeypatch: pytest.MonkeyPatch
) -> tuple[httpx.Response, httpx.Response]:
    direct = await client.get(path)
    with monkeypatch.context() as patch:
        patch.setattr(Direct, "__call__", lambda self, *channel: self._app(*channel))
        return direct, await client.get(path)


def told(answer: httpx.Response) -> tuple[int, bytes, dict[str, str]]:
    headers = {name: value for name, value in answer.headers.items() if name != "x-request-id"}
    return answer.status_code, answer.content, headers


@pytest.mark.parametrize(
    "query",
    [
        *(
            "",
            "?limit=1",
            "?limit=002",
            "?limit=500",
            "?limit=501",
            "?limit=0",
            "?limit=",
            "?limit",
        ),
        *("?limit=%201", "?limit=1&limit=2", "?limit=x&limit=2", "?limit=1.0", "?limit=0001"),
        *("?limit=%D9%A1", "?after=", "?after=conv_none", "?after=a&after=b"),
        *("?search=ox", "?search=", f"?search={'x' * 201}", "?limit=1&unknown=2"),
    ],
)
async def test_lists(ann: httpx.AsyncClient, query: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for title in ("Ox", "Cow", "Ox and cow"):
        await ann.post(ROOT, json={"title": title})
    direct, declared = await both(ann, ROOT + query, monkeypatch)
    assert told(direct) == told(declared)


@pytest.mark.parametrize("name", ["", "conv_none", "%2F", "a%2Fb", "a/b", "%C3%A9", "."])
async def test_trees(ann: httpx.AsyncClient, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    direct, declared = await both(ann, f"{ROOT}/{name}/tree", monkeypatch)
    assert told(direct) == told(declared)
    assert direct.status_code == 404


async def test_a_tree_that_is_there(
    ann: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = (await ann.post(ROOT, json={"items": [{"role": "user", "content": "Hello"}]})).json()
    direct, declared = await both(ann, f"{ROOT}/{made['id']}/tree", monkeypatch)
    assert direct.json()["conversation"]["id"] == made["id"]
    assert told(direct) == told(declared)


@pytest.mark.parametrize("path", [ROOT, f"{ROOT}/conv_x/tree"])
async def test_nobody_comes_in_without_signing_in(
    served: Served, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = await served.client()
    direct, declared = await both(stranger, path, monkeypatch)
    assert told(direct) == told(declared)
    error_of(direct, 401)
    error_of(await stranger.put(path), 405)

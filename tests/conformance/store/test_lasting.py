"""What lies on the disk: it lasts, and tells nobody anything without the keys."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.stores import ANN, OpenCipher, Rig, asked, sqlite_rig, words

from tertulia.domain.file import File
from tertulia.domain.ids import new_file_id
from tertulia.domain.response import Failure, Request
from tertulia.errors import DataFolderError, TertuliaError
from tertulia.ports.turns import HEAD

SECRETS = {
    name: f"canary-of-{name}-äß"
    for name in (
        "input",
        "output",
        "title",
        "message title",
        "metadata",
        "new metadata",
        "request",
        "schema",
        "tool",
        "error",
        "profile",
        "added",
        "edited",
        "file",
        "file name",
    )
}


@pytest.fixture(params=[False, True], ids=["sqlite", "sqlite+log"])
def with_log(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


async def say_it_all(rig: Rig) -> str:
    s = SECRETS
    talk = await rig.talk(title=s["title"], title_source="model", metadata={"k": s["metadata"]})
    request = Request(
        model="m",
        instructions=s["request"],
        tools=({"type": "function", "name": "f", "parameters": {"d": s["tool"]}},),
        text_format={"type": "json_schema", "schema": {"d": s["schema"]}},
        metadata={"k": s["new metadata"]},
    )
    first = await rig.answer(
        s["output"], text=s["input"], conversation=talk.id, parent=HEAD, request=request
    )
    failed = await rig.start(text=s["edited"], conversation=talk.id, parent=None)
    await rig.end(failed, status="failed", error=Failure("model_error", s["error"]))
    other = await rig.talk()
    await rig.submit(conversation=other.id, parent=HEAD, title=s["message title"])
    await rig.store.add_items(ANN, talk.id, (asked(s["added"]),))
    await rig.store.update_conversation(ANN, talk.id, metadata={"k": s["new metadata"]})
    await rig.store.set_profile(ANN, instructions=s["profile"], default_model=None)
    await _keep(rig, s["file name"], s["file"].encode())
    return first.id


async def _keep(rig: Rig, name: str, content: bytes) -> str:
    file = File(
        id=new_file_id(),
        user_id=ANN,
        purpose="vision",
        name=name,
        media_type="image/png",
        width=1,
        height=1,
        bytes=len(content),
    )
    await rig.store.add_file(file, content, keep_seconds=None, quota_bytes=10**9)
    return file.id


def _forms(text: str) -> Iterator[bytes]:
    raw = text.encode()
    yield raw
    yield text.encode("utf-16-le")
    yield text.encode("ascii", "backslashreplace")
    for shift in range(3):
        # Whole groups of three bytes, so that what stands around the text does not matter.
        inner = raw[shift : shift + (len(raw) - shift) // 3 * 3]
        yield base64.b64encode(inner)


@pytest.mark.parametrize("sealed", [True, False])
async def test_nothing_of_the_talk_lies_open(
    tmp_path: Path, empty: Path, with_log: bool, sealed: bool
) -> None:
    cipher = None if sealed else OpenCipher()
    async with sqlite_rig(tmp_path, empty, with_log=with_log, cipher=cipher) as rig:
        await say_it_all(rig)
        while_open = [p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()]
    closed = [p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()]
    held = b"\0".join(while_open + closed)
    found = {n for n, text in SECRETS.items() for form in _forms(text) if form in held}
    assert found == (set() if sealed else set(SECRETS))


async def test_a_deleted_file_leaves_no_byte(tmp_path: Path, empty: Path, with_log: bool) -> None:
    """Even where nothing is sealed: what was deleted is overwritten."""
    canary = b"canary-of-a-deleted-file"
    async with sqlite_rig(tmp_path, empty, with_log=with_log, cipher=OpenCipher()) as rig:
        file_id = await _keep(rig, "a.png", canary * 50_000)
    held = [p for p in tmp_path.rglob("*") if p.is_file() and canary in p.read_bytes()]
    assert held
    async with sqlite_rig(tmp_path, empty, with_log=with_log, cipher=OpenCipher()) as rig:
        await rig.store.delete_file(ANN, file_id)
    held = [p for p in tmp_path.rglob("*") if p.is_file() and canary in p.read_bytes()]
    assert held == []


async def test_everything_is_there_after_a_restart(
    tmp_path: Path, empty: Path, with_log: bool
) -> None:
    async with sqlite_rig(tmp_path, empty, with_log=with_log) as rig:
        response_id = await say_it_all(rig)
        node = await rig.store.get(ANN, response_id)
        feed = await rig.feed()
        position = await rig.store.feed_position(ANN)
        waiting = (await rig.submit("waits")).response
    async with sqlite_rig(tmp_path, empty, with_log=with_log) as rig:
        assert await rig.store.get(ANN, response_id) == node
        assert words(node) == (SECRETS["input"], SECRETS["output"])
        assert (await rig.feed())[: len(feed)] == feed
        assert (await rig.store.feed_position(ANN)).epoch == position.epoch
        await rig.end(await rig.claim(waiting.id))


async def test_other_keys_open_nothing_and_the_error_says_what_to_do(
    tmp_path: Path, empty: Path
) -> None:
    async with sqlite_rig(tmp_path, empty, with_log=False) as rig:
        response_id = await say_it_all(rig)
    shutil.rmtree(tmp_path / "keys")
    async with sqlite_rig(tmp_path, empty, with_log=False) as rig:
        with pytest.raises(DataFolderError, match="backup") as caught:
            await rig.store.get(ANN, response_id)
        assert caught.value.code == "sealed_value"
        with pytest.raises(DataFolderError, match="conversations.title of row conv_") as caught:
            await rig.store.conversations(ANN, limit=9, after=None)
        assert caught.value.code == "sealed_value"


async def test_a_closed_store_is_unavailable(tmp_path: Path, empty: Path) -> None:
    async with sqlite_rig(tmp_path, empty, with_log=False) as rig:
        await rig.store.ping()
        await rig.store.close()
        with pytest.raises(TertuliaError) as caught:
            await rig.store.user(ANN)
        assert caught.value.status == 503

"""Uploaded files: kept, listed, limited, erased; and items found by their ids."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.stores import ANN, BEN, Rig

from tertulia.domain.file import File
from tertulia.domain.ids import new_file_id
from tertulia.errors import Conflict, InvalidInput, NotFound
from tertulia.ports.turns import HEAD, Idempotency

MEGABYTE = 2**20


async def keep(
    rig: Rig,
    content: bytes = b"image",
    *,
    user: str = ANN,
    keep_seconds: float | None = None,
    quota: int = MEGABYTE,
    key: Idempotency | None = None,
    **fields: Any,
) -> File:
    described: dict[str, Any] = {
        "purpose": "vision",
        "name": "a.png",
        "media_type": "image/png",
        "width": 2,
        "height": 3,
        **fields,
    }
    file = File(id=new_file_id(), user_id=user, bytes=len(content), **described)
    return await rig.store.add_file(
        file, content, keep_seconds=keep_seconds, quota_bytes=quota, idempotency=key
    )


async def names(rig: Rig, user: str = ANN, **how: Any) -> list[str]:
    page = await rig.store.files(user, **{"limit": 10, **how})
    return [file.name for file in page.data]


async def test_a_file_is_given_back_as_it_was(rig: Rig) -> None:
    content = bytes(range(256)) * 40_000
    kept = await keep(rig, content, name="ä.png", quota=2**30)
    assert kept.created_at == rig.clock.now
    assert (kept.expires_at, kept.bytes) == (None, len(content))
    assert await rig.store.file(ANN, kept.id) == kept
    assert await rig.store.file_contents(ANN, [kept.id, "file-none"]) == {kept.id: (kept, content)}


async def test_what_is_anothers_is_unknown(rig: Rig) -> None:
    kept = await keep(rig)
    for file_id in (kept.id, "file-none"):
        with pytest.raises(NotFound, match=file_id):
            await rig.store.file(BEN, file_id)
        with pytest.raises(NotFound):
            await rig.store.delete_file(BEN, file_id)
        assert await rig.store.file_contents(BEN, [file_id]) == {}
        assert await rig.store.missing_files(BEN, [file_id]) == [file_id]
    assert await rig.store.missing_files(ANN, [kept.id, "file-none"]) == ["file-none"]
    assert await rig.store.missing_files(ANN, []) == ()
    assert await names(rig, BEN) == []


async def test_files_are_listed_by_time_page_by_page(rig: Rig) -> None:
    kept = []
    for number in range(5):
        purpose = "user_data" if number % 2 else "vision"
        kept.append(await keep(rig, name=str(number), purpose=purpose))
        rig.clock.pass_by(1 if number < 3 else 0)  # the last two are of one instant
    assert sorted((await names(rig))[:2]) == ["3", "4"]
    assert await names(rig, limit=2, newest_first=False) == ["0", "1"]
    assert await names(rig, purpose="user_data", newest_first=False) == ["1", "3"]
    after = kept[1].id
    assert await names(rig, after=after, purpose="vision", newest_first=False) == ["2", "4"]
    assert await names(rig, after=after) == ["0"]
    for newest_first in (True, False):
        seen: list[str] = []
        last = None
        more = True
        while more:
            page = await rig.store.files(ANN, limit=2, after=last, newest_first=newest_first)
            seen += [file.name for file in page.data]
            last, more = page.data[-1].id, page.has_more
        assert sorted(seen) == ["0", "1", "2", "3", "4"]
    with pytest.raises(NotFound):
        await names(rig, after="file-none")


async def test_a_deleted_file_is_gone(rig: Rig) -> None:
    kept = await keep(rig)
    await rig.store.delete_file(ANN, kept.id)
    with pytest.raises(NotFound):
        await rig.store.file(ANN, kept.id)
    with pytest.raises(NotFound):
        await rig.store.delete_file(ANN, kept.id)
    assert await rig.store.missing_files(ANN, [kept.id]) == [kept.id]


async def test_an_expired_file_is_unknown_at_once_and_purged_later(rig: Rig) -> None:
    lasting, passing = await keep(rig), await keep(rig, keep_seconds=60)
    assert passing.expires_at == rig.clock.now + 60
    assert await purge(rig) == 0
    rig.clock.pass_by(60)
    with pytest.raises(NotFound):
        await rig.store.file(ANN, passing.id)
    assert await names(rig) == ["a.png"]
    assert await purge(rig) == 1
    assert await purge(rig) == 0
    assert await rig.store.file(ANN, lasting.id) == lasting


async def test_many_expired_files_go_in_one_purge(rig: Rig) -> None:
    for _ in range(40):
        await keep(rig, keep_seconds=1)
    rig.clock.pass_by(2)
    assert await purge(rig) == 40


async def purge(rig: Rig) -> int:
    return await rig.store.purge(ephemeral_seconds=1e9, undo_seconds=1e9, feed_history=1000)


async def test_the_quota_counts_what_is_there(rig: Rig) -> None:
    first = await keep(rig, b"x" * 60, quota=100)
    await keep(rig, b"x" * 60, user=BEN, quota=100)
    with pytest.raises(InvalidInput, match="100 bytes") as caught:
        await keep(rig, b"x" * 41, quota=100)
    assert caught.value.code == "storage_limit_exceeded"
    await keep(rig, b"x" * 40, quota=100, keep_seconds=10)
    await rig.store.delete_file(ANN, first.id)
    rig.clock.pass_by(11)
    await keep(rig, b"x" * 100, quota=100)


async def test_a_key_gives_the_first_file_again(rig: Rig) -> None:
    key = Idempotency(b"key", b"body")
    first = await keep(rig, key=key)
    assert await keep(rig, key=key) == first
    assert await names(rig) == ["a.png"]
    with pytest.raises(Conflict):
        await keep(rig, key=Idempotency(b"key", b"other"))


# --- items by their ids --------------------------------------------------------------------------


async def test_items_of_stored_responses_are_found(rig: Rig) -> None:
    talk = await rig.talk()
    done = await rig.answer("Paris.", text="Where?", conversation=talk.id, parent=HEAD)
    alone = await rig.answer("Yes.", text="Sure?")
    nodes = [await rig.store.get(ANN, each.id) for each in (done, alone)]
    items = [item for node in nodes for item in (*node.input, *node.output)]
    assert len(items) == 4
    wanted = [item.id for item in items]
    assert await rig.store.find_items(ANN, [*wanted, "msg_none"]) == {i.id: i for i in items}
    assert await rig.store.find_items(BEN, wanted) == {}
    assert await rig.store.find_items(ANN, []) == {}


async def test_items_that_are_kept_nowhere_or_deleted_are_not_found(rig: Rig) -> None:
    talk = await rig.talk()
    hidden = await rig.answer(conversation=talk.id, parent=HEAD)
    erased = await rig.answer()
    passing = await rig.answer(store=False, connection="conn_1")
    for response in (hidden, erased, passing):
        node = await rig.store.get(ANN, response.id)
        ids = [item.id for item in (*node.input, *node.output)]
        assert len(ids) == 2
        if response is hidden:
            await rig.store.delete_conversation(ANN, talk.id)
        elif response is erased:
            await rig.store.delete(ANN, response.id)
        assert await rig.store.find_items(ANN, ids) == {}


async def test_the_input_of_a_regenerated_response_outlives_the_first(rig: Rig) -> None:
    first = await rig.answer(text="Again")
    await rig.answer(regenerate_of=first.id)
    (asked,) = (await rig.store.get(ANN, first.id)).input
    await rig.store.delete(ANN, first.id)
    assert await rig.store.find_items(ANN, [asked.id]) == {asked.id: asked}

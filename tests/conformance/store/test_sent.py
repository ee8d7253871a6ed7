"""The note of what a response sent, and the hint of how much room its past has."""

from __future__ import annotations

import pytest
from tests.support.stores import ANN, BEN, OpenCipher, Rig, sqlite_rig, template

from tertulia.domain.ids import new_id
from tertulia.domain.response import Request, Response, Usage
from tertulia.domain.sent import Sent
from tertulia.errors import NotFound
from tertulia.ports.turns import MayBeTooLong, Submission, Submitted

CANARY = "zanzibar"

SENT = Sent(
    attempt=1,
    window=4096,
    reserve=1024,
    tokens=99,
    left_out=7,
    history_from="resp_0",
    written=3,
    images=True,
    instructions=f"Be {CANARY}.",
)


async def test_what_was_sent_is_kept(rig: Rig) -> None:
    response = await rig.start()
    assert await rig.store.sent(ANN, response.id) is None
    await rig.end(response, sent=SENT)
    assert await rig.store.sent(ANN, response.id) == SENT
    assert await rig.store.sent(BEN, response.id) is None
    assert await rig.store.sent(ANN, "resp_gone") is None


async def test_what_called_no_model_has_no_note(rig: Rig) -> None:
    done = await rig.answer()
    assert await rig.store.sent(ANN, done.id) is None


@pytest.mark.parametrize("child", [True, False])
async def test_it_is_erased_with_its_response(rig: Rig, child: bool) -> None:
    done = await rig.end(await rig.start(), sent=SENT)
    if child:
        await rig.answer(parent=done.response.id)
    await rig.store.delete(ANN, done.response.id)
    assert await rig.store.sent(ANN, done.response.id) is None


@pytest.mark.parametrize("sealed", [True, False])
async def test_it_is_sealed(tmp_path_factory: pytest.TempPathFactory, sealed: bool) -> None:
    """Without sealing the search finds it: so the search would."""
    folder = tmp_path_factory.mktemp("data")
    empty = template(tmp_path_factory.mktemp("empty"))
    cipher = None if sealed else OpenCipher()
    async with sqlite_rig(folder, empty, with_log=False, cipher=cipher) as rig:
        await rig.end(await rig.start(), sent=SENT)
    held = b"".join(path.read_bytes() for path in folder.glob("tertulia.sqlite3*"))
    assert (CANARY.encode() in held) is not sealed


async def submit(rig: Rig, parent: str | None, room: int | None) -> Submitted:
    response = Response(
        id=new_id("resp"),
        user_id=ANN,
        request=Request(model="scripted"),
        status="queued",
        created_at=0.0,
    )
    return await rig.store.submit(Submission(response, (), parent, room=room), rig.limits)


async def test_a_past_that_took_more_than_its_room_is_refused(rig: Rig) -> None:
    usage = Usage(input_tokens=30, output_tokens=12)
    done = (await rig.end(await rig.start(), usage=usage)).response
    with pytest.raises(MayBeTooLong):
        await submit(rig, done.id, 41)
    for room in (42, None):
        submitted = await submit(rig, done.id, room)
        assert submitted.response.previous_response_id == done.id
    assert (await submit(rig, None, 0)).response.previous_response_id is None
    with pytest.raises(NotFound):
        await submit(rig, "resp_gone", 0)


async def test_of_an_unfinished_past_nothing_is_known(rig: Rig) -> None:
    parent = await rig.start()
    assert (await submit(rig, parent.id, 0)).response.previous_response_id == parent.id

"""Frames that the store writes in its own transactions, where the log is co-located."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.stores import ANN, Rig, asked, outcome, sqlite_rig

from tertulia.domain.admission import Limits
from tertulia.domain.compose import Composer
from tertulia.domain.frame import Frame
from tertulia.errors import Fenced, RateLimited, Unavailable
from tertulia.ports.eventlog import EventLog
from tertulia.ports.turns import HEAD


@pytest.fixture
async def rig(tmp_path: Path, empty: Path) -> AsyncIterator[Rig]:
    async with sqlite_rig(tmp_path, empty, with_log=True) as opened:
        yield opened


@pytest.fixture
def log(rig: Rig) -> EventLog:
    assert rig.log is not None
    return rig.log


async def _frames(log: EventLog, response_id: str) -> list[Frame]:
    reader = await log.subscribe(ANN, response_id, None, lambda: None)
    await reader.fill()
    try:
        return list(reader.take())
    finally:
        reader.close()


async def test_the_opening_frames_are_there_with_the_response(rig: Rig, log: EventLog) -> None:
    submitted = await rig.submit()
    assert submitted.logged
    assert await _frames(log, submitted.response.id) == list(submitted.frames)


async def test_a_refused_submission_leaves_no_log(rig: Rig, log: EventLog) -> None:
    with pytest.raises(RateLimited):
        await rig.submit(response_id="resp_refused", limits=Limits(running=0, waiting=0))
    assert await _frames(log, "resp_refused") == []


async def test_a_reader_is_woken_by_the_terminal_frame(rig: Rig, log: EventLog) -> None:
    response = await rig.start()
    await rig.write(response, 9)
    woken: list[int] = []
    reader = await log.subscribe(ANN, response.id, 8, lambda: woken.append(1))
    done = await rig.end(response)
    assert done.logged
    assert woken
    await reader.fill()
    assert list(reader.take()) == [done.frame]
    reader.close()
    assert (await _frames(log, response.id))[-1] == done.frame


async def test_a_first_claim_opens_the_log_and_begins(rig: Rig, log: EventLog) -> None:
    submitted = await rig.submit()
    response_id = submitted.response.id
    reader = await log.subscribe(ANN, response_id, 1, lambda: None)
    claimed = await rig.store.claim(response_id, "worker_1", 30.0)
    assert claimed is not None
    assert claimed.held is not None
    assert [frame.kind for frame in claimed.held] == [
        "response.created",
        "response.queued",
        "response.in_progress",
    ]
    assert tuple(claimed.held[:2]) == submitted.frames
    await reader.fill()
    assert list(reader.take()) == [claimed.held[2]]
    reader.close()
    # What lies in the database, and what was shown, is the same.
    assert await log.open(ANN, response_id, 1) == list(claimed.held)
    assert Composer(claimed.response, claimed.held).begin() == []


async def test_a_later_claim_leaves_the_log_to_be_opened(rig: Rig, log: EventLog) -> None:
    response = await rig.start()
    before = await _frames(log, response.id)
    await rig.store.void_leases()
    claimed = await rig.store.claim(response.id, "worker_2", 30.0)
    assert claimed is not None
    assert claimed.held is None
    assert await _frames(log, response.id) == before


async def test_a_claim_leaves_a_log_that_is_gone(rig: Rig, log: EventLog) -> None:
    response = (await rig.submit()).response
    await log.drop([response.id])
    claimed = await rig.store.claim(response.id, "worker_1", 30.0)
    assert claimed is not None
    assert claimed.held is None
    assert await log.open(ANN, response.id, 1) == []


async def test_the_last_frames_come_with_the_end(rig: Rig, log: EventLog) -> None:
    response = await rig.start()
    await rig.write(response, 5)
    woken: list[int] = []
    reader = await log.subscribe(ANN, response.id, 4, lambda: woken.append(1))
    # One is asked for and not yet written, two are left to the end.
    asked_for = log.append(ANN, response.id, 1, [_frame(5)])
    last = (_frame(6), _frame(7))
    ended = outcome(response, last_sequence_number=8, frames=last)
    done = await rig.store.finish(ended, rig.limits)
    assert not (await asked_for).cancel_requested
    assert woken == [1]
    await reader.fill()
    assert list(reader.take()) == [_frame(5), *last, done.frame]
    reader.close()
    assert await log.open(ANN, response.id, 1) == await _frames(log, response.id)


async def test_an_end_before_which_frames_are_missing_is_refused(rig: Rig, log: EventLog) -> None:
    response = await rig.start()
    await rig.write(response, 5)
    before = await _frames(log, response.id)
    ended = outcome(response, last_sequence_number=8, frames=(_frame(6), _frame(7)))
    with pytest.raises(Unavailable):
        await rig.store.finish(ended, rig.limits)
    assert (await rig.store.get(ANN, response.id)).response.status == "in_progress"
    assert await _frames(log, response.id) == before


async def test_an_end_that_is_refused_takes_what_was_asked_for_along(
    rig: Rig, log: EventLog
) -> None:
    response = await rig.start()
    await rig.end(response)
    asked_for = log.append(ANN, response.id, 1, [_frame(9)])
    with pytest.raises(Fenced):
        await rig.store.finish(outcome(response), rig.limits)
    with pytest.raises(Fenced):
        await asked_for


def _frame(number: int) -> Frame:
    return Frame(number, "test", b"{}")


async def test_an_end_that_was_refused_writes_no_frame(rig: Rig, log: EventLog) -> None:
    response = await rig.start()
    await rig.end(response)
    before = await _frames(log, response.id)
    with pytest.raises(Fenced):
        await rig.end(response, status="failed")
    assert await _frames(log, response.id) == before


async def test_what_nobody_claimed_ends_in_its_log_too(rig: Rig, log: EventLog) -> None:
    cancelled = (await rig.submit()).response
    expired = (await rig.submit()).response
    flip = await rig.store.request_cancel(ANN, cancelled.id, rig.limits)
    rig.clock.pass_by(200)
    swept = await rig.store.sweep(
        rig.limits, waiting_seconds=120, take_over=True, ring_after_seconds=5
    )
    assert flip.finished is not None
    for done in (flip.finished, *swept.finished):
        assert done.logged
        frames = await _frames(log, done.response.id)
        assert [f.sequence_number for f in frames] == [0, 1, 2]
        assert frames[-1] == done.frame
    assert [done.response.id for done in swept.finished] == [expired.id]


async def test_erasing_takes_the_log_along(rig: Rig, log: EventLog, empty: Path) -> None:
    talk = await rig.talk()
    deleted = await rig.answer()
    emptied = await rig.answer(conversation=talk.id, parent=HEAD)
    answer = (await rig.store.get(ANN, emptied.id)).output[0]
    await rig.store.delete(ANN, deleted.id)
    await rig.store.delete_item(ANN, talk.id, answer.id)
    await rig.store.add_items(ANN, talk.id, (asked("still there"),))
    await rig.store.close()
    # What this process still holds in memory is the caller's to drop: look with another.
    async with sqlite_rig(rig.folder, empty, with_log=True) as again:
        assert again.log is not None
        for response_id in (deleted.id, emptied.id):
            assert await _frames(again.log, response_id) == []

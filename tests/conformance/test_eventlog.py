"""What every event log does: see `tertulia.ports.eventlog`."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import pytest
from tests.support.frames import last, run
from tests.support.readers import RESPONSE, USER, Reader, everything

from tertulia.domain.frame import Frame, first_number
from tertulia.errors import Fenced, PositionLost, Unavailable
from tertulia.ports.eventlog import Appended, EventLog

OTHER = "user_2"

OpenLog = Callable[[], AbstractAsyncContextManager[EventLog]]


async def test_a_log_gives_back_what_was_appended_in_order(log: EventLog) -> None:
    frames = run(10)
    assert list(await log.open(USER, RESPONSE, 1)) == []
    await log.append(USER, RESPONSE, 1, frames[:3])
    await log.append(USER, RESPONSE, 1, frames[3:])
    assert await everything(log) == frames
    assert await everything(log, after=6) == frames[7:]


async def test_appends_that_overlap_keep_the_order_of_the_calls(log: EventLog) -> None:
    frames = run(200)
    await log.open(USER, RESPONSE, 1)
    under_way = [log.append(USER, RESPONSE, 1, [f]) for f in frames]
    await asyncio.gather(*under_way)
    assert await everything(log) == frames


async def test_an_append_happens_though_nobody_waits_for_it(log: EventLog) -> None:
    await log.open(USER, RESPONSE, 1)
    end = last(5)
    reading = asyncio.create_task(Reader(log).until_end())
    log.append(USER, RESPONSE, 1, [*run(5), end])
    assert (await reading)[-1] == end


async def test_a_reader_is_woken_for_the_tail_and_sees_it_once(log: EventLog) -> None:
    await log.open(USER, RESPONSE, 1)
    await log.append(USER, RESPONSE, 1, run(2))
    reader = Reader(log)
    await reader.open()
    assert await reader.look() == run(2)
    before = reader.wakes
    await log.append(USER, RESPONSE, 1, run(2, start=2))
    assert reader.wakes > before
    assert await reader.look() == run(2, start=2)
    assert await reader.look() == []
    reader.place.close()
    await log.append(USER, RESPONSE, 1, run(1, start=4))
    assert reader.wakes == before + 1, "a reader that left is left alone"


async def test_readers_may_take_little_at_a_time(log: EventLog) -> None:
    await log.open(USER, RESPONSE, 1)
    reader = Reader(log, at_once=2)
    await reader.open()
    for start in range(0, 30, 5):
        await log.append(USER, RESPONSE, 1, run(5, start=start))
    assert await reader.look() == run(30)
    reader.place.close()


async def test_a_log_that_does_not_exist_is_empty_and_says_so(log: EventLog) -> None:
    reader = Reader(log)
    place = await reader.open()
    before = place.exists
    assert await reader.look() == []
    await log.open(USER, RESPONSE, 1)
    await log.append(USER, RESPONSE, 1, run(3))
    assert await reader.look() == run(3)
    assert (before, place.exists) == (False, True)
    place.close()


async def test_a_log_is_begun_by_opening_it_only(log: EventLog) -> None:
    with pytest.raises(Fenced):
        await log.append(USER, RESPONSE, 1, run(1))
    assert await everything(log) == []


async def test_others_see_nothing_of_it(log: EventLog) -> None:
    early = await log.subscribe(OTHER, RESPONSE, None, lambda: None)
    await log.open(USER, RESPONSE, 1)
    await log.append(USER, RESPONSE, 1, run(3))
    owner = Reader(log)
    await owner.open()
    late = await log.subscribe(OTHER, RESPONSE, None, lambda: None)
    await log.append(USER, RESPONSE, 1, run(3, start=3))
    for foreign in (early, late):
        await foreign.fill()
        assert list(foreign.take()) == []
        assert not foreign.exists
        foreign.close()
    with pytest.raises(PositionLost):
        await log.subscribe(OTHER, RESPONSE, 2, lambda: None)
    assert await owner.look() == run(6)
    owner.place.close()


# --- fences ------------------------------------------------------------------------------------


async def test_opening_gives_the_exact_prefix_and_refuses_the_old_attempt(log: EventLog) -> None:
    await log.open(USER, RESPONSE, 1)
    sent = [log.append(USER, RESPONSE, 1, [f]) for f in run(5)]
    prefix = list(await log.open(USER, RESPONSE, 2))
    late = log.append(USER, RESPONSE, 1, run(1, start=5))
    with pytest.raises(Fenced):
        await late
    assert prefix == run(5)
    await asyncio.gather(*sent)
    more = run(3, attempt=2, continues=4)
    await log.append(USER, RESPONSE, 2, more)
    assert await everything(log) == prefix + more
    assert await everything(log, after=4) == more
    with pytest.raises(Fenced):
        await log.open(USER, RESPONSE, 1)
    assert list(await log.open(USER, RESPONSE, 2)) == prefix + more


async def test_a_reader_goes_over_from_one_attempt_to_the_next(log: EventLog) -> None:
    await log.open(USER, RESPONSE, 1)
    reader = asyncio.create_task(Reader(log).until_end())
    await log.append(USER, RESPONSE, 1, run(3))
    await log.open(USER, RESPONSE, 3)
    tail = run(2, attempt=3, continues=2)
    end = last(first_number(3) + 2)
    await log.append(USER, RESPONSE, 3, tail)
    await log.append(USER, RESPONSE, 3, [end])
    assert await reader == [*run(3), *tail, end]


async def test_frames_that_are_held_already_change_nothing(log: EventLog) -> None:
    await log.open(USER, RESPONSE, 1)
    await log.append(USER, RESPONSE, 1, run(4))
    reader = Reader(log)
    await reader.open()
    await log.append(USER, RESPONSE, 1, run(2, start=1))
    await log.append(USER, RESPONSE, 1, run(4, start=2))
    assert await reader.look() == run(6)
    assert await everything(log) == run(6)
    reader.place.close()


async def test_a_terminal_frame_closes_the_log(log: EventLog) -> None:
    await log.open(USER, RESPONSE, 1)
    await log.append(USER, RESPONSE, 1, run(2))
    await log.append(USER, RESPONSE, 1, [last(2)])
    await log.append(USER, RESPONSE, 1, [last(2)])  # whoever derives it appends it again
    with pytest.raises(Fenced):
        await log.append(USER, RESPONSE, 1, run(1, start=3))
    assert await everything(log) == [*run(2), last(2)]


@pytest.mark.parametrize("start", [1, 7])
async def test_a_gap_is_refused_and_filled_by_appending_again(log: EventLog, start: int) -> None:
    await log.open(USER, RESPONSE, 1)
    if start > 1:
        await log.append(USER, RESPONSE, 1, run(start - 1))
    with pytest.raises(Unavailable):
        await log.append(USER, RESPONSE, 1, run(2, start=start))
    assert await everything(log) == run(start - 1)
    await log.append(USER, RESPONSE, 1, run(start + 2))
    assert await everything(log) == run(start + 2)


async def test_an_append_is_all_or_nothing(log: EventLog) -> None:
    await log.open(USER, RESPONSE, 1)
    broken = [*run(2), *run(1, start=5)]
    with pytest.raises(Unavailable):
        await log.append(USER, RESPONSE, 1, broken)
    assert await everything(log) == []


# --- positions ---------------------------------------------------------------------------------


async def test_positions_that_are_not_held_are_lost(log: EventLog) -> None:
    with pytest.raises(PositionLost):
        await log.subscribe(USER, RESPONSE, 0, lambda: None)
    await log.open(USER, RESPONSE, 1)
    await log.append(USER, RESPONSE, 1, run(4))
    await log.open(USER, RESPONSE, 2)
    await log.append(USER, RESPONSE, 2, run(2, attempt=2, continues=3))
    for after in (4, first_number(2) - 1, first_number(2) + 2, first_number(3)):
        with pytest.raises(PositionLost):
            await log.subscribe(USER, RESPONSE, after, lambda: None)
    assert await everything(log, after=first_number(2) + 1) == []


async def test_the_last_position_waits_for_more(log: EventLog) -> None:
    await log.open(USER, RESPONSE, 1)
    await log.append(USER, RESPONSE, 1, run(3))
    reader = Reader(log, after=2)
    place = await reader.open()
    assert await reader.look() == []
    await log.append(USER, RESPONSE, 1, run(1, start=3))
    assert await reader.look() == run(1, start=3)
    place.close()


async def test_a_dropped_log_is_gone_and_its_readers_are_told(log: EventLog) -> None:
    await log.open(USER, RESPONSE, 1)
    await log.append(USER, RESPONSE, 1, run(6))
    reader, fresh = Reader(log), Reader(log)
    await reader.open()
    await reader.look()
    await fresh.open()
    await log.drop([RESPONSE, "resp_unknown"])
    assert not reader.place.exists
    assert await reader.look() == []
    with pytest.raises(Fenced):
        await log.append(USER, RESPONSE, 1, run(1, start=6))
    assert list(await log.open(USER, RESPONSE, 2)) == []
    await log.append(USER, RESPONSE, 2, run(2, attempt=2))
    with pytest.raises(PositionLost):
        await reader.look()
    assert await fresh.look() == run(2, attempt=2), "who has seen nothing starts anew"
    reader.place.close()
    fresh.place.close()


async def test_a_log_restored_with_the_same_frames_keeps_its_readers(log: EventLog) -> None:
    await log.open(USER, RESPONSE, 1)
    await log.append(USER, RESPONSE, 1, run(6))
    reader = Reader(log)
    await reader.open()
    await reader.look()
    await log.drop([RESPONSE])
    await log.open(USER, RESPONSE, 1)
    await log.append(USER, RESPONSE, 1, run(8))
    assert await reader.look() == run(2, start=6)
    reader.place.close()


async def test_purge_erases_what_was_last_written_long_ago(log: EventLog) -> None:
    for response_id in ("resp_1", "resp_2"):
        await log.open(USER, response_id, 1)
        await log.append(USER, response_id, 1, [*run(2), last(2)])
    assert await log.purge(3600.0) == 0
    assert await everything(log) == [*run(2), last(2)]
    assert await log.purge(-3600.0) == 2
    assert await everything(log) == []


async def test_a_cancellation_is_told_by_the_next_append(log: EventLog) -> None:
    await log.open(USER, RESPONSE, 1)
    assert not (await log.append(USER, RESPONSE, 1, run(1))).cancel_requested
    await log.signal_cancel(RESPONSE)
    assert (await log.append(USER, RESPONSE, 1, run(1, start=1))).cancel_requested


# --- every interleaving ------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(25))
async def test_replay_and_tail_meet_without_gap_or_double(log: EventLog, seed: int) -> None:
    """Appends, takeovers and readers in random order: each reader ends with exactly the log."""
    rng = random.Random(seed)
    written: list[Frame] = []
    reading: list[tuple[int | None, Awaitable[list[Frame]]]] = []
    under_way: list[Awaitable[Appended]] = []
    attempt = 1
    await log.open(USER, RESPONSE, attempt)

    async def attach() -> None:
        held = [f.sequence_number for f in written]
        after = rng.choice([None, *held])
        reader = Reader(log, after, at_once=rng.choice([1, 3, 1024]))
        reading.append((after, asyncio.create_task(reader.until_end())))

    for _ in range(60):
        action = rng.random()
        if action < 0.6:
            number = written[-1].sequence_number + 1 if written else 0
            continues = None
            if written and written[-1].attempt < attempt:
                number, continues = first_number(attempt), written[-1].sequence_number
            elif not written:
                number = first_number(attempt)
            start = number - first_number(attempt)
            frames = run(rng.randint(1, 4), attempt=attempt, start=start, continues=continues)
            under_way.append(log.append(USER, RESPONSE, attempt, frames))
            written += frames
        elif action < 0.75:
            # A reader may only ask for what has been shown.
            await asyncio.gather(*under_way)
            under_way.clear()
            await attach()
        elif action < 0.8:
            attempt += 1
            assert list(await log.open(USER, RESPONSE, attempt)) == written
        else:
            await asyncio.sleep(0)
    continues = None
    number = written[-1].sequence_number + 1
    if written[-1].attempt < attempt:
        number, continues = first_number(attempt), written[-1].sequence_number
    written.append(last(number, continues=continues))
    await asyncio.gather(*under_way)
    await log.append(USER, RESPONSE, attempt, written[-1:])
    for after, task in reading:
        start = 0 if after is None else 1 + [f.sequence_number for f in written].index(after)
        assert await task == written[start:]


# --- lasting -----------------------------------------------------------------------------------


async def test_a_lasting_log_is_the_same_after_a_restart(open_log: OpenLog) -> None:
    async with open_log() as log:
        await log.open(USER, RESPONSE, 3)
        await log.append(USER, RESPONSE, 3, run(5, attempt=3))
    async with open_log() as log:
        assert await everything(log) == run(5, attempt=3)
        with pytest.raises(Fenced):
            await log.open(USER, RESPONSE, 2)
        with pytest.raises(Fenced):
            await log.append(USER, RESPONSE, 2, run(1, attempt=2))
        assert list(await log.open(USER, RESPONSE, 4)) == run(5, attempt=3)

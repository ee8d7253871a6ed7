"""The fan-out: what is shared, what is bounded, and what is left when nobody reads."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence

import pytest
from tests.support.frames import run
from tests.support.readers import until

from tertulia.adapters.eventlog.hub import Hub
from tertulia.adapters.eventlog.reader import Reader
from tertulia.domain.frame import Frame
from tertulia.errors import PositionLost, Unavailable

USER, RESPONSE = "user_1", "resp_1"


class Backend:
    """A backend that counts how often it is asked, and answers when it is let."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.newest_reads = 0
        self.after_reads = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.broken = False

    async def newest(self, user_id: str, response_id: str) -> tuple[Sequence[Frame], bool]:
        self.newest_reads += 1
        seen = tuple(self.frames)
        await self.gate.wait()
        if self.broken:
            raise Unavailable("away")
        return seen, False

    async def after(
        self, user_id: str, response_id: str, number: int | None
    ) -> Sequence[Frame] | None:
        self.after_reads += 1
        seen = tuple(self.frames)
        await self.gate.wait()
        if number is None:
            return seen[:2]
        held = [f.sequence_number for f in seen]
        return seen[held.index(number) + 1 :][:2] if number in held else None


class Wakes:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


@pytest.fixture
async def backend() -> Backend:
    return Backend()


def write(hub: Hub, backend: Backend, frames: Sequence[Frame]) -> None:
    backend.frames += frames
    hub.publish(RESPONSE, frames)


async def subscribe(hub: Hub, after: int | None = None, wake: Wakes | None = None) -> Reader:
    return await hub.subscribe(USER, RESPONSE, after, wake or Wakes())


async def drain(reader: Reader, at_once: int = 1024) -> list[Frame]:
    seen: list[Frame] = []
    while True:
        await reader.fill()
        frames = reader.take(at_once)
        if not frames:
            return seen
        seen += frames


async def test_the_backend_is_read_once_whatever_the_number_of_readers(backend: Backend) -> None:
    hub = Hub(backend)
    write(hub, backend, run(5))
    readers = await asyncio.gather(*(subscribe(hub) for _ in range(50)))
    for start in range(5, 500, 5):
        write(hub, backend, run(5, start=start))
    shared = [await drain(reader) for reader in readers]
    assert all(seen == run(500) for seen in shared)
    assert all(a is b for a, b in zip(shared[0], shared[49], strict=True)), "the very objects"
    assert (backend.newest_reads, backend.after_reads) == (1, 0)


async def test_nothing_is_kept_for_nobody(backend: Backend) -> None:
    hub = Hub(backend)
    write(hub, backend, run(5))
    assert hub.size == 0
    readers = [await subscribe(hub) for _ in range(3)]
    assert hub.size > 0
    for reader in readers:
        reader.close()
        reader.close()
    assert (hub.size, hub._windows) == (0, {})
    write(hub, backend, run(5, start=5))
    assert (hub.size, hub._windows) == (0, {})


async def test_a_window_is_bounded_and_slow_readers_read_the_backend(backend: Backend) -> None:
    hub = Hub(backend, window_bytes=10_000)
    slow, fast = await subscribe(hub), await subscribe(hub)
    seen = []
    for start in range(0, 1000, 10):
        write(hub, backend, run(10, start=start, text="x" * 100))
        seen += await drain(fast)
        assert hub.size <= 10_000
    assert seen == backend.frames
    assert backend.after_reads == 0, "who keeps up never leaves the window"
    assert await drain(slow, at_once=7) == backend.frames
    assert backend.after_reads > 0


async def test_all_windows_together_are_bounded(backend: Backend) -> None:
    hub = Hub(backend, window_bytes=16_000, total_bytes=20_000)
    readers = []
    for n in range(10):
        backend.frames = run(1, text="x" * 100)
        readers.append(await hub.subscribe(USER, f"resp_{n}", None, lambda: None))
        hub.publish(f"resp_{n}", run(100, start=1, text="x" * 100))
    # The last one over the edge, and a sixteenth for each after it.
    assert hub.size <= 20_000 + 16_000 + 10 * 1000
    for reader in readers:
        reader.close()
    assert hub.size == 0


async def test_frames_that_come_while_the_window_loads_are_not_missed(backend: Backend) -> None:
    hub = Hub(backend)
    backend.frames = run(3)
    backend.gate.clear()
    opening = [asyncio.create_task(subscribe(hub)) for _ in range(2)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    write(hub, backend, run(2, start=3))
    backend.gate.set()
    for reader in await asyncio.gather(*opening):
        assert await drain(reader) == run(5)


async def test_frames_that_were_loaded_before_they_were_published_come_once(
    backend: Backend,
) -> None:
    hub = Hub(backend)
    backend.frames = run(5)
    reader = await subscribe(hub)
    hub.publish(RESPONSE, run(2, start=3))
    hub.publish(RESPONSE, run(2, start=4))
    assert await drain(reader) == run(6)


async def test_a_reader_who_leaves_while_loading_takes_nothing_from_the_others(
    backend: Backend,
) -> None:
    hub = Hub(backend)
    backend.frames = run(3)
    backend.gate.clear()
    leaves, stays = (asyncio.create_task(subscribe(hub)) for _ in range(2))
    await asyncio.sleep(0)
    leaves.cancel()
    await asyncio.gather(leaves, return_exceptions=True)
    backend.gate.set()
    assert await drain(await stays) == run(3)
    (await stays).close()
    assert (hub.size, hub._windows) == (0, {})


async def test_all_who_leave_while_loading_leave_nothing(backend: Backend) -> None:
    hub = Hub(backend)
    backend.frames = run(3)
    backend.gate.clear()
    leaves = asyncio.create_task(subscribe(hub))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    leaves.cancel()
    await asyncio.gather(leaves, return_exceptions=True)
    backend.gate.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (hub.size, hub._windows) == (0, {})


async def test_a_backend_that_is_away_is_asked_again(backend: Backend) -> None:
    hub = Hub(backend)
    backend.broken = True
    with pytest.raises(Unavailable):
        await subscribe(hub)
    backend.broken, backend.frames = False, run(3)
    assert await drain(await subscribe(hub)) == run(3)


async def test_a_failure_that_all_have_left_troubles_nobody(backend: Backend) -> None:
    backend.broken = True
    backend.gate.clear()
    hub = Hub(backend)
    troubles: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: troubles.append(context))
    reading = asyncio.create_task(subscribe(hub))
    await until(lambda: backend.newest_reads == 1)
    reading.cancel()
    await asyncio.wait([reading])
    backend.gate.set()
    # Until the load has ended, and nothing holds its task any more.
    await until(lambda: len(asyncio.all_tasks()) == 1)
    del reading
    gc.collect()
    assert troubles == []


async def test_an_erasure_while_loading_is_seen(backend: Backend) -> None:
    hub = Hub(backend)
    backend.frames = run(3)
    backend.gate.clear()
    opening = asyncio.create_task(subscribe(hub))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    backend.frames = []
    hub.reset(RESPONSE)
    backend.gate.set()
    reader = await opening
    assert not reader.exists
    assert await drain(reader) == []


async def test_an_erasure_while_a_slow_reader_reads_is_seen(backend: Backend) -> None:
    hub = Hub(backend, window_bytes=500)
    reader = await subscribe(hub)
    write(hub, backend, run(10))
    assert reader.take() == ()
    backend.gate.clear()
    filling = asyncio.create_task(reader.fill())
    await asyncio.sleep(0)
    backend.frames = []
    hub.reset(RESPONSE)
    backend.gate.set()
    await filling
    assert await drain(reader) == []


async def test_a_slow_reader_whose_frames_are_gone_is_told(backend: Backend) -> None:
    hub = Hub(backend, window_bytes=500)
    reader = await subscribe(hub)
    write(hub, backend, run(1))
    assert await drain(reader) == run(1)
    write(hub, backend, run(10, start=1))
    del backend.frames[:5]
    with pytest.raises(PositionLost):
        await reader.fill()


async def test_a_reader_is_woken_once_until_it_takes(backend: Backend) -> None:
    hub = Hub(backend)
    wakes = Wakes()
    write(hub, backend, run(1))
    reader = await subscribe(hub, wake=wakes)
    for start in range(1, 10):
        write(hub, backend, run(1, start=start))
    assert wakes.count == 1
    assert len(reader.take(3)) == 3
    write(hub, backend, run(1, start=10))
    assert wakes.count == 2, "whoever has not taken everything is woken all the same"


# --- beginnings ----------------------------------------------------------------------------------


async def test_the_first_reader_of_a_new_log_needs_no_backend(backend: Backend) -> None:
    hub = Hub(backend)
    hub.publish(RESPONSE, run(2), USER)
    hub.publish(RESPONSE, run(3, start=2))
    first = await subscribe(hub, 1)
    hub.publish(RESPONSE, run(1, start=5))
    assert await drain(first) == run(4, start=2)
    assert await drain(await subscribe(hub)) == run(6)
    assert backend.newest_reads == 0
    with pytest.raises(PositionLost):
        await subscribe(hub, 6)


async def test_a_beginning_is_shown_to_its_owner_only(backend: Backend) -> None:
    hub = Hub(backend)
    hub.publish(RESPONSE, run(2), USER)
    stranger = await hub.subscribe("user_2", RESPONSE, None, Wakes())
    assert backend.newest_reads == 1
    assert not stranger.exists


async def test_what_is_no_beginning_is_loaded(backend: Backend) -> None:
    hub = Hub(backend)
    backend.frames += run(3)
    hub.publish(RESPONSE, run(2, start=1), USER)
    assert await drain(await subscribe(hub)) == run(3)


async def test_a_long_or_erased_beginning_is_loaded(backend: Backend) -> None:
    hub = Hub(backend)
    long = run(2, text="x" * 10_000)
    hub.publish("resp_2", long, USER)
    hub.publish(RESPONSE, run(2), USER)
    hub.reset(RESPONSE)
    assert not (await subscribe(hub)).exists
    backend.frames += long
    reader = await hub.subscribe(USER, "resp_2", None, Wakes())
    assert await drain(reader) == long
    assert backend.newest_reads == 2


# --- published by another process: late, or not at all --------------------------------------------


async def test_a_frame_that_was_never_published_is_loaded(backend: Backend) -> None:
    hub = Hub(backend)
    backend.frames = run(3)
    reader = await hub.subscribe(USER, RESPONSE, None, Wakes())
    assert list(reader.take()) == run(3)
    backend.frames = run(8)
    hub.publish(RESPONSE, run(2, start=6))
    await reader.fill()
    assert list(reader.take()) == run(5, start=3)


async def test_what_is_at_hand_wakes_nobody(backend: Backend) -> None:
    hub, wakes = Hub(backend), Wakes()
    backend.frames = run(3)
    reader = await hub.subscribe(USER, RESPONSE, None, wakes)
    reader.take()
    hub.publish(RESPONSE, run(2, start=1))
    assert wakes.count == 0


async def test_doubt_keeps_what_is_at_hand_until_it_is_loaded_again(backend: Backend) -> None:
    hub, wakes = Hub(backend), Wakes()
    backend.frames = run(3)
    reader = await hub.subscribe(USER, RESPONSE, None, wakes)
    reader.take()
    backend.broken = True
    hub.doubt(RESPONSE)
    assert wakes.count == 1
    with pytest.raises(Unavailable):
        await reader.fill()
    assert reader.exists
    hub.doubt(RESPONSE)
    assert wakes.count == 2, "a reader that could not be filled is woken again"
    backend.broken, backend.frames = False, run(4)
    await reader.fill()
    assert list(reader.take()) == run(1, start=3)


async def test_doubt_while_it_is_loaded_costs_one_more_load(backend: Backend) -> None:
    hub = Hub(backend)
    backend.frames = run(3)
    backend.gate.clear()
    joining = asyncio.create_task(hub.subscribe(USER, RESPONSE, None, Wakes()))
    await until(lambda: backend.newest_reads > 0)
    backend.frames = run(7)
    for _ in range(5):
        hub.doubt(RESPONSE)
    backend.gate.set()
    reader = await joining
    assert list(reader.take()) == run(7)
    assert backend.newest_reads == 2


async def test_a_reader_may_know_more_than_was_published_here(backend: Backend) -> None:
    hub = Hub(backend)
    with pytest.raises(PositionLost):
        await hub.subscribe(USER, RESPONSE, 0, Wakes())
    backend.frames = run(3)
    first = await hub.subscribe(USER, RESPONSE, None, Wakes())
    backend.frames = run(9)
    ahead = await hub.subscribe(USER, RESPONSE, 7, Wakes())
    assert list(ahead.take()) == run(1, start=8)
    assert list(first.take()) == run(9)
    with pytest.raises(PositionLost):
        await hub.subscribe(USER, RESPONSE, 9, Wakes())


async def test_it_is_told_which_responses_are_left(backend: Backend) -> None:
    left: list[str] = []
    hub = Hub(backend, on_left=left.append)
    one = await hub.subscribe(USER, RESPONSE, None, Wakes())
    two = await hub.subscribe("user_2", RESPONSE, None, Wakes())
    assert hub.watched(RESPONSE)
    one.close()
    assert left == []
    two.close()
    assert left == [RESPONSE]
    assert not hub.watched(RESPONSE)

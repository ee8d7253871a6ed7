"""When workers die: the next attempt goes on from exactly what the log holds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest
from tests.turns.house import Declaring, House, folded

from tertulia.domain.compose import Composer
from tertulia.domain.frame import ATTEMPT_SPAN, Frame
from tertulia.domain.item import ItemStatus
from tertulia.domain.response import Request
from tertulia.errors import Fenced
from tertulia.turns.cancel import cancel
from tertulia.turns.generate import Attempt, Stop
from tertulia.turns.read import follow
from tertulia.worker import Worker

Write = Callable[[Composer], list[Frame]]


async def first_words(house: House, response_id: str, count: int = 3, *, attempt: int = 1) -> None:
    """Return once so many deltas of that attempt are in the log."""
    seen = 0
    async for frames in follow(house.parts, house.user.user_id, response_id):
        deltas = [f for f in frames if f.kind == "response.output_text.delta"]
        seen += sum(f.attempt == attempt for f in deltas)
        if seen >= count:
            return


async def kill(worker: Worker) -> None:
    """What SIGKILL does to a worker: nothing of it runs any more, nothing is given back."""
    tasks = [*worker._listeners, *worker._loops, *worker._turns, *worker._after]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_the_next_attempt_continues_the_very_words(house: House) -> None:
    worker = house.work()
    response = await house.say("go", model="scripted-60x200")
    await first_words(house, response.id)
    await kill(worker)
    held = await house.parts.log.open(house.user.user_id, response.id, 1)
    before = folded(held).text
    await house.parts.store.void_leases()
    house.work()
    frames = await house.read(response.id)
    assert (await house.text(response.id)).split() == [f"w{n}" for n in range(60)]
    first, second = house.models.calls()
    assert (first.attempt, second.attempt) == (1, 2)
    assert second.prefix == before
    assert second.first == len(before.split())
    assert second.last == 59
    assert [f for f in frames if f.attempt == 1] == list(held)
    taken_over = [f for f in frames if f.attempt == 2]
    assert taken_over[0].sequence_number == ATTEMPT_SPAN
    assert taken_over[0].continues == held[-1].sequence_number
    assert folded(frames).text == await house.text(response.id)
    items = {i.id for i in (await house.node(response.id)).output}
    assert len(items) == 1


async def test_a_reader_from_before_the_crash_reads_on(house: House) -> None:
    worker = house.work()
    response = await house.say("go", model="scripted-60x200")
    reader = asyncio.create_task(house.read(response.id))
    await first_words(house, response.id)
    await kill(worker)
    await house.parts.store.void_leases()
    house.work()
    frames = await reader
    assert folded(frames).text == await house.text(response.id)


async def test_a_model_without_prefill_is_asked_to_go_on(house: House) -> None:
    worker = house.work()
    response = await house.say("go", model="scripted-40x200")
    await first_words(house, response.id)
    await kill(worker)
    other = house.with_(models=Declaring(house.parts.models, prefill=False))
    await house.parts.store.void_leases()
    worker = other.work()
    await house.end(response.id)
    await worker.stop()
    assert house.models.calls()[1].prefix == ""
    assert house.models.calls()[1].entries == 3


async def left_behind(
    house: House, response_id: str, write: Callable[[Composer], list[Frame]]
) -> None:
    """Attempt 1 wrote this into the log and died."""
    claimed = await house.parts.store.claim(response_id, "worker_x", 2.0)
    assert claimed is not None
    held = await house.parts.log.open(house.user.user_id, response_id, 1)
    composer = Composer(claimed.response, held)
    frames = [*composer.begin(), *write(composer)]
    await house.parts.log.append(house.user.user_id, response_id, 1, frames)
    await house.parts.store.void_leases()


@pytest.mark.parametrize("prefill", [True, False])
async def test_text_under_a_schema_continues_only_by_prefill(house: House, prefill: bool) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    form = {"type": "json_schema", "name": "answer", "schema": schema}
    request = Request(model="scripted", text_format=form, truncation="auto")
    response = await house.say("go", request=request)
    await left_behind(house, response.id, lambda composer: composer.write('{"'))
    worker = house.with_(models=Declaring(house.parts.models, prefill=prefill)).work()
    node = await house.end(response.id)
    await worker.stop()
    assert node.response.incomplete_reason == (None if prefill else "interrupted")
    if prefill:
        json.loads(await house.text(response.id))


async def test_three_crashes_end_a_response_and_keep_its_text(house: House) -> None:
    response = await house.say("go", model="scripted-1000x100")
    for number in (1, 2, 3):
        worker = house.work()
        await first_words(house, response.id, attempt=number)
        await kill(worker)
        await house.parts.store.void_leases()
    house.work()
    node = await house.end(response.id)
    assert (node.response.status, node.response.incomplete_reason) == ("incomplete", "interrupted")
    assert node.response.error is not None
    assert node.response.error.code == "crashed"
    assert (await house.text(response.id)).startswith("w0 w1")
    assert len(house.models.calls()) == 3


async def test_three_crashes_before_any_word_are_a_failure(house: House) -> None:
    response = await house.say("hang")
    for _ in range(3):
        claimed = await house.parts.store.claim(response.id, "worker_x", 2.0)
        assert claimed is not None
        await house.parts.store.void_leases()
    house.work()
    node = await house.end(response.id)
    assert (node.response.status, node.output) == ("failed", ())


async def test_a_worker_that_ends_hands_over_without_counting_a_crash(house: House) -> None:
    worker = house.work()
    response = await house.say("go", model="scripted-60x200")
    await first_words(house, response.id)
    await worker.stop()
    between = (await house.node(response.id)).response
    assert (between.status, between.crashes, between.lease_until) == ("in_progress", 0, None)
    assert between.spent.output_tokens > 0
    house.work()
    node = await house.end(response.id)
    assert (await house.text(response.id)).split() == [f"w{n}" for n in range(60)]
    assert node.response.attempt == 2
    assert node.response.usage is not None
    assert node.response.usage.output_tokens >= 60


async def test_handed_over_it_is_rung_for_at_once(house: House) -> None:
    worker = house.work()
    response = await house.say("go", model="scripted-60x200")
    await first_words(house, response.id)
    await worker.stop()
    # Nobody sweeps any more, so it was not a sweeper that rang.
    assert (await house.parts.queue.take()).response_id == response.id


async def test_what_a_crashed_attempt_wrote_is_counted_as_its_own(house: House) -> None:
    worker = house.work()
    response = await house.say("go", model="scripted-60x200")
    await first_words(house, response.id)
    await kill(worker)
    await house.parts.store.void_leases()
    worker = house.work()
    await first_words(house, response.id, attempt=2)
    await worker.stop()  # hands over
    house.work()
    node = await house.end(response.id)
    entries = await house.ledger(response.id)
    assert [how for how, _ in entries] == ["crashed", "handed_over", "finished"]
    assert all(tokens > 0 for _, tokens in entries)
    assert node.response.usage is not None
    assert sum(tokens for _, tokens in entries) == node.response.usage.output_tokens


async def test_a_zombie_is_refused_everywhere(house: House) -> None:
    response = await house.say("go", model="scripted-30x0")
    store, log = house.parts.store, house.parts.log
    stale = await store.claim(response.id, "worker_old", 2.0)
    assert stale is not None
    await store.void_leases()
    house.work()
    frames = await house.read(response.id)
    assert await Attempt(house.parts, stale).run() is None
    late = [msgspec.structs.replace(frames[0], sequence_number=99)]
    with pytest.raises(Fenced):
        await log.append(
            house.user.user_id,
            response.id,
            1,
            late,
        )
    assert await house.read(response.id) == frames
    renewed = await store.renew("worker_old", [(response.id, 1)], 2.0)
    assert renewed[response.id].held is False


async def test_a_paused_worker_that_wakes_writes_nothing(house: House) -> None:
    worker = house.work()
    response = await house.say("go", model="scripted-100x100")
    await first_words(house, response.id)
    await house.parts.store.void_leases()  # its lease expired while it was paused
    house.work()
    frames = await house.read(response.id)
    await asyncio.gather(*worker._turns)
    assert await house.read(response.id) == frames
    assert (await house.text(response.id)).split() == [f"w{n}" for n in range(100)]


@pytest.mark.parametrize("status", ["completed", "incomplete"])
async def test_what_was_complete_before_the_crash_is_not_asked_again(
    house: House, status: ItemStatus
) -> None:
    response = await house.say("go", model="scripted-5x0")
    await left_behind(house, response.id, lambda c: [*c.write("all of it"), *c.end(status)])
    house.work()
    frames = await house.read(response.id)
    node = await house.node(response.id)
    assert node.response.status == status
    assert await house.text(response.id) == folded(frames).text == "all of it"
    assert house.models.calls() == []


@pytest.mark.parametrize("what", ["reasoning", "call"])
async def test_open_reasoning_and_calls_are_not_continued(house: House, what: str) -> None:
    response = await house.say("go")
    writers: dict[str, Write] = {
        "reasoning": lambda composer: composer.think("hm"),
        "call": lambda composer: composer.call(0, "c", "f", "{"),
    }
    await left_behind(house, response.id, writers[what])
    house.work()
    node = await house.end(response.id)
    assert (node.response.status, node.response.incomplete_reason) == ("incomplete", "interrupted")
    assert node.output[0].status == "incomplete"
    assert house.models.calls() == []


async def test_cancelled_between_two_attempts(house: House) -> None:
    worker = house.work()
    response = await house.say("go", model="scripted-100x100")
    await first_words(house, response.id)
    await kill(worker)
    await cancel(house.parts, house.user.user_id, response.id)
    await house.parts.store.void_leases()
    house.work()
    node = await house.end(response.id)
    assert node.response.status == "cancelled"
    assert (await house.text(response.id)).startswith("w0")
    assert len(house.models.calls()) == 1


async def test_the_sweeper_takes_over_expired_leases(house: House) -> None:
    worker = house.work()
    response = await house.say("go", model="scripted-60x200")
    await first_words(house, response.id)
    await kill(worker)
    house.clock.ahead += 60
    house.work()  # its sweeper waits one lease before it believes in the expiry
    node = await house.end(response.id)
    assert node.response.status == "completed"
    assert node.response.crashes == 1


async def test_stop_before_anything_began(house: House) -> None:
    for why, status in ((Stop.CANCELLED, "cancelled"), (Stop.DEADLINE, "failed")):
        response = await house.say("go")
        claimed = await house.parts.store.claim(response.id, "worker_x", 2.0)
        assert claimed is not None
        attempt = Attempt(house.parts, claimed)
        attempt.stop(why)
        finished = await attempt.run()
        assert finished is not None
        assert finished.response.status == status
    response = await house.say("go")
    claimed = await house.parts.store.claim(response.id, "worker_x", 2.0)
    assert claimed is not None
    attempt = Attempt(house.parts, claimed)
    attempt.stop(Stop.HANDOVER)
    assert await attempt.run() is None
    assert (await house.node(response.id)).response.lease_until is None


async def test_an_answer_that_takes_too_long_ends(house: House) -> None:
    hurried = house.with_(timing=replace(house.parts.timing, running=0.3))
    hurried.work()
    slow = await house.say("go", model="scripted-1000x50")
    hung = await house.say("hang")
    node = await house.end(slow.id)
    assert (node.response.status, node.response.incomplete_reason) == ("incomplete", "interrupted")
    assert (await house.text(slow.id)).startswith("w0")
    node = await house.end(hung.id)
    assert node.response.status == "failed"
    assert node.response.error is not None
    assert node.response.error.code == "expired"
    await asyncio.gather(*(w.stop() for w in hurried.workers))

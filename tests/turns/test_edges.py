"""Attempts that are stopped, models that misbehave, and logs that fail while frames wait."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from tests.turns.house import House, folded
from tests.turns.speaking import Speaking, ended_with
from tests.turns.test_recover import Faltering, some_words
from tests.turns.test_takeover import left_behind

from tertulia.adapters.eventlog.memory import MemoryEventLog
from tertulia.domain.compose import Composer
from tertulia.domain.event import opening_frames
from tertulia.domain.frame import Frame
from tertulia.domain.response import Request, Response
from tertulia.errors import Fenced, Unavailable
from tertulia.ports.eventlog import EventLog
from tertulia.ports.judge import Verdict
from tertulia.ports.model import Chunk, Finished, TextChunk
from tertulia.turns.append import LogWriter
from tertulia.turns.cancel import cancel
from tertulia.turns.generate import Attempt, Stop
from tertulia.turns.read import Follower


async def test_a_model_that_ends_without_saying_why_is_garbage(house: House) -> None:
    assert await ended_with(house) == ("failed", "model_garbage", "")
    cut = await ended_with(house, [TextChunk("half")])
    assert cut == ("incomplete", "interrupted", "half")


async def test_the_servers_own_filter_ends_an_answer(house: House) -> None:
    said: list[Chunk] = [TextChunk("so far"), Finished("content_filter")]
    assert await ended_with(house, said) == ("incomplete", "content_filter", "so far")


async def test_a_message_waits_for_a_model_that_loads(house: House) -> None:
    models = Speaking(house, [TextChunk("here"), Finished("stop")], loaded=False)
    loading = house.with_(models=models)
    worker = loading.work()
    response = await loading.say("go")
    await models.asked.wait()
    assert (await house.node(response.id)).response.status == "in_progress"
    models.loaded.set()
    await house.end(response.id)
    await worker.stop()
    assert await house.text(response.id) == "here"


async def test_waiting_for_a_model_can_be_cancelled(house: House) -> None:
    models = Speaking(house, loaded=False)
    loading = house.with_(models=models)
    worker = loading.work()
    response = await loading.say("go")
    await models.asked.wait()
    await cancel(house.parts, house.user.user_id, response.id)
    node = await house.end(response.id)
    await worker.stop()
    assert (node.response.status, node.output) == ("cancelled", ())


@pytest.mark.parametrize("rounds", [0, 1])
async def test_an_attempt_that_lost_its_lease_touches_nothing_more(
    house: House, rounds: int
) -> None:
    """Also when it learns of it a round of the event loop after it was stopped for something
    else, which it has not come to notice."""
    response = await house.say("go", model="scripted-1000x100")
    claimed = await house.parts.store.claim(response.id, "worker_x", 2.0)
    assert claimed is not None
    attempt = Attempt(house.parts, claimed)
    running = asyncio.create_task(attempt.run())
    await some_words(house, response.id)
    attempt.stop(Stop.CANCELLED)
    for _ in range(rounds):
        await asyncio.sleep(0)
    attempt.stop(Stop.LOST)
    assert await running is None
    assert (await house.node(response.id)).response.status == "in_progress"


async def test_an_attempt_whose_log_cannot_be_opened_leaves(house: House) -> None:
    response = await house.say("go")
    assert await house.parts.store.claim(response.id, "worker_x", 2.0) is not None
    await house.parts.store.void_leases()
    # The first claim opens the log by itself.
    claimed = await house.parts.store.claim(response.id, "worker_x", 2.0)
    assert claimed is not None
    parts = replace(house.parts, log=Faltering(house.parts.log, down=True))
    assert await Attempt(parts, claimed).run() is None
    assert (await house.node(response.id)).response.status == "in_progress"


async def test_a_model_that_is_gone_after_a_crash_leaves_the_text(house: House) -> None:
    response = await house.say("go", model="scripted-9x0")
    await left_behind(house, response.id, lambda composer: composer.write("w0 w1"))
    house.models._calls = None  # the registry as it is after scripted was switched off
    house.work()
    node = await house.end(response.id)
    assert (node.response.status, node.response.incomplete_reason) == ("incomplete", "interrupted")
    assert await house.text(response.id) == "w0 w1"


class Away:
    """A judge whose server does not answer."""

    async def judge(self, text: str, *, already_passed: int, final: bool) -> Verdict:
        raise Unavailable("the judge is away")


async def test_nothing_is_shown_while_the_judge_is_away(house: House) -> None:
    judged = house.with_(judge=Away())
    worker = judged.work()
    response = await judged.say("echo: hello")
    node = await judged.end(response.id)
    await worker.stop()
    assert (node.response.status, node.output) == ("failed", ())


async def test_a_model_is_read_no_further_than_the_log_keeps_up(house: House) -> None:
    log = Faltering(house.parts.log)
    other = house.with_(log=log)
    worker = other.work()
    log.down, log.only = True, ["append"]
    response = await other.say("go", model="scripted-6000x0")
    await log.refusals(2)
    log.down = False
    await house.end(response.id)
    await worker.stop()
    assert len((await house.text(response.id)).split()) == 6000


async def test_a_follower_that_ended_gives_nothing_more(house: House) -> None:
    house.work()
    response = await house.say("echo: hi")
    await house.end(response.id)
    follower = Follower(house.parts, house.user.user_id, response.id, lambda: None)
    assert await follower.next() == ()
    await follower.open(None)
    assert (await follower.next())[-1].terminal
    assert await follower.next() == ()
    follower.close()


# --- the writer alone ------------------------------------------------------------------------


def running(attempt: int = 1) -> Response:
    return Response(
        id="resp_1",
        user_id="user_1",
        request=Request(model="m"),
        status="in_progress",
        created_at=0.0,
        attempt=attempt,
    )


class Bench:
    """A `LogWriter` over a log in memory that falters on demand."""

    def __init__(self, *, confirmed: bool = True) -> None:
        self.memory = MemoryEventLog()
        self.log = Faltering(self.memory)
        self.confirmed = confirmed
        self.lost = asyncio.Event()
        self.opening = list(opening_frames(running()))

    async def writer(self) -> LogWriter:
        log: EventLog = self.memory
        await log.open("user_1", "resp_1", 1)
        await log.append("user_1", "resp_1", 1, self.opening)
        self.composer = Composer(running(), self.opening)
        return LogWriter(
            self.log,
            running(),
            self.opening,
            confirm=self.confirm,
            on_cancel=lambda: None,
            on_lost=self.lost.set,
        )

    async def confirm(self) -> bool:
        return self.confirmed

    async def held(self) -> Sequence[Frame]:
        return await self.memory.open("user_1", "resp_1", 1)


async def test_a_lost_log_of_an_unknown_attempt_is_not_begun_anew() -> None:
    bench = Bench(confirmed=False)
    writer = await bench.writer()
    await bench.memory.drop(["resp_1"])
    writer.put(bench.composer.begin())
    with pytest.raises(Fenced):
        await writer.drain()
    assert bench.lost.is_set()
    writer.put(bench.composer.write("ignored"))
    assert not await bench.held()


async def test_a_log_lost_while_it_is_away_is_begun_anew() -> None:
    bench = Bench()
    writer = await bench.writer()
    bench.log.down = True
    bench.log.only = ["append"]
    writer.put(bench.composer.begin())
    await bench.log.refusals(2)
    await bench.memory.drop(["resp_1"])
    bench.log.down = False
    writer.put(bench.composer.write("word"))
    await writer.drain()
    assert folded(await bench.held()).text == "word"


async def test_a_log_that_is_away_when_it_is_begun_anew_is_tried_again() -> None:
    bench = Bench()
    writer = await bench.writer()
    await bench.memory.drop(["resp_1"])
    bench.log.down, bench.log.only = True, ["open"]
    writer.put(bench.composer.begin())
    await bench.log.refusals(1)
    bench.log.down = False
    await writer.drain()
    assert len(await bench.held()) == 3


async def test_a_log_taken_over_while_it_was_away() -> None:
    bench = Bench()
    writer = await bench.writer()
    bench.log.down, bench.log.only = True, ["append"]
    writer.put(bench.composer.begin())
    await bench.log.refusals(1)
    await bench.memory.open("user_1", "resp_1", 2)
    bench.log.down = False
    with pytest.raises(Fenced):
        await writer.drain()
    assert bench.lost.is_set()


async def test_a_writer_that_is_closed_gives_up() -> None:
    bench = Bench()
    writer = await bench.writer()
    bench.log.down, bench.log.only = True, ["append"]
    writer.put(bench.composer.begin())
    await bench.log.refusals(1)
    writer.close()
    bench.log.down = False
    assert len(await bench.held()) == 2


async def test_an_error_nobody_foresaw_reaches_the_attempt() -> None:
    class Broken:
        async def append(self, *_: object) -> None:
            raise ZeroDivisionError

    bench = Bench()
    writer = await bench.writer()
    writer._log = Broken()  # type: ignore[assignment]
    writer.put(bench.composer.begin())
    with pytest.raises(ZeroDivisionError):
        await writer.drain()
    assert not bench.lost.is_set()

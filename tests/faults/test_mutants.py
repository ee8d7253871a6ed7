"""The suite sees what it is for: with one guarantee taken out of the nodes, it turns red.

Each mutation meets the scenario that its guarantee is for, step by step rather than by luck; all
of them are taken with the nodes as they are.
"""

from __future__ import annotations

import random
import signal
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

import pytest
from tests.faults.client import View
from tests.faults.injector import FOUND
from tests.faults.invariants import violations
from tests.faults.scenario import Stage, stage
from tests.faults.services import services
from tests.faults.traffic import until
from tests.support.services.postgres import Postgres

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]

RNG: Final = random.Random(0)


async def sent(on: Stage, text: str, words: int) -> str:
    body = {"model": "scripted", "input": text, "background": True}
    return await on.traffic.send(on.traffic.users[0], body, words, RNG)


async def a_sleeper_wakes(on: Stage) -> None:
    """A worker is stopped in mid-answer until another has taken over, and then goes on."""
    response_id = await sent(on, "chunks=50 rate=10", 50)

    def wrote(attempt: int, word: int) -> bool:
        calls = [n.calls().get((response_id, attempt), {}) for n in on.nodes.workers]
        return any((call.get("last") or 0) >= word for call in calls)

    assert await until(lambda: wrote(1, 5), FOUND)
    sleeper = on.nodes.worker_at(response_id)
    assert sleeper is not None
    sleeper.send(signal.SIGSTOP)
    taken_over = await until(lambda: wrote(2, 6), FOUND)
    sleeper.send(signal.SIGCONT)
    assert taken_over


async def the_broker_was_away(on: Stage) -> None:
    """Messages are sent while the broker does not run."""
    broker = on.nodes.services.broker
    broker.stop()
    for _ in range(2):
        await sent(on, "chunks=3", 3)
    broker.start()


async def a_message_comes_twice(on: Stage) -> None:
    """Sent again, under its key, by a client that did not hear the answer."""
    body = {"model": "scripted", "input": "chunks=3", "background": True}
    await on.traffic.send(on.traffic.users[0], body, 3, RNG, twice=True)


async def its_worker_dies(on: Stage) -> None:
    """A worker is killed in mid-answer, before the eyes of clients."""
    response_id = await sent(on, "chunks=100 rate=20", 100)
    views = [d.views[response_id] for d in on.traffic.users[0].devices if response_id in d.views]
    assert await until(lambda: _any_shows(views, "w20"), FOUND)
    worker = on.nodes.worker_at(response_id)
    assert worker is not None
    await worker.down(signal.SIGKILL)
    await worker.up()
    # Whatever comes next is not to wait for its end.
    await until(lambda: all(view.ended for view in views), FOUND)


def _any_shows(views: Sequence[View], word: str) -> bool:
    return any(word in view.folded for view in views)


CASES: Final[dict[str, tuple[Callable[[Stage], Awaitable[None]], str]]] = {
    "fence-off": (a_sleeper_wakes, "no_stale_write"),
    "outbox-off": (the_broker_was_away, "answered"),
    "dedup-off": (a_message_comes_twice, "one_answer_per_key"),
    "early-frames": (its_worker_dies, "shown_text_stands"),
}


#: How often a scenario is played: a client that is behind when the worker dies is sent the text as
#: a whole, and has lost nothing.
TIMES: Final = {"early-frames": 3}


async def found(
    names: Sequence[str], postgres: Postgres, folder: Path, mutation: str | None
) -> list[str]:
    """The invariants that the scenarios of ``names`` violate, one after the other."""
    # With nobody to ring again, a message waits for its time to be over.
    more = {"TERTULIA_TURNS__WAITING_SECONDS": "8"}
    async with (
        services("nats", folder, store=postgres) as parts,
        stage(parts, folder, seed=1, users=1, mutation=mutation, more=more, settled=4) as on,
    ):
        for name in names:
            await CASES[name][0](on)
        # Nobody leaves: whose place is lost has lost it by the server's doing.
        for device in on.traffic.users[0].devices:
            device.leaves = False
    return list(violations(on.history))


@pytest.mark.parametrize("mutation", CASES)
async def test_a_mutation_is_found(mutation: str, postgres: Postgres, tmp_path: Path) -> None:
    assert CASES[mutation][1] in await found(
        [mutation] * TIMES.get(mutation, 1), postgres, tmp_path, mutation
    )


async def test_without_any_all_is_well(postgres: Postgres, tmp_path: Path) -> None:
    assert await found(list(CASES), postgres, tmp_path, None) == []

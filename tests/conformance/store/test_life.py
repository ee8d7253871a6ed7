"""Random lives of responses, against a model small enough to be seen to be right."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule
from tests.support.services.mariadb import MariaDB
from tests.support.services.postgres import Postgres
from tests.support.stores import ANN, BEN, SERVERS, Rig, server_rig, sqlite_rig, template

from tertulia.adapters.store.servers import open_server
from tertulia.domain.admission import Limits
from tertulia.domain.response import TERMINAL, Response, Usage
from tertulia.errors import Fenced, RateLimited
from tertulia.ports.turns import HEAD, Claimed, Finished, Submitted

T = TypeVar("T")

LIMITS = Limits(running=3, waiting=4, capacity=4, reserved=0.25)
LEASE, WAITING = 30.0, 300.0


@dataclass
class Life:
    """What must be true of one response."""

    user: str
    conversation: str
    parent: str | None
    submitted_at: float
    status: str = "queued"
    admitted: bool = False
    attempt: int = 0
    crashes: int = 0
    worker: str | None = None
    lease_until: float = 0.0
    cancel: bool = False
    spent: Usage = field(default_factory=Usage)

    @property
    def over(self) -> bool:
        return self.status in TERMINAL


class Lives(RuleBasedStateMachine):
    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.stack = AsyncExitStack()
        self.lives: dict[str, Life] = {}
        self.folder = tempfile.TemporaryDirectory()
        self.rig: Rig = self.run(self._open())

    async def _open(self) -> Rig:
        rig = await self.stack.enter_async_context(OPEN[0](Path(self.folder.name)))
        rig.limits = LIMITS
        self.talks = [await rig.talk(ANN), await rig.talk(ANN), await rig.talk(BEN)]
        return rig

    def run(self, what: Awaitable[T]) -> T:
        async def waited() -> T:
            return await what

        return self.loop.run_until_complete(waited())

    def teardown(self) -> None:
        self.run(self.stack.aclose())
        self.loop.close()
        self.folder.cleanup()

    # --- what may happen -------------------------------------------------------------------

    @rule(target=ids, talk=st.integers(0, 2), root=st.booleans())
    def submit(self, talk: int, root: bool) -> str:
        conversation = self.talks[talk]
        user = conversation.user_id
        waiting = [x for x in self.lives.values() if x.user == user and self._waits(x)]
        parent = None if root else HEAD
        try:
            done: Submitted = self.run(
                self.rig.submit(user=user, conversation=conversation.id, parent=parent)
            )
        except RateLimited:
            assert len(waiting) >= LIMITS.waiting
            return "resp_refused"
        assert len(waiting) < LIMITS.waiting or done.admitted
        response = done.response
        self.lives[response.id] = Life(
            user, conversation.id, response.previous_response_id, self.rig.clock.now
        )
        self._admitted(done.admitted)
        return response.id

    @rule(response_id=ids, worker=st.sampled_from(["w1", "w2"]))
    def claim(self, response_id: str, worker: str) -> None:
        life = self.lives.get(response_id)
        free = life is not None and life.admitted and not life.over and life.worker is None
        taken: Claimed | None = self.run(self.rig.store.claim(response_id, worker, LEASE))
        assert (taken is not None) == free
        if taken is None or life is None:
            return
        claimed = taken.response
        life.attempt += 1
        life.status, life.worker = "in_progress", worker
        life.lease_until = self.rig.clock.now + LEASE
        assert (claimed.attempt, claimed.crashes) == (life.attempt, life.crashes)
        assert claimed.spent == life.spent
        assert (claimed.cancel_requested_at is not None) == life.cancel

    @rule(worker=st.sampled_from(["w1", "w2"]), off_by=st.integers(0, 1))
    def renew(self, worker: str, off_by: int) -> None:
        asked = [(i, x.attempt + off_by) for i, x in self.lives.items()]
        renewals = self.run(self.rig.store.renew(worker, asked, LEASE))
        for response_id, _ in asked:
            life = self.lives[response_id]
            held = life.worker == worker and off_by == 0
            assert renewals[response_id].held == held
            if held:
                assert renewals[response_id].cancel_requested == life.cancel
                life.lease_until = self.rig.clock.now + LEASE

    @rule(
        response_id=ids,
        stale=st.booleans(),
        status=st.sampled_from(["completed", "failed", "incomplete", "cancelled"]),
    )
    def finish(self, response_id: str, stale: bool, status: Any) -> None:
        life = self.lives.get(response_id)
        if life is None or (stale and life.attempt < 2):
            return
        seen = self.run(self.rig.store.get(life.user, response_id)).response
        attempt = life.attempt - stale
        try:
            done: Finished = self.run(
                self.rig.end(
                    _at(seen, attempt),
                    status=status,
                    limits=LIMITS,
                    usage=life.spent.plus(Usage(3, 5)),
                )
            )
        except Fenced:
            assert stale or life.status != "in_progress"
            return
        assert not stale
        assert life.status == "in_progress"
        self._ended(done, status)

    @rule(response_id=ids, stale=st.booleans())
    def release(self, response_id: str, stale: bool) -> None:
        life = self.lives.get(response_id)
        if life is None:
            return
        spent = life.spent.plus(Usage(1, 2))
        self.run(self.rig.store.release(response_id, life.attempt - stale, spent))
        if life.worker is not None and not stale:
            life.worker, life.spent = None, spent

    @rule(response_id=ids)
    def cancel(self, response_id: str) -> None:
        life = self.lives.get(response_id)
        if life is None:
            return
        done = self.run(self.rig.store.request_cancel(life.user, response_id, LIMITS))
        assert (done.finished is not None) == (not life.over and life.attempt == 0)
        life.cancel = life.cancel or not life.over
        if done.finished is not None:
            self._ended(done.finished, "cancelled")

    @rule(seconds=st.sampled_from([1.0, 20.0, 40.0, 200.0]))
    def wait(self, seconds: float) -> None:
        self.rig.clock.pass_by(seconds)

    @rule(take_over=st.booleans())
    def sweep(self, take_over: bool) -> None:
        now = self.rig.clock.now
        swept = self.run(
            self.rig.store.sweep(
                LIMITS, waiting_seconds=WAITING, take_over=take_over, ring_after_seconds=5
            )
        )
        expired = {i for i, x in self.lives.items() if x.worker and x.lease_until < now}
        overdue = {
            i
            for i, x in self.lives.items()
            if not x.over and x.attempt == 0 and now - x.submitted_at >= WAITING
        }
        assert {done.response.id for done in swept.finished} == overdue
        for done in swept.finished:
            self._ended(done, "failed")
        assert swept.taken_over == (len(expired) if take_over else 0)
        for response_id in expired if take_over else ():
            self.lives[response_id].worker = None
            self.lives[response_id].crashes += 1
            assert response_id in swept.ring
        self._admitted(swept.ring)

    @rule()
    def restart(self) -> None:
        leased = [x for x in self.lives.values() if x.worker is not None]
        assert self.run(self.rig.store.void_leases()) == len(leased)
        for life in leased:
            life.worker = None
            life.crashes += 1

    # --- what is always true ---------------------------------------------------------------

    @invariant()
    def rows_are_as_they_must_be(self) -> None:
        for response_id, life in self.lives.items():
            found = self.run(self.rig.store.get(life.user, response_id)).response
            assert (found.status, found.attempt) == (life.status, life.attempt)
            assert (found.admitted_at is not None) == life.admitted
            assert (found.lease_until is not None) == (life.worker is not None)
            usage = self.run(self.rig.usage_of(response_id))
            assert len(usage) == int(life.over)
            entries = self.run(self.rig.ledger_of(response_id))
            assert [e[1] for e in entries].count("crashed") == life.crashes
            if entries and life.over:
                assert reduce(Usage.plus, (e[3] for e in entries)) == usage[0]

    @invariant()
    def limits_hold_and_no_slot_is_idle(self) -> None:
        running = [x for x in self.lives.values() if x.admitted and not x.over]
        assert len(running) <= LIMITS.capacity
        for user in (ANN, BEN):
            mine = sum(x.user == user for x in running)
            assert mine <= LIMITS.running
            ready = [
                x
                for x in self.lives.values()
                if x.user == user
                and self._waits(x)
                and (x.parent is None or self.lives[x.parent].over)
            ]
            if ready:
                assert not LIMITS.allow(mine, LIMITS.capacity - len(running))

    @invariant()
    def nobody_runs_before_its_parent_has_ended(self) -> None:
        for life in self.lives.values():
            if life.admitted and life.parent is not None:
                assert self.lives[life.parent].over

    # --- bookkeeping -----------------------------------------------------------------------

    @staticmethod
    def _waits(life: Life) -> bool:
        return not life.over and not life.admitted

    def _admitted(self, response_ids: tuple[str, ...]) -> None:
        for response_id in response_ids:
            self.lives[response_id].admitted = True

    def _ended(self, done: Finished, status: str) -> None:
        life = self.lives[done.response.id]
        assert not life.over
        assert done.response.status == status
        assert done.logged == (self.rig.log is not None)
        life.status, life.worker = status, None
        self._admitted(done.admitted)


def _on_server(folder: Path, url: str) -> AbstractAsyncContextManager[Rig]:
    return server_rig(folder, open_server(url, writers=2, readers=2))


def _at(response: Response, attempt: int) -> Response:
    return Response(
        id=response.id,
        user_id=response.user_id,
        request=response.request,
        status=response.status,
        created_at=response.created_at,
        attempt=attempt,
    )


#: Opens an empty store: every life begins with one.
OPEN: list[Callable[[Path], AbstractAsyncContextManager[Rig]]] = []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["sqlite+log", *SERVERS])
def test_lives_of_responses(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> None:
    if kind == "postgresql":
        postgres: Postgres = request.getfixturevalue("postgres")
        OPEN[:] = [lambda at: _on_server(at, postgres.url(postgres.prepared_database()))]
    elif kind == "mariadb":
        mariadb: MariaDB = request.getfixturevalue("mariadb")
        OPEN[:] = [lambda at: _on_server(at, mariadb.url(mariadb.emptied_database()))]
    else:
        empty = template(tmp_path)
        OPEN[:] = [lambda at: sqlite_rig(at, empty, with_log=True)]
    Lives.TestCase.settings = settings(
        max_examples=10 if kind in SERVERS else 30,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    Lives.TestCase("runTest").runTest()

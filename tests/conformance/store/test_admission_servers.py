"""Admission by many nodes at once, and the workers that it counts on."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from sqlalchemy import func, select
from tests.support.stores import ANN, BEN, Rig

from tertulia.adapters.store.schema import responses
from tertulia.adapters.store.statement import Rows, Script, Statement
from tertulia.domain.admission import Limits
from tertulia.domain.fleet import Fleet, Report

_RUNNING = Statement(
    select(responses.c.user_id, func.count())
    .where(responses.c.completed_at.is_(None), responses.c.admitted_at.is_not(None))
    .group_by(responses.c.user_id)
)


def _running() -> Script[Rows]:
    return (yield _RUNNING, {})


async def test_no_more_than_the_capacity_run_whoever_admits(nodes: tuple[Rig, Rig]) -> None:
    limits = Limits(running=5, waiting=50, capacity=6, reserved=0.0)
    submitted = await asyncio.gather(
        *(nodes[n % 2].submit(user=u, limits=limits) for n in range(10) for u in (ANN, BEN))
    )
    running = [r for s in submitted for r in s.admitted]
    assert len(running) == len(set(running)) == 6
    left = {s.response.id for s in submitted} - set(running)
    while running:
        claimed = [await nodes[0].claim(r) for r in running]
        ended = await asyncio.gather(
            *(nodes[n % 2].end(c, limits=limits) for n, c in enumerate(claimed))
        )
        running = [r for e in ended for r in e.admitted]
        assert len(running) == len(set(running)) == min(6, len(left))
        left -= set(running)
    assert not left


class Crowd:
    """Many users on two nodes, who submit and whose answers end all at the same time."""

    def __init__(self, nodes: tuple[Rig, Rig], limits: Limits, total: int) -> None:
        self._nodes = nodes
        self._limits = limits
        self._total = total
        self._due = asyncio.Queue[str]()
        self.ended: list[str] = []
        self.over = asyncio.Event()

    def _ring(self, response_ids: Sequence[str]) -> None:
        for response_id in response_ids:
            self._due.put_nowait(response_id)

    async def submit(self, n: int, user: str) -> None:
        made = await self._nodes[n % 2].submit(user=user, limits=self._limits)
        self._ring(made.admitted)

    async def work(self, node: Rig) -> None:
        while True:
            claimed = await node.claim(await self._due.get())
            done = await node.end(claimed, limits=self._limits)
            self.ended.append(claimed.id)
            self._ring(done.admitted)
            if len(self.ended) == self._total:
                self.over.set()

    async def watch(self) -> None:
        while not self.over.is_set():
            rows = await self._nodes[0].store._engine.read(_running)  # type: ignore[attr-defined]
            counts = Counter(dict(rows))
            assert counts.total() <= self._limits.capacity
            assert max(counts.values(), default=0) <= self._limits.running

    async def sweep(self) -> None:
        """Finds what was locked while others gave out slots."""
        while not self.over.is_set():
            swept = await self._nodes[1].store.sweep(
                self._limits, waiting_seconds=1000, take_over=True, ring_after_seconds=1000
            )
            self._ring(swept.ring)


async def test_limits_hold_at_every_moment(nodes: tuple[Rig, Rig]) -> None:
    limits = Limits(running=2, waiting=10, capacity=5)
    users = [ANN, BEN, *(f"user_{n}" for n in range(4))]
    for user in users[2:]:
        await nodes[0].store.create_user(user, f"{user}@example.org", None, "user")
    crowd = Crowd(nodes, limits, 6 * len(users))
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        workers = [group.create_task(crowd.work(nodes[n % 2])) for n in range(6)]
        for n in range(6):
            for user in users:
                group.create_task(crowd.submit(n, user))
        others = [group.create_task(crowd.watch()), group.create_task(crowd.sweep())]
        await asyncio.wait(others)
        for worker in workers:
            worker.cancel()
    assert len(crowd.ended) == len(set(crowd.ended)) == 6 * len(users)


async def _fleet(rig: Rig) -> Fleet:
    swept = await rig.store.sweep(
        rig.limits, waiting_seconds=120, take_over=False, ring_after_seconds=5
    )
    return swept.fleet


async def test_workers_are_there_until_they_leave_or_are_not_heard_of(rig: Rig) -> None:
    assert await _fleet(rig) == Fleet()
    await rig.store.enlist(Report("worker_1", 4), 30.0)
    await rig.store.enlist(Report("worker_2", 12, 8.0), 30.0)
    assert await _fleet(rig) == Fleet(2, 16, 8.0)
    rig.clock.pass_by(20)
    await rig.store.enlist(Report("worker_2", 12, 6.0), 30.0)
    rig.clock.pass_by(20)
    assert await _fleet(rig) == Fleet(1, 12, 6.0)
    await rig.store.purge(ephemeral_seconds=1, undo_seconds=1, feed_history=9)
    await rig.store.enlist(Report("worker_1", 4, 6.0), 30.0)
    assert await _fleet(rig) == Fleet(2, 16, 6.0)
    await rig.store.dismiss("worker_2")
    await rig.store.dismiss("worker_unknown")
    assert await _fleet(rig) == Fleet(1, 4, 6.0)


async def test_workers_that_come_at_once_are_all_counted(nodes: tuple[Rig, Rig]) -> None:
    count = 20
    for _ in range(2):
        await asyncio.gather(
            *(nodes[n % 2].store.enlist(Report(f"worker_{n}", 3), 30.0) for n in range(count))
        )
    assert await _fleet(nodes[0]) == await _fleet(nodes[1]) == Fleet(count, 3 * count)

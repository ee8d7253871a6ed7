"""The harness against real servers, with little to do; nothing here asks how long it took."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks import report
from benchmarks.measures import MEASURES, Measure, Scale
from benchmarks.session import take
from benchmarks.systems import Bench

LITTLE = Scale(
    users=2,
    chunks=5,
    ramp=0.02,
    few=2,
    few_turns=1,
    few_chunks=2,
    short_turns=2,
    fair_messages=6,
    fair_chunks=2,
    unpaced_users=2,
    unpaced_turns=1,
    unpaced_chunks=30,
    idle=2,
    idle_seconds=0.1,
    idle_calm=0.0,
    starts=1,
    chats=3,
    long_turns=2,
    long_chunks=3,
    reads=2,
    settle=0.0,
)


def measure(name: str) -> Measure:
    return next(one for one in MEASURES if one.name == name)


@pytest.mark.e2e
def test_floor_and_product_give_every_text_and_the_report_has_its_rows(tmp_path: Path) -> None:
    names = ("cpu300", "idle", "reading")
    session = take(
        Bench(tmp_path, users=2), [measure(name) for name in names], LITTLE, runs=1, command="it"
    )

    for taken in session.taken:
        for system in ("floor", "product"):
            (figures,) = taken.runs[system]
            assert figures["errors"] == 0, (taken.measure.name, system)
    many = session.taken[0].runs
    assert many["floor"][0]["turns"] == many["product"][0]["turns"] == 4
    reading = session.taken[-1].runs
    # Ids, times and numbers of their own, but the same texts.
    assert reading["floor"][0]["open_bytes"] > 100
    assert reading["product"][0]["open_bytes"] > reading["floor"][0]["open_bytes"]

    text = report.markdown(session)
    for name in names:
        for row in measure(name).rows:
            assert f"| {row.title} |" in text
    assert "share of one core" in text
    rows = report.record(session)["rows"]
    assert {row["passed"] for row in rows} <= {True, False}
    assert all(row["floor"] is not None and row["product"] is not None for row in rows)


@pytest.mark.e2e
def test_one_message_among_many_is_answered_too(tmp_path: Path) -> None:
    bench = Bench(tmp_path, users=2)
    session = take(bench, [measure("fair")], LITTLE, systems=("product",), runs=1, command="it")
    (figures,) = session.taken[0].runs["product"]
    assert (figures["turns"], figures["errors"]) == (7, 0)
    assert figures["turnovers"] > 0

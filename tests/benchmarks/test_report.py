"""How figures are judged and shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks import profile, report
from benchmarks.measures import Figures, Measure, Row
from benchmarks.session import Machine, Session, Taken

MACHINE = Machine("a processor", 2, 8.0, "an OS", "3.11", 0.0)
CPU = Row("CPU", "cpu", "ms", 1.6, times_floor=True, table=10)
SPEED = Row("speed", "speed", "/s", 48, more=True, table=50)
ERRORS = Row("errors", "errors", "", 0)


def session(floor: list[Figures], product: list[Figures]) -> Session:
    measure = Measure("m", "about it", lambda *_: {}, (CPU, SPEED, ERRORS))
    taken = Taken(measure, {"product": product})
    if floor:
        taken.runs["floor"] = floor
    return Session(MACHINE, "make bench", "abc", "2026-11-22", [taken])


def figures(cpu: float, speed: float, errors: float = 0) -> Figures:
    return {"cpu": cpu, "speed": speed, "errors": errors}


def verdicts(made: Session) -> list[bool | None]:
    return [line.passed for line in report.lines(made)]


def test_cpu_is_judged_by_the_floor_and_speed_by_itself() -> None:
    assert verdicts(session([figures(20, 30)], [figures(32, 48)])) == [True, True, True]
    assert verdicts(session([figures(20, 30)], [figures(33, 47)])) == [False, False, True]


def test_medians_of_runs_but_no_error_is_forgiven() -> None:
    runs = [figures(10, 50), figures(16, 60, errors=1), figures(99, 49)]
    made = session([figures(10, 50)] * 3, runs)
    cpu, speed, errors = report.lines(made)
    assert (cpu.product, speed.product, errors.product) == (16, 50, 1)
    assert verdicts(made) == [True, True, False]


def test_what_was_not_measured_is_not_judged() -> None:
    made = session([], [figures(10, 50)])
    assert verdicts(made) == [None, True, True]
    assert "| CPU | – | 10 ms |  | ≤ 1.6 × floor |  |" in report.markdown(made)


def test_a_slow_floor_is_said() -> None:
    slow = report.markdown(session([figures(12.6, 50)], [figures(10, 50)]))
    assert "more than 25% slower" in slow
    assert "CPU (1.26 ×)" in slow
    assert "speed (" not in slow
    assert "slower" not in report.markdown(session([figures(12.4, 41)], [figures(10, 50)]))


def test_what_limited_is_shown_and_so_are_others() -> None:
    shares = {"server_cpu": 0.5, "client_cpu": 0.1, "upstream_cpu": 0.2, "others_cpu": 0.3}
    text = report.markdown(session([figures(10, 50) | shares], [figures(10, 50)]))
    assert "| about it | floor | 50 % | 10 % | 20 % | 30 % |" in text
    assert "Other work took more than 20% of a core during: m (floor)." in text


def test_the_page_keeps_what_is_around_the_table(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    marks = "<!-- table: made by `make bench` -->\n{}<!-- end of table -->\n"
    page.write_text("before\n" + marks.format("old\n") + "after\n")
    report.put_between(page, "table", "new\n")
    assert page.read_text() == "before\n" + marks.format("\nnew\n\n") + "after\n"
    with pytest.raises(ValueError, match="no place for other"):
        report.put_between(page, "other", "new\n")


def test_the_documentation_has_a_place_for_each() -> None:
    page = Path(__file__).parents[2] / "docs" / "benchmarks.md"
    text = page.read_text(encoding="utf-8")
    for name in ("table", "cluster", "profile"):
        assert f"<!-- {name}: made by `make bench` -->\n" in text
        assert f"<!-- end of {name} -->\n" in text


def test_a_profile_weighs_samples_by_what_their_threads_used(tmp_path: Path) -> None:
    ours, theirs = "/x/src/tertulia/turns/read.py", "/x/lib/site-packages/uvicorn/a.py"
    file = tmp_path / "folded"
    file.write_text(
        f"thread (7): MainThread;run (/lib/runners.py:1);next ({ours}:3);send ({theirs}:9) 3\n"
        f"thread (7): MainThread;run (/lib/runners.py:1) 1\n"
        f"thread (8): store-writer_0;wait ({ours}:3) 100\n"
        "thread (9): idle;wait (/lib/threading.py:1) 50\n"
    )
    found = profile.read(file, profile.Cost(10.0, {7: 8.0, 8: 2.0}))
    assert found.threads == {"MainThread": 8.0, "store-writer": 2.0, "idle": 0.0}
    assert found.owners["tertulia.turns.read"] == pytest.approx(8.0)
    assert found.owners["(python)"] == pytest.approx(2.0)
    assert found.alone[profile.Frame("send", "uvicorn")] == pytest.approx(6.0)
    text = profile.markdown(found, profile.Cost(10.0, {}), "today")
    assert "| `uvicorn: send` | 6.00 |" in text
    assert "10.0 ms of CPU a turn" in text


def test_parts_and_services_are_shown_apart() -> None:
    parts = {"of_api": 8.25, "of_worker": 14.0, "of_Redis": 3.0}
    text = report.markdown(session([figures(10, 50)], [figures(10, 50) | parts]))
    assert "| CPU per turn, ms | api | worker | Redis |" in text
    assert "| about it | 8.25 | 14 | 3 |" in text

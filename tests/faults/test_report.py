"""The report of a long run, and its place in the docs."""

from __future__ import annotations

from dataclasses import replace

from tests.faults.history import Fault, History
from tests.faults.report import PAGE, Round, marks, round_of, section, told, written
from tests.faults.schedule import KINDS


def made(seed: int) -> Round:
    history = History(allowed=1.0, unrest=1.0)
    history.faults = [Fault("flushall", "Redis", 0.0, 1.0), Fault("kill_api", "api-1", 2.0, 3.0)]
    return round_of(history, seed, "postgresql", 2.0, 150.0)


def test_a_kind_says_how_long_it_ran_and_what_came_of_it() -> None:
    text = section("nats", [made(1), replace(made(2), violated={"answered": ["one", "two"]})])
    assert "5.0 minutes of messages and faults, 0 messages, 4 faults, 2 violations." in text
    assert "| 1 | postgresql | 2 s | 150 | 0 | 0 | 0 | 0 | 0 | 2 | none |" in text
    assert "| 2 | postgresql | 2 s | 150 | 0 | 0 | 0 | 0 | 0 | 2 | answered |" in text
    assert text.endswith("Faults: 2 flushall, 2 kill_api.")


def test_a_line_names_what_was_violated() -> None:
    assert told(made(1)).endswith("2 faults; violated: nothing")
    spoiled = replace(made(1), violated={"answered": ["one", "two"]})
    assert told(spoiled).endswith("violated: answered ×2")


def test_each_kind_has_its_place_on_the_page_and_keeps_to_it() -> None:
    page = PAGE.read_text()
    for kind in KINDS:
        begin, end = marks(kind)
        again = written(kind, [made(3)], page)
        assert again.partition(begin)[0] == page.partition(begin)[0]
        assert again.partition(end)[2] == page.partition(end)[2]
        assert section(kind, [made(3)]) in again
        assert written(kind, [made(3)], again) == again

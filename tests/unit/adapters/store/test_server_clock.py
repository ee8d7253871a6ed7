"""What a node takes for the time on its database server."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tertulia.adapters.store import server_clock
from tertulia.adapters.store.server_clock import ServerClock

Ask = Callable[[float, float, float], None]


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the machine counts, as its only entry."""
    count = [100.0]
    monkeypatch.setattr(server_clock, "_steady", lambda: count[0])
    return count


@pytest.fixture
def clock() -> ServerClock:
    return ServerClock()


@pytest.fixture
def ask(clock: ServerClock, steady: list[float]) -> Ask:
    """The question takes so long to the server, and its answer back; ``ahead`` is the server."""

    def once(there: float, back: float, ahead: float) -> None:
        begun = clock.begin()
        told = steady[0] + there + ahead
        steady[0] += there + back
        clock.told(told, begun)

    return once


def test_it_is_right_to_half_the_time_that_asking_took(
    clock: ServerClock, steady: list[float], ask: Ask
) -> None:
    ask(0.3, 0.1, 1000.0)
    assert clock() == pytest.approx(steady[0] + 1000.1)


def test_an_answer_that_took_long_spoils_nothing(
    clock: ServerClock, steady: list[float], ask: Ask
) -> None:
    ask(0.001, 0.001, 1000.0)
    ask(0.001, 45.0, 1000.0)  # the process was stopped before it read the answer
    assert clock() == pytest.approx(steady[0] + 1000.0)


def test_a_better_answer_is_taken(clock: ServerClock, steady: list[float], ask: Ask) -> None:
    ask(0.0, 45.0, 1000.0)
    assert clock() != pytest.approx(steady[0] + 1000.0)
    ask(0.001, 0.001, 1000.0)
    assert clock() == pytest.approx(steady[0] + 1000.0)


def test_a_server_whose_clock_was_set_is_followed(
    clock: ServerClock, steady: list[float], ask: Ask
) -> None:
    ask(0.001, 0.001, 1000.0)
    ask(0.01, 0.01, 1003.0)
    assert clock() == pytest.approx(steady[0] + 1003.0)
    ask(0.01, 0.01, 900.0)
    assert clock() == pytest.approx(steady[0] + 900.0)

"""What the terminal shows while the default model is fetched and loaded."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest

from tertulia.bootstrap import waiting
from tertulia.errors import NotFound
from tertulia.ports.model import ModelState


class Coming:
    """A model that goes through these states, one a look."""

    def __init__(self, *states: ModelState) -> None:
        self._states: Iterator[ModelState] = iter(states)
        self.info = type("Info", (), {"name": "Small"})

    def get(self, model_id: str | None, *, admin: bool = False) -> Any:
        return self

    def state(self) -> ModelState:
        return next(self._states)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "LOOK", 0)


STATES = (
    ModelState("absent"),
    ModelState("downloading", 0.123),
    ModelState("downloading", 0.456),
    ModelState("downloading", 0.459),
    ModelState("loading"),
    ModelState("ready"),
)


async def test_a_line_a_step_where_there_is_no_terminal() -> None:
    out = io.StringIO()
    await waiting.tell(Coming(*STATES), out)  # type: ignore[arg-type]
    assert out.getvalue().splitlines() == [
        "Small: downloading 10 %",
        "Small: downloading 40 %",
        "Small: loading",
        "Small: ready",
    ]


async def test_one_line_that_changes_on_a_terminal() -> None:
    out = Terminal()
    await waiting.tell(Coming(*STATES), out)  # type: ignore[arg-type]
    assert out.getvalue().count("\n") == 1
    assert "downloading 45 %" in out.getvalue()


async def test_what_is_ready_needs_no_word() -> None:
    out = io.StringIO()
    await waiting.tell(Coming(ModelState("ready")), out)  # type: ignore[arg-type]
    assert out.getvalue() == ""


async def test_a_failure_is_told() -> None:
    out = io.StringIO()
    await waiting.tell(Coming(ModelState("failed", detail="no disk")), out)  # type: ignore[arg-type]
    assert out.getvalue() == "Small: no disk\n"


async def test_no_model_at_all() -> None:
    class Nothing:
        def get(self, model_id: str | None, *, admin: bool = False) -> Any:
            raise NotFound("set models.local")

    out = io.StringIO()
    await waiting.tell(Nothing(), out)  # type: ignore[arg-type]
    assert "set models.local" in out.getvalue()

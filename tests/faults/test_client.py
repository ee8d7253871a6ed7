"""The client of the suite folds the golden logs as the server and the web client do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.faults.client import View

GOLDEN = Path(__file__).parents[1] / "golden"
LOGS = [json.loads(path.read_text()) for path in sorted(GOLDEN.glob("*.json"))]


def told(log: dict[str, Any]) -> tuple[View, list[int]]:
    """The view after all of it, and the frames at which it asked again. What the log keeps beside
    a frame is told as a feed does it."""
    view, asked = View(), []
    for index, entry in enumerate(log["frames"]):
        header = entry.get("header")
        steps = []
        if header is not None and header.get("after") is not None:
            attempt = {"type": "tertulia:attempt", **header}
            steps.append(view.apply(attempt))
        steps.append(view.apply(entry["event"]))
        if "resubscribe" in steps:
            asked.append(index)
    return view, asked


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log["name"])
def test_golden(log: dict[str, Any]) -> None:
    view, asked = told(log)
    expect = log["expect"]
    assert view.text == expect["text"]
    assert view.status == expect["status"]
    assert (-1 if view.last is None else view.last) == expect["last"]
    assert bool(asked) == bool(expect["actions"])


def test_a_lost_position_is_read_again_from_the_start() -> None:
    log = next(log for log in LOGS if log["name"] == "plain")
    frames = [entry["event"] for entry in log["frames"]]
    view = View()
    for event in frames[:-1]:
        view.apply(event)
    shown = view.folded
    view.restart()
    assert view.folded == shown  # until the first frame comes, what was shown stands
    for event in frames:
        view.apply(event)
    assert (view.folded, view.restarts, view.ended) == (log["expect"]["text"], 1, True)

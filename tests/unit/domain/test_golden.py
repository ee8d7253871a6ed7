"""The golden logs, which the web client replays too: both sides fold them alike."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tertulia.domain.frame import Frame, first_number
from tertulia.domain.transcript import Gap, Transcript

GOLDEN = Path(__file__).parents[2] / "golden"


def standard_frames(log: dict[str, Any]) -> list[Frame]:
    """The log's standard events as frames. What a feed announces by `tertulia:attempt`, a frame
    carries in its header."""
    frames: list[Frame] = []
    announced: int | None = None
    for entry in log["frames"]:
        event = entry["event"]
        if event["type"] == "tertulia:attempt":
            announced = event["after"]
        elif not event["type"].startswith("tertulia:"):
            continues = entry.get("header", {}).get("after")
            frame = Frame(event["sequence_number"], event["type"], json.dumps(event).encode())
            if frame.sequence_number == first_number(frame.attempt):
                continues = continues or announced  # a header belongs to an attempt's first frame
            frames.append(msgspec.structs.replace(frame, continues=continues))
    return frames


def logs() -> list[Any]:
    """Snapshots belong to the feed's client alone: they replace what frames had built."""
    found = []
    for path in sorted(GOLDEN.glob("*.json")):
        log = json.loads(path.read_text())
        kinds = {entry["event"]["type"] for entry in log["frames"]}
        if "tertulia:snapshot" not in kinds:
            found.append(pytest.param(log, id=log["name"]))
    return found


@pytest.mark.parametrize("log", logs())
def test_replay(log: dict[str, Any]) -> None:
    seen = Transcript()
    gaps = 0
    for frame in standard_frames(log):
        try:
            seen.apply(frame)
        except Gap:
            gaps += 1
    expect = log["expect"]
    assert seen.text == expect["text"]
    assert seen.status == expect["status"]
    assert seen.last == expect["last"]
    assert bool(gaps) == bool(expect["actions"])

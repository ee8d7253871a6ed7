"""A turn on one machine is made of few statements; fair admission adds none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.stores import outcome, sqlite_rig, template

from tertulia.adapters.store.statement import Statement
from tertulia.ports.turns import HEAD

#: Of a new chat with one message and its answer, as ADR 17 and 24 have it.
EACH = {"chat": 4, "submit": 10, "claim": 5, "end": 12}


def _counting(said: Counter[str], step: list[str], real: Callable[..., Any]) -> Callable[..., Any]:
    def counted(*given: Any) -> Any:
        said[step[0]] += 1
        return real(*given)

    return counted


async def test_a_usual_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said, step = Counter[str](), ["start"]
    for name in ("render", "render_positional"):
        monkeypatch.setattr(Statement, name, _counting(said, step, getattr(Statement, name)))
    async with sqlite_rig(tmp_path, template(tmp_path), with_log=True) as rig:
        await rig.answer()  # what is asked once is not what is asked about
        step[0] = "chat"
        talk = await rig.talk()
        step[0] = "submit"
        submitted = await rig.submit(conversation=talk.id, parent=HEAD, title="A chat")
        step[0] = "claim"
        response = await rig.claim(submitted.response.id)
        step[0] = "end"
        await rig.store.finish(outcome(response, last_sequence_number=3), rig.limits)
        step[0] = "after"
    assert {name: said[name] for name in EACH} == EACH

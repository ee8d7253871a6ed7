"""`llmprobe`, a conformance suite for OpenAI-compatible servers, run as its authors ship it.

It judges the server; what it finds of the model's wits (capability, agentic tasks, fidelity) says
nothing here, because the scripted model has none and must know none of its questions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from fnmatch import fnmatch
from typing import Any

import pytest
from tests.suites.conftest import JS, ROOT

PROBE = JS / "node_modules" / "llmprobe" / "bin" / "dist" / "llmprobe.mjs"
PAGE = ROOT / "docs" / "reference" / "conformance.md"

#: The checks that may end unsupported or inconclusive. The page says why of each.
EXPLAINED = [
    "messages-*",
    "count-tokens",
    "completions-basic",
    "images-*",
    "audio-*",
    "responses-mcp-tools",
    "responses-reasoning-roundtrip",
    "chat-logprobs",
    "chat-n-choices",
    "chat-assistant-prefill",
    "*-rate-limit-headers",
]


@pytest.fixture(scope="module")
def report(
    run: Callable[..., str], house: Any, node: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    file = tmp_path_factory.mktemp("llmprobe") / "report.json"
    run(
        *(node, PROBE, house.base_url, "--api-key", house.key, "--model", "scripted"),
        *("--no-bench", "--no-save", "--no-color", "--save", file),
        # Its own verdict; here the report decides.
        statuses={0, 1},
    )
    report: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return report


def results(report: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = report["conformance"]["results"]
    return found


def test_it_ran_to_its_end(report: dict[str, Any]) -> None:
    assert "incomplete" not in report
    assert report["run"]["phases"]["conformance"] == {"status": "measured"}
    assert {one["outcome"] for one in results(report)} <= {
        *("pass", "fail", "unsupported", "inconclusive", "skipped"),
    }


def test_the_surfaces_are_there(report: dict[str, Any]) -> None:
    surfaces = {
        entry["id"]
        for entry in report["coverage"]["entries"]
        if entry["kind"] == "surface" and entry["supported"]
    }
    assert surfaces >= {"models", "chat", "responses", "embeddings"}


def test_nothing_that_must_hold_fails(report: dict[str, Any]) -> None:
    failures = {
        one["id"]: [failure["message"] for failure in one["failures"]]
        for one in results(report)
        if one["outcome"] == "fail"
        or any(failure["severity"] == "MUST" for failure in one["failures"])
    }
    assert failures == {}
    assert report["conformance"]["passed"] == report["conformance"]["total"] > 100


def test_what_it_could_not_judge_is_explained(report: dict[str, Any]) -> None:
    open_ends = {
        one["id"]: one["reason"]
        for one in results(report)
        if one["outcome"] in {"unsupported", "inconclusive"}
    }
    unexplained = {
        name: reason
        for name, reason in open_ends.items()
        if not any(fnmatch(name, pattern) for pattern in EXPLAINED)
    }
    assert unexplained == {}
    idle = [
        pattern for pattern in EXPLAINED if not any(fnmatch(name, pattern) for name in open_ends)
    ]
    assert idle == [], "these are judged now: take them off the list, here and on the page"


def test_the_page_explains_the_same() -> None:
    table = PAGE.read_text(encoding="utf-8").partition("<!-- explained -->")[2]
    rows = re.findall(r"^\| ((?:`[^`]+`(?:, )?)+) \| (.+) \|$", table, re.MULTILINE)
    assert [name for names, _ in rows for name in re.findall(r"`([^`]+)`", names)] == EXPLAINED


def test_the_scripted_model_knows_none_of_its_questions() -> None:
    questions = set(re.findall(r'text: ["`]([^"`$]{8,})["`]', PROBE.read_text(encoding="utf-8")))
    assert "My name is Ada. Remember it." in questions
    adapter = ROOT / "src" / "tertulia" / "adapters" / "model"
    known = "\n".join(path.read_text(encoding="utf-8") for path in adapter.glob("scripted*.py"))
    assert [question for question in questions if question in known] == []

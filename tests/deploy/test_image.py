"""The Dockerfile. No engine is at hand to build it: its text is held to what it promises."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
Instruction = tuple[str, str]


@pytest.fixture(scope="module")
def stages() -> list[list[Instruction]]:
    text = (ROOT / "Dockerfile").read_text()
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    found: list[list[Instruction]] = []
    for word, rest in lines:
        if word == "FROM":
            found.append([])
        found[-1].append((word, rest))
    return found


def of(stage: list[Instruction], word: str) -> list[str]:
    return [rest for name, rest in stage if name == word]


def test_what_builds_is_not_in_the_image(stages: list[list[Instruction]]) -> None:
    *building, last = stages
    assert len(building) == 2
    assert of(last, "COPY") == ["--from=build /opt/tertulia /opt/tertulia"]
    assert not any(re.search(r"\b(pip|npm|apt-get|hatchling)\b", run) for run in of(last, "RUN"))


def test_bases_are_pinned(stages: list[list[Instruction]]) -> None:
    for stage in stages:
        base = stage[0][1].split()[0]
        assert re.fullmatch(r"[a-z]+:\d+(\.\d+)*-[a-z-]+", base), base
    assert stages[1][0][1].split()[0] == stages[2][0][1], "compiled for another Python"


def test_it_is_nobody_s_root(stages: list[list[Instruction]]) -> None:
    last = stages[-1]
    user = of(last, "USER")
    assert user == ["10001:10001"]
    words = [word for word, _ in last]
    assert words.index("USER") < words.index("ENTRYPOINT")
    assert of(last, "ENTRYPOINT") == ['["tertulia"]']
    assert "/healthz" in of(last, "HEALTHCHECK")[0]


def test_everything_fetched_is_pinned_by_its_hash(stages: list[list[Instruction]]) -> None:
    installs = re.findall(r"pip install ([^&]+)", " && ".join(of(stages[1], "RUN")))
    assert len(installs) == 3
    for words in installs:
        assert "--require-hashes" in words or "--no-index" in words
        for lock in re.findall(r"-r (\S+)", words):
            assert (ROOT / lock).exists()
    assert all("npm ci" in run for run in of(stages[0], "RUN") if "install" in run)


def test_no_secret_is_in_it(stages: list[list[Instruction]]) -> None:
    for stage in stages:
        assert of(stage, "ARG") == []
        told = " ".join(of(stage, "ENV"))
        assert not re.search(r"SECRET|PASSWORD|KEY|TOKEN|://", told)


def test_only_what_it_is_made_of_gets_into_the_build(stages: list[list[Instruction]]) -> None:
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [rule for rule in rules if rule and not rule.startswith("#")]
    assert rules[0] == "*"
    let_in = [rule[1:] for rule in rules if rule.startswith("!")]
    copied = [
        source.rstrip("/")
        for stage in stages
        for words in of(stage, "COPY")
        if not words.startswith("--from")
        for source in words.split()[:-1]
    ]
    for source in copied:
        assert (ROOT / source).exists(), source
        assert any(source == rule or source.startswith(f"{rule}/") for rule in let_in), source
    assert not {"tests", "deploy", ".git", ".venv"} & {rule.split("/")[0] for rule in let_in}

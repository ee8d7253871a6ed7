"""Promises about the repository itself that no other tool keeps."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST = 400


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("needs a git checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    return [ROOT / name for name in listed if name and (ROOT / name).is_file()]


def test_no_source_file_is_too_long(tracked: list[Path]) -> None:
    sources = {".py", ".ts", ".tsx", ".css", ".js", ".mjs", ".sh"}
    long = {
        str(path.relative_to(ROOT)): length
        for path in tracked
        if path.suffix in sources
        and (length := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST
    }
    assert long == {}


def test_locks_name_packages_and_never_where_they_come_from() -> None:
    for lock in sorted((ROOT / "requirements").glob("*.txt")):
        text = lock.read_text(encoding="utf-8")
        assert "://" not in text, lock.name
        pins = [line for line in text.splitlines() if re.match(r"[a-z0-9]", line)]
        hashed = text.count(" \\\n    --hash=sha256:")
        assert pins, lock.name
        assert hashed >= len(pins), f"{lock.name}: a package without a hash"


@pytest.mark.parametrize("folder", ["web", "tests/suites/js"])
def test_an_npm_lock_names_no_address_and_every_hash(folder: str) -> None:
    packages = json.loads((ROOT / folder / "package-lock.json").read_text(encoding="utf-8"))[
        "packages"
    ]
    del packages[""]
    assert [name for name, package in packages.items() if "resolved" in package] == []
    assert [name for name, package in packages.items() if "integrity" not in package] == []
    # A binding that the registry lacked when the lock was made is left out of it in silence,
    # and then `npm ci` refuses the lock.
    held = {name.rpartition("node_modules/")[2] for name in packages}
    named = {
        one for package in packages.values() for one in package.get("optionalDependencies", ())
    }
    assert named <= held


def test_what_is_locked_is_what_is_declared() -> None:
    """Run `make lock` after a change of the dependencies."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = project["dependency-groups"]
    extras = project["project"]["optional-dependencies"]
    declared = {
        "run": [
            *project["project"]["dependencies"],
            *project["project"]["optional-dependencies"]["local"],
            *groups["build"],
        ],
        "dev": [*groups["dev"], *groups["services"], *groups["manifests"]],
        "helm": groups["helm"],
        "build": groups["build"],
        "server": [
            *project["project"]["dependencies"],
            *(one for name, extra in extras.items() if name != "local" for one in extra),
        ],
        "node": groups["node"],
    }
    for lock, requirements in declared.items():
        text = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
        locked = {line.split("==")[0] for line in text.splitlines() if "==" in line}
        wanted = {re.split(r"[<>=;\[ ]", requirement)[0] for requirement in requirements}
        assert wanted <= locked, f"requirements/{lock}.txt"


def test_links_in_the_documents_lead_somewhere(tracked: list[Path]) -> None:
    dead = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in tracked
        if page.suffix == ".md"
        for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if "://" not in link and not (page.parent / link).exists()
    ]
    assert dead == []


def test_the_readme_names_commands_that_exist() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"\bmake ([a-z-]+)", "\n".join(re.findall(r"`+[^`]+`+", readme))))
    assert {"run", "test"} <= named
    assert named <= set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))

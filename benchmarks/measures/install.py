"""What an install without extras brings: the locked packages, put into an empty folder by pip."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from itertools import pairwise
from pathlib import Path

from benchmarks.dialect import System
from benchmarks.measures.base import Figures, Measure, Row, Scale
from benchmarks.processes import ROOT
from benchmarks.systems import Bench

#: What the floor imports.
FLOOR = ["aiohttp", "httptools", "msgspec", "uvicorn", "uvloop", "websockets"]
_PIP = (
    *(sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"),
    *("--no-deps", "--require-hashes", "--only-binary=:all:", "--no-compile"),
)
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def install(bench: Bench, scale: Scale, system: System) -> Figures:
    """Size and number of distributions; of the product, itself and its web client included."""
    del bench, scale
    wanted = FLOOR if system == "floor" else _declared()
    needed = closure(wanted)
    with tempfile.TemporaryDirectory(prefix="tertulia-install-") as folder:
        pins = Path(folder, "requirements.txt")
        pins.write_text(_locked(needed))
        target = Path(folder, "target")
        done = subprocess.run(
            [*_PIP, "--target", str(target), "-r", str(pins)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"pip failed: {done.stderr[-2000:]}")
        size = _size(target)
        count = len(list(target.glob("*.dist-info")))
    if system == "product":
        size += _size(ROOT / "src" / "tertulia", without="__pycache__")
        count += 1
    return {"megabytes": size / 1e6, "distributions": count}


def _declared() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    dependencies: list[str] = project["dependencies"]
    return dependencies


def closure(wanted: list[str]) -> set[str]:
    """The names of these requirements and of all that they require in turn, here."""
    from packaging.requirements import Requirement

    found: set[str] = set()
    seen: set[tuple[str, str]] = set()
    waiting = [Requirement(one) for one in wanted]
    while waiting:
        one = waiting.pop()
        name = _normal(one.name)
        for extra in ("", *one.extras):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            if one.marker is not None and not one.marker.evaluate({"extra": extra}):
                continue
            try:
                further = requires(name) or []
            except PackageNotFoundError:
                continue
            found.add(name)
            for text in further:
                requirement = Requirement(text)
                marker = requirement.marker
                if marker is None or marker.evaluate({"extra": extra}):
                    requirement.marker = None
                    waiting.append(requirement)
    return found


def _locked(names: set[str]) -> str:
    """The part of the lock that pins these."""
    lock = (ROOT / "requirements" / "run.txt").read_text(encoding="utf-8")
    starts = [match.start() for match in _PIN.finditer(lock)] + [len(lock)]
    parts = [lock[a:b] for a, b in pairwise(starts)]
    kept = [part for part in parts if _normal(_PIN.match(part)[1]) in names]  # type: ignore[index]
    missing = names - {_normal(_NAME.match(part)[0]) for part in kept}  # type: ignore[index]
    if missing:
        raise RuntimeError(f"requirements/run.txt does not pin {', '.join(sorted(missing))}")
    return "".join(kept)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _size(folder: Path, without: str = "") -> int:
    """Bytes on disk of all files in it, as `du` counts them."""
    return sum(
        path.stat().st_blocks * 512
        for path in folder.rglob("*")
        if path.is_file() and (not without or without not in path.parts)
    )


MEASURES = (
    Measure(
        "install",
        "the locked packages of an install without extras, and Tertulia itself",
        install,
        (
            Row("core install, size", "megabytes", "MB", 100, table=66),
            Row("core install, distributions", "distributions", "", 45, table=34),
        ),
        once=True,
    ),
)

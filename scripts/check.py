"""All that must hold before a change lands; `make test` runs it.

Every step runs even if one before it failed, so that one run tells all. The last line counts the
Python tests as pytest's own closing line does.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TextIO

sys.path.insert(0, str(Path(__file__).resolve().parent))
import debian
import webclient

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".venv" / "bin"
COVERAGE_FLOOR = 95.0
COVERED = ("src/tertulia/domain/", "src/tertulia/turns/")
BROWSER = ("chromium", "fonts-noto-core", "fonts-noto-cjk", "fonts-noto-color-emoji")
SERVICES = ("redis-server", "rabbitmq-server", "mariadb-server", "nginx", "haproxy")
#: Tests of whole servers, browsers and others' clients; all others are of parts.
WHOLE = ("e2e", "suites", "benchmarks", "canary", "deploy", "faults")
COUNT = re.compile(r"(\d+) (failed|passed|skipped|errors?|deselected|xfailed)")
COUNTED = ("failed", "error", "errors", "passed", "skipped", "deselected", "xfailed")
CLOSING = re.compile(r"^=* ?\d+ (passed|failed|errors?|skipped|deselected)\b.* in [\d.]+s.*$")

# What the person who runs this has set up for themselves is not what is tested.
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if not name.upper().startswith(("TERTULIA_", "OPENAI_"))
}


def run(*command: str | Path, cwd: Path = ROOT) -> bool:
    """Run a quiet tool; what it said matters only if it failed."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        print(done.stdout, flush=True)
    return done.returncode == 0


def web(script: str) -> bool:
    node = webclient.find_node() or BIN
    environment = f"{node}{os.pathsep}{ENVIRONMENT.get('PATH', '')}"
    return run(
        "env", f"PATH={environment}", node / "npm", "run", "--silent", script, cwd=ROOT / "web"
    )


def browser() -> bool:
    """The browser that the end-to-end tests drive; without it they skip, in CI they fail."""
    return debian.install(BROWSER) or not ENVIRONMENT.get("CI")


def services() -> bool:
    """What the tests of many machines start; without it they skip, in CI they fail."""
    return debian.install(SERVICES) or not ENVIRONMENT.get("CI")


class Tests:
    """The Python tests, in two halves at once: those of the parts, whose coverage is measured, and
    those of the whole, which mostly wait for servers and browsers of their own."""

    def __init__(self) -> None:
        self.closing = "0 passed, 1 failed"

    def run(self) -> bool:
        folder = ROOT / "build" / "coverage"
        folder.mkdir(parents=True, exist_ok=True)
        others = [f"--ignore=tests/{name}" for name in WHOLE]
        said = folder.parent / "whole.log"
        begun = time.monotonic()
        with said.open("w") as log:
            whole = self._start(["-m", "pytest", *(f"tests/{name}" for name in WHOLE)], log)
            parts = self._start(["-m", "coverage", "run", "-m", "pytest", *others], subprocess.PIPE)
            closings = [self._shown(parts.stdout or ())]
            passed = [half.wait() == 0 for half in (parts, whole)]
        with said.open() as log:
            closings.append(self._shown(log))
        counts: Counter[str] = Counter()
        for closing in closings:
            counts.update({what: int(n) for n, what in COUNT.findall(closing)})
        told = ", ".join(f"{counts[what]} {what}" for what in COUNTED if counts[what])
        self.closing = f"{told} in {time.monotonic() - begun:.2f}s"
        return all(passed)

    @staticmethod
    def _start(words: list[str], output: int | TextIO) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(BIN / "python"), *words, "-q", "--durations=8"],
            cwd=ROOT,
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )

    @staticmethod
    def _shown(lines: Iterable[str]) -> str:
        """Pass on what pytest says; its closing line, or one that says that there was none."""
        closing = "1 error"
        for line in lines:
            print(line, end="", flush=True)
            if CLOSING.match(line.rstrip()):
                closing = line.rstrip()
        return closing


def coverage() -> bool:
    """Lines and branches each, of the parts that hold the policy."""
    report = ROOT / "build" / "coverage" / "report.json"
    if not run(BIN / "python", "-m", "coverage", "json", "-q", "-o", report):
        return False
    files = json.loads(report.read_text())["files"]
    fine = True
    for folder in COVERED:
        parts = {name: one["summary"] for name, one in files.items() if name.startswith(folder)}
        for what, total, covered in (
            ("lines", "num_statements", "covered_lines"),
            ("branches", "num_branches", "covered_branches"),
        ):
            whole = sum(part[total] for part in parts.values())
            share = 100 * sum(part[covered] for part in parts.values()) / whole if whole else 100.0
            print(f"  {folder} {what}: {share:.1f} %")
            if share < COVERAGE_FLOOR:
                fine = False
                gaps = sorted(parts, key=lambda name: parts[name][covered] - parts[name][total])
                print(f"  below {COVERAGE_FLOOR} %; most is missing in: {', '.join(gaps[:5])}")
    return fine


def main() -> int:
    tests = Tests()
    steps: list[tuple[str, Callable[[], bool]]] = [
        ("ruff check", lambda: run(BIN / "ruff", "check", ".")),
        ("ruff format", lambda: run(BIN / "ruff", "format", "--check", ".")),
        ("mypy", lambda: run(BIN / "mypy")),
        ("import rules", lambda: run(BIN / "lint-imports", "--no-logo")),
        ("web typecheck", lambda: web("typecheck")),
        ("web lint", lambda: web("lint")),
        ("web tests", lambda: web("test")),
        ("web size", lambda: web("size")),
        ("browser", browser),
        ("services", services),
        ("pytest", tests.run),
        ("coverage", coverage),
    ]
    results = []
    for name, step in steps:
        print(f"── {name}", flush=True)
        started = time.monotonic()
        passed = step()
        results.append((name, passed, time.monotonic() - started))
    print("── summary")
    for name, passed, seconds in results:
        print(f"  {'ok  ' if passed else 'FAIL'}  {name:<14} {seconds:6.1f} s")
    print(tests.closing)
    return 0 if all(passed for _, passed, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main())

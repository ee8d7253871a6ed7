"""``python -m benchmarks``: measure, print the table, and keep the figures in build/bench."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import profile, report
from benchmarks.dialect import System
from benchmarks.measures import MEASURES, Scale
from benchmarks.processes import ROOT
from benchmarks.session import take
from benchmarks.systems import RAISED, Bench

PAGE = ROOT / "docs" / "benchmarks.md"
RESULTS = ROOT / "build" / "bench"


def arguments() -> argparse.ArgumentParser:
    names = [measure.name for measure in MEASURES]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="What Tertulia costs beside a bare relay."
    )
    parser.add_argument(
        "--only", action="append", choices=names, help="This measure; may be repeated."
    )
    parser.add_argument(
        "--skip", action="append", choices=names, default=[], help="All but this measure."
    )
    parser.add_argument("--runs", type=int, default=3, help="Runs of which to take the median.")
    side = parser.add_mutually_exclusive_group()
    side.add_argument("--product-only", action="store_true")
    side.add_argument("--floor-only", action="store_true")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="A setting of the product other than shipped: TERTULIA_….",
    )
    parser.add_argument(
        "--source", type=Path, metavar="DIR", help="Measure the package in this folder (…/src)."
    )
    parser.add_argument(
        "--profile", action="store_true", help="Only find where the time goes, with py-spy."
    )
    parser.add_argument(
        "--write-docs", action="store_true", help=f"Put the result into {PAGE.name}."
    )
    return parser


def main(words: Sequence[str]) -> None:
    parser = arguments()
    given = parser.parse_args(words)
    if given.write_docs and (given.only or given.source or given.set):
        parser.error("the documentation is for all measures of this checkout as shipped")
    command = shlex.join(["python", "-m", "benchmarks", *words])
    scale = Scale()
    RESULTS.mkdir(parents=True, exist_ok=True)
    raised = ", ".join(f"{name}={value}" for name, value in RAISED.items())
    print(f"The product runs as shipped, without a local model, and with {raised}.")
    with tempfile.TemporaryDirectory(prefix="tertulia-bench-") as root:
        extra = dict(pair.split("=", 1) for pair in given.set)
        source = given.source.resolve() if given.source else ROOT / "src"
        bench = Bench(Path(root), scale.users, extra, source)
        if given.profile:
            _profile(bench, scale, write=given.write_docs)
            return
        systems: tuple[System, ...] = ("floor", "product")
        if given.product_only or given.floor_only:
            systems = ("product",) if given.product_only else ("floor",)
        chosen = [
            measure
            for measure in MEASURES
            if measure.name in (given.only or [measure.name]) and measure.name not in given.skip
        ]
        session = take(bench, chosen, scale, systems=systems, runs=given.runs, command=command)
    text = report.markdown(session)
    print(f"\n{text}")
    results = json.dumps(report.record(session), indent=1)
    (RESULTS / f"results-{time.strftime('%Y%m%dT%H%M%S')}.json").write_text(results)
    (RESULTS / "report.md").write_text(text)
    if given.write_docs:
        report.put_between(PAGE, "table", text)


def _profile(bench: Bench, scale: Scale, *, write: bool) -> None:
    file = RESULTS / "profile.folded"
    file.unlink(missing_ok=True)
    cost = profile.record(bench, scale, file)
    text = profile.markdown(
        profile.read(file, cost), cost, time.strftime("%Y-%m-%d", time.gmtime())
    )
    print(f"\n{text}\n{file}: open it at speedscope.app, or with any tool for folded stacks")
    if write:
        report.put_between(PAGE, "profile", text)


if __name__ == "__main__":
    main(sys.argv[1:])

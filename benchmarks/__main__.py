"""``python -m benchmarks``: measure, print the table, and keep the figures in build/bench."""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks import profile, report
from benchmarks.dialect import System
from benchmarks.measures import MEASURES, Measure, Scale
from benchmarks.processes import ROOT
from benchmarks.session import take
from benchmarks.systems import RAISED, Bench

PAGE = ROOT / "docs" / "benchmarks.md"
#: What a cluster is made of.
PARTS = ("api", "worker")
RESULTS = ROOT / "build" / "bench"


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="What Tertulia costs beside a bare relay."
    )
    parser.add_argument(
        "--cluster",
        action="store_true",
        help="Of API nodes and workers over PostgreSQL, Redis and RabbitMQ.",
    )
    names = ", ".join(measure.name for measure in MEASURES)
    parser.add_argument(
        "--only",
        action="append",
        metavar="MEASURE",
        help=f"This measure; may be repeated: {names}. With --cluster others, which any wrong name "
        "lists.",
    )
    parser.add_argument(
        "--skip", action="append", metavar="MEASURE", default=[], help="All but this measure."
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
    chosen = _chosen(parser, given)
    if given.write_docs and (given.only or given.source or given.set):
        parser.error("the documentation is for all measures of this checkout as shipped")
    if given.write_docs and given.cluster and given.profile:
        parser.error("the profile of a cluster is printed, and stands on no page")
    command = shlex.join(["python", "-m", "benchmarks", *words])
    scale = Scale()
    RESULTS.mkdir(parents=True, exist_ok=True)
    raised = ", ".join(f"{name}={value}" for name, value in RAISED.items())
    print(f"The product runs as shipped, without a local model, and with {raised}.")
    with ExitStack() as stack:
        root = stack.enter_context(tempfile.TemporaryDirectory(prefix="tertulia-bench-"))
        extra = dict(pair.split("=", 1) for pair in given.set)
        source = given.source.resolve() if given.source else ROOT / "src"
        bench = stack.enter_context(_bench(given.cluster, Path(root), scale, extra, source))
        if given.profile:
            _profile(bench, scale, cluster=given.cluster, write=given.write_docs)
            return
        systems: tuple[System, ...] = ("floor", "product")
        if given.product_only or given.floor_only:
            systems = ("product",) if given.product_only else ("floor",)
        session = take(bench, chosen, scale, systems=systems, runs=given.runs, command=command)
    text = report.markdown(session)
    print(f"\n{text}")
    results = json.dumps(report.record(session), indent=1)
    (RESULTS / f"results-{time.strftime('%Y%m%dT%H%M%S')}.json").write_text(results)
    (RESULTS / "report.md").write_text(text)
    if given.write_docs:
        report.put_between(PAGE, "cluster" if given.cluster else "table", text)


def _chosen(parser: argparse.ArgumentParser, given: argparse.Namespace) -> list[Measure]:
    measures = MEASURES
    if given.cluster:
        from benchmarks.measures import cluster

        measures = cluster.MEASURES
    names = [measure.name for measure in measures]
    for name in (*(given.only or ()), *given.skip):
        if name not in names:
            parser.error(f"there is no measure {name}; there are {', '.join(names)}")
    return [
        measure
        for measure in measures
        if measure.name in (given.only or names) and measure.name not in given.skip
    ]


@contextmanager
def _bench(
    cluster: bool, root: Path, scale: Scale, extra: dict[str, str], source: Path
) -> Iterator[Bench]:
    if not cluster:
        yield Bench(root, scale.users, extra, source)
        return
    # What it starts is the tests', with their tools.
    from benchmarks.cluster import Cluster
    from benchmarks.services import running

    with running() as services:
        yield Cluster(root, scale.thousand, extra, source, services=services)


def _profile(bench: Bench, scale: Scale, *, cluster: bool, write: bool) -> None:
    texts = []
    for part in PARTS if cluster else ("",):
        file = RESULTS / (f"profile-{part}.folded" if part else "profile.folded")
        file.unlink(missing_ok=True)
        cost = profile.record(bench, scale, file, part)
        of = f"`tertulia {part}` with {scale.hundred} users" if part else f"{scale.users} users"
        date = time.strftime("%Y-%m-%d", time.gmtime())
        texts.append(profile.markdown(profile.read(file, cost), cost, date, of))
        print(
            f"\n{texts[-1]}\n{file}: open it at speedscope.app, or with any tool for folded stacks"
        )
    if write:
        report.put_between(PAGE, "profile", texts[0])


if __name__ == "__main__":
    # As Ctrl-C does: what was started is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    main(sys.argv[1:])

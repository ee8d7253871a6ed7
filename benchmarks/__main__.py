"""``python -m benchmarks``."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from benchmarks.dialect import System
from benchmarks.measures import MEASURES, Scale
from benchmarks.systems import Bench


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--only", action="append", choices=[m.name for m in MEASURES])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--product-only", action="store_true")
    parser.add_argument("--floor-only", action="store_true")
    given = parser.parse_args()
    systems: tuple[System, ...] = ("floor", "product")
    if given.product_only:
        systems = ("product",)
    elif given.floor_only:
        systems = ("floor",)
    scale = Scale()
    with tempfile.TemporaryDirectory(prefix="tertulia-bench-") as root:
        bench = Bench(Path(root), scale.users)
        for measure in MEASURES:
            if given.only and measure.name not in given.only:
                continue
            for _ in range(given.runs):
                for system in systems:
                    figures = measure.run(bench, scale, system)
                    shown = {k: round(v, 3) for k, v in figures.items()}
                    print(measure.name, system, json.dumps(shown), flush=True)


if __name__ == "__main__":
    main()

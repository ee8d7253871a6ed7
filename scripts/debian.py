"""Debian packages that a step needs: installed as root, else named."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence


def missing(packages: Sequence[str]) -> list[str]:
    """Those of the packages that this Debian lacks; none where there is no Debian."""
    if not shutil.which("dpkg-query"):
        return []
    shown = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *packages],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    there = {line.split()[0] for line in shown.splitlines() if line.endswith(" installed")}
    return [package for package in packages if package not in there]


def install(packages: Sequence[str]) -> bool:
    """Install what is missing; False if that takes somebody with more rights."""
    absent = missing(packages)
    if not absent:
        return True
    if os.geteuid() != 0:
        print(f"missing: {' '.join(absent)}. Install with: apt-get install {' '.join(absent)}")
        return False
    print(f"installing Debian packages: {' '.join(absent)}", flush=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *absent]):
        done = subprocess.run(
            ["apt-get", "-qq", *command], env=quiet, stdout=sys.stderr, check=False
        )
        if done.returncode:
            return False
    return True

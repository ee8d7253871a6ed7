"""The web client, built into the package: pages, hashed assets, and the policy they run under."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from tertulia.errors import NotFound
from tertulia.transports.errors import error_reply

#: Scripts, styles and connections of our own only: an answer that a page were fooled into
#: rendering as HTML could neither run nor call home.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)

_YEAR = "public, max-age=31536000, immutable"
_COMPRESSIBLE = ("text/", "application/json", "application/manifest", "image/svg")
_NOT_BUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Tertulia</title>
<h1>The web client is not built</h1>
<p>The server runs, its API too. In a checkout <code>make setup</code> builds the client;
an installed package brings it along.</p></html>"""


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    #: None where it would not be shorter.
    zipped: bytes | None
    media_type: str
    etag: str
    stamp: tuple[int, int]


class WebClient:
    """ASGI application for all that no route has answered; ``folder`` holds the built client.

    ``/`` and ``/c/…`` are pages, anything else is a file. The client may be built anew while the
    server runs.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._files: dict[str, _File] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()  # the handshake
            response = error_reply(_nothing())
        else:
            response = await self._answer(Request(scope))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.method not in {"GET", "HEAD"}:
            return error_reply(_nothing())
        path = request.url.path
        is_page = path == "/" or path.startswith("/c/")
        file = await asyncio.to_thread(self._load, "index.html" if is_page else path.lstrip("/"))
        if file is not None:
            cache = _YEAR if path.startswith("/assets/") else "no-cache"
            return _send(file, request.headers, cache)
        if is_page:
            return HTMLResponse(_NOT_BUILT, 503, _policy())
        return error_reply(_nothing())

    def _load(self, name: str) -> _File | None:
        try:
            path = (self._folder / name).resolve()
            if not path.is_relative_to(self._folder) or path.name.startswith("."):
                return None
            stat = path.stat()
            stamp = (stat.st_mtime_ns, stat.st_size)
            known = self._files.get(name)
            if known is None or known.stamp != stamp:
                known = self._files[name] = _read(path, stamp)
        except (OSError, ValueError):  # absent, a folder, or a name that no file can have
            return None
        return known


def _read(path: Path, stamp: tuple[int, int]) -> _File:
    body = path.read_bytes()
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    # The platform's table may say otherwise, and a browser runs no module of another type.
    media_type = "text/javascript" if path.suffix in {".js", ".mjs"} else media_type
    zipped = gzip.compress(body, mtime=0) if media_type.startswith(_COMPRESSIBLE) else None
    if zipped is not None and len(zipped) >= len(body):
        zipped = None
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    return _File(body, zipped, media_type, etag, stamp)


def _send(file: _File, asked: Headers, cache: str) -> Response:
    headers = {**_policy(), "etag": file.etag, "cache-control": cache}
    if file.zipped is not None:
        headers["vary"] = "accept-encoding"
    if file.etag in asked.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    body = file.body
    if file.zipped is not None and "gzip" in asked.get("accept-encoding", ""):
        body = file.zipped
        headers["content-encoding"] = "gzip"
    return Response(body, headers=headers, media_type=file.media_type)


def _policy() -> dict[str, str]:
    return {"content-security-policy": CONTENT_SECURITY_POLICY}


def _nothing() -> NotFound:
    return NotFound("There is nothing at this address.")

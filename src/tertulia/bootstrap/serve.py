"""``tertulia serve``, ``api`` and ``worker``: processes that run until they are told to end."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn

from tertulia import __version__, telemetry
from tertulia.bootstrap import roles
from tertulia.bootstrap.assembly import node
from tertulia.bootstrap.roles import Role
from tertulia.bootstrap.waiting import tell
from tertulia.errors import Unavailable
from tertulia.settings import Settings
from tertulia.telemetry import traces
from tertulia.telemetry.instruments import INFO
from tertulia.transports.app import create_app, create_worker_app

#: Seconds that open connections get to end by themselves once all turns have ended.
CONNECTION_GRACE = 3
#: Connections that may wait to be accepted.
BACKLOG = 2048


def serve(settings: Settings, role: Role = "serve", *, open_browser: bool = False) -> None:
    """Run until SIGINT or SIGTERM; a second signal ends it at once.

    Raises:
        DataFolderError, Misconfigured: the folder or a setting.
        Unavailable: the port cannot be had, or the store does not answer.
    """
    telemetry.configure(level=settings.log_level, form=settings.log_format, lasting=True)
    INFO.set(1, __version__, role)
    with _tracing(settings, role), asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(settings, role, open_browser))


@contextmanager
def _tracing(settings: Settings, role: Role) -> Iterator[None]:
    """Send spans where the settings say, the last of them on leaving."""
    if settings.traces is None:
        yield
        return
    from tertulia.telemetry.otlp import open_exporter

    sink, close = open_exporter(settings.traces, version=__version__, role=role)
    traces.export(sink, part=settings.traces_part)
    try:
        yield
    finally:
        traces.export(None)
        close()


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # not made for this platform
        return None
    return uvloop.Loop


async def _serve(settings: Settings, role: Role, open_browser: bool) -> None:
    telemetry.watch_loop(asyncio.get_running_loop())
    server: Server | None = None

    def draining() -> bool:
        return server is not None and server.draining

    port = roles.port_of(settings, role)
    async with node(settings, role, draining=draining) as parts:
        app = (create_worker_app if role == "worker" else create_app)(parts.services)
        config = uvicorn.Config(
            app,
            host=settings.host,
            port=port,
            backlog=BACKLOG,
            http="httptools",
            ws="websockets-sansio",
            # Compression costs 54 KB a connection, and frames are small.
            ws_per_message_deflate=False,
            # More than our sockets take, so that they can say so themselves.
            ws_max_size=max(1 << 20, 2 * settings.limits.body_bytes),
            ws_ping_interval=None,
            # Given even if empty: left out, the library takes a variable of its own.
            forwarded_allow_ips=list(settings.trusted_proxies),
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=True,
            timeout_graceful_shutdown=CONNECTION_GRACE,
        )

        async def drain() -> None:
            # Devices go elsewhere, each at its own moment, while the last answers end.
            ends = [parts.services.feed.drain(settings.turns.grace_seconds / 4)]
            if parts.worker is not None:
                ends.append(parts.worker.stop())
            await asyncio.gather(*ends)
            app.front.end()

        server = Server(config, settings, drain, open_browser=open_browser)
        # An API node loads none.
        waiting = asyncio.create_task(tell(parts.models)) if role != "api" else None
        try:
            await server.serve()
        finally:
            if waiting is not None:
                waiting.cancel()
        if not server.started:
            raise Unavailable(
                f"cannot listen on {settings.host}:{port}: the port is in use, or not "
                "allowed; choose another with --port"
            )


class Server(uvicorn.Server):
    """Says where it is, and lets running answers end before it ends itself."""

    def __init__(
        self,
        config: uvicorn.Config,
        settings: Settings,
        drain: Callable[[], Awaitable[None]],
        *,
        open_browser: bool,
    ) -> None:
        super().__init__(config)
        self._settings = settings
        self._end_turns = drain
        self._open_browser = open_browser
        self._draining: asyncio.Task[None] | None = None
        self.draining = False

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        """Listen, then print the address: the line that scripts and people wait for."""
        try:
            await super().startup(sockets)  # type: ignore[arg-type]
        except SystemExit:  # uvicorn's way to say that the port cannot be had
            self.should_exit = True
            return
        # What stands now stands until the end: no collection need ever look at it. A turn leaves
        # few cycles behind, so collections may be rarer than for programs at large.
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        gc.enable()
        port = self.servers[0].sockets[0].getsockname()[1]
        url = f"http://{_in_url(self._settings.host)}:{port}"
        print(f"Tertulia is ready: {url}", flush=True)  # noqa: T201 - for the person who started it
        if self._open_browser and _has_display():
            threading.Thread(target=_browse, args=(url,), daemon=True).start()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """First signal: stop taking turns, end or hand over those that run, then end."""
        if self.draining:
            super().handle_exit(sig, frame)
            return
        self.draining = True
        loop = asyncio.get_event_loop()
        loop.call_soon_threadsafe(self._begin_drain)

    def _begin_drain(self) -> None:
        self._draining = asyncio.get_running_loop().create_task(self._drained())

    async def _drained(self) -> None:
        try:
            await self._end_turns()
        finally:
            self.should_exit = True


def _in_url(host: str) -> str:
    if host in ("0.0.0.0", "::", ""):  # noqa: S104 - any address: name one that works here
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _has_display() -> bool:
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _browse(url: str) -> None:
    import webbrowser

    webbrowser.open(url)

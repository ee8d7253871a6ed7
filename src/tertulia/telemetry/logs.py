"""Logs: structured, with a request id, and never with what people say.

No prompt, no answer, no secret may reach a log. What this module does about it:

- An exception is logged by its type and stack. Its message is left out, since it may quote what
  it could not digest.
- A library's log line is logged by its template, without the arguments.
- Query strings and bodies are never logged; a request is named by its route's template.

`configure` is called once, when a command that serves starts.
"""

from __future__ import annotations

import asyncio
import logging
import re
import sys
import threading
import traceback
from collections.abc import MutableMapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Literal, TextIO, cast

import msgspec
import structlog

from tertulia.errors import TertuliaError
from tertulia.telemetry import traces

Event = MutableMapping[str, Any]

#: Frames of a stack that are logged, the innermost ones.
STACK_FRAMES = 16
#: Exceptions of a chain of causes that are logged.
CAUSES = 4

#: Of the request that is being served: it stands in every line that is logged on its way.
request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
#: The code of the error that it is answered with, for its line in the log.
error_code: ContextVar[str | None] = ContextVar("error_code", default=None)

_encoder = msgspec.json.Encoder(enc_hook=repr)
_log = structlog.get_logger("tertulia")


def configure(
    *,
    level: str = "info",
    form: Literal["auto", "console", "json"] = "auto",
    stream: TextIO | None = None,
    lasting: bool = False,
) -> None:
    """Send all logs of this process to ``stream`` (standard error when None). ``lasting``: this
    is not called again, so that loggers need not ask at each line how they are set up."""
    out = _Steady(stream or sys.stderr)
    console = form == "console" or (form == "auto" and out.isatty())
    shared: list[structlog.typing.Processor] = [
        _of_the_request,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _faults_without_messages,
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=out.isatty()) if console else _as_json
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(_number(level)),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, out)),
        cache_logger_on_first_use=lasting,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(_LibraryLines([*shared, renderer]))
    root = logging.getLogger()
    root.handlers = [handler]
    # Below a warning libraries tell what passes through them.
    root.setLevel(max(_number(level), logging.WARNING))
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).setLevel(logging.NOTSET)
        logging.getLogger(name).propagate = name != "uvicorn.access"
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
    sys.unraisablehook = _unraisable


class _Steady:
    """Where lines go. What cannot be written, say for want of room on the disk, is lost: a line is
    no reason to fail a request."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.isatty = stream.isatty

    def write(self, text: str) -> int:
        with suppress(OSError):
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


#: Where a message begins to quote a value.
_QUOTED = re.compile(r"[(<\[{'\"]")


def watch_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Log what nobody awaited by type and stack; asyncio's own line quotes the exception."""

    def failed(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        fault = context.get("exception")
        # Of a callback it goes on with what that was called with.
        problem = _QUOTED.split(str(context.get("message")), maxsplit=1)[0].rstrip()
        _log.error("unawaited failure", problem=problem, exc_info=fault)

    loop.set_exception_handler(failed)


def describe(fault: BaseException) -> dict[str, Any]:
    """What may be logged of an exception: types, the codes of our own errors, the stack."""
    chain: list[str] = []
    at: BaseException | None = fault
    while at is not None and len(chain) < CAUSES:
        code = f"({at.code})" if isinstance(at, TertuliaError) else ""
        chain.append(f"{type(at).__module__}.{type(at).__qualname__}{code}")
        at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)
    frames = traceback.extract_tb(fault.__traceback__)[-STACK_FRAMES:]
    where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    return {"fault": chain, "frames": where}


def _of_the_request(_: Any, __: str, event: Event) -> Event:
    served = request_id.get()
    if served is not None:
        event.setdefault("request_id", served)
    if traces.on() and (trace_id := _trace_of(event)) is not None:
        event.setdefault("trace_id", f"{trace_id:032x}")
    return event


def _trace_of(event: Event) -> int | None:
    response_id = event.get("response_id")
    if isinstance(response_id, str):
        return traces.root_of(response_id).trace_id
    request = traces.request_span.get()
    return request.trace_id if request is not None else None


def _faults_without_messages(_: Any, __: str, event: Event) -> Event:
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    if isinstance(info, tuple):
        info = info[1]
    if isinstance(info, BaseException):
        event.update(describe(info))
    return event


class _LibraryLines(logging.Formatter):
    """Lines of libraries, in our form. Only the template of a line is known to be a constant;
    of a line without arguments not even that."""

    def __init__(self, processors: Sequence[structlog.typing.Processor]) -> None:
        super().__init__()
        self._processors = processors

    def format(self, record: logging.LogRecord) -> str:
        constant = bool(record.args) and isinstance(record.msg, str)
        event: Any = {
            "event": record.msg if constant else "a library logged",
            "logger": record.name,
            "where": f"{record.pathname}:{record.lineno}",
            "exc_info": record.exc_info,
        }
        for process in self._processors:
            event = process(None, record.levelname.lower(), event)
        return str(event)


def _as_json(_: Any, __: str, event: Event) -> str:
    return _encoder.encode(dict(event)).decode()


def _number(level: str) -> int:
    return logging.getLevelNamesMapping()[level.upper()]


def _uncaught(kind: type[BaseException], fault: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, fault, trace)
    else:
        _log.critical("uncaught failure", exc_info=fault)


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    name = args.thread.name if args.thread else None
    _log.critical("uncaught failure in a thread", thread=name, exc_info=args.exc_value)


def _unraisable(args: sys.UnraisableHookArgs) -> None:
    _log.error("unraisable failure", exc_info=args.exc_value)

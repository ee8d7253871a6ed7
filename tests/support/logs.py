"""Logs of one test: `telemetry.configure` changes the whole process, and this changes it back."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog


@contextmanager
def quiet_again() -> Iterator[None]:
    root = logging.getLogger()
    names = ("uvicorn", "uvicorn.error", "uvicorn.access")
    kept = (root.handlers, root.level)
    states = [(logging.getLogger(n), logging.getLogger(n).__dict__.copy()) for n in names]
    hooks = (sys.excepthook, threading.excepthook, sys.unraisablehook)
    try:
        yield
    finally:
        root.handlers, root.level = kept
        for logger, state in states:
            logger.__dict__.update(state)
        sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
        structlog.reset_defaults()

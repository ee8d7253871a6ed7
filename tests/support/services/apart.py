"""What services that insist on a user of their own need, and set-up that awaits."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import tempfile
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


def apart(work: Coroutine[Any, Any, T]) -> T:
    """Run it to its end on a loop of its own: the caller may be within one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def unprivileged(wanted: str) -> str:
    """The user to run a service as when the tests run as root: its own, if there is one here."""
    try:
        pwd.getpwnam(wanted)
    except KeyError:
        return "nobody"
    return wanted


def as_user(user: str) -> list[str]:
    """What to put before a command to run it as ``user``, when the tests run as root: it becomes
    that command, so that it is the command that is waited for when it is killed."""
    if os.geteuid() != 0:
        return []
    found = pwd.getpwnam(user)
    ids = (f"--reuid={found.pw_uid}", f"--regid={found.pw_gid}", "--clear-groups")
    return ["setpriv", *ids, "--"]


@contextmanager
def service_folder(user: str) -> Iterator[Path]:
    """A folder that ``user`` may write to, when the tests run as root."""
    folder = Path(tempfile.mkdtemp(prefix=f"tertulia-{user}-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, user)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)

"""Makes many accounts by the product's own command line, in one process.

    python -m benchmarks.accounts DATA NUMBER FILE

Each user comes from ``tertulia user create --password-stdin`` and ``tertulia key create``; the
keys are written to FILE, one a line. A process for each would take a second a user.
"""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path

from tertulia.cli import app

PASSWORD = "correct horse battery staple\n"


def command(*words: str, said: str = "") -> str:
    """What it prints."""
    out = io.StringIO()
    sys.stdin = io.StringIO(said)
    with contextlib.redirect_stdout(out):
        app(list(words), standalone_mode=False)
    return out.getvalue().strip()


def main(data: str, number: str, file: str) -> None:
    keys = []
    for index in range(int(number)):
        email = f"user{index}@example.org"
        command("user", "create", email, "--password-stdin", "--data", data, said=PASSWORD)
        keys.append(command("key", "create", email, "--data", data))
    Path(file).write_text("\n".join(keys))


if __name__ == "__main__":
    main(*sys.argv[1:])

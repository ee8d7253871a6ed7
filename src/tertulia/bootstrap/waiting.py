"""Says on the terminal how far the default model is: who starts a server for the first time waits
for some 100 MB, and should see what for."""

from __future__ import annotations

import asyncio
import sys
from typing import TextIO

from tertulia.errors import NotFound
from tertulia.ports.model import Models, ModelState

#: Seconds between looks.
LOOK = 0.2
#: Without a terminal a line is printed at each of so many hundredths.
STEP = 10


async def tell(models: Models, out: TextIO | None = None) -> None:
    """Follow the default model's state until it is ready, or cannot become so."""
    out = out or sys.stderr
    try:
        model = models.get(None, admin=True)
    except NotFound as error:
        print(f"No model yet: {error.message}", file=out, flush=True)
        return
    said = ""
    begun = False
    while True:
        state = model.state()
        if state.status in ("downloading", "loading"):
            begun = True
            said = _say(f"{model.info.name}: {_words(state, whole=out.isatty())}", said, out)
        elif begun or state.status == "failed":
            end = state.detail if state.status == "failed" else "ready"
            _say(f"{model.info.name}: {end}", said, out)
            if out.isatty():
                print(file=out, flush=True)
            return
        elif state.status == "ready":
            return
        await asyncio.sleep(LOOK)


def _words(state: ModelState, *, whole: bool) -> str:
    if state.progress is None:
        return state.status
    percent = int(state.progress * 100)
    return f"{state.status} {percent if whole else percent - percent % STEP} %"


def _say(text: str, said: str, out: TextIO) -> str:
    """On a terminal one line that changes, elsewhere a line for each change."""
    if text != said:
        line = f"\r\x1b[K{text}" if out.isatty() else f"{text}\n"
        print(line, end="", file=out, flush=True)
    return text

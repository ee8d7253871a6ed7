"""A browser, and people who use it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from secrets import token_hex
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright
from tests.e2e.browser.chat import Person, Watch
from tests.e2e.server import Server

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-quic",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
]
#: Nothing here takes long; a machine that is busy with other things may.
PATIENCE_MS = 30_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for each module: Playwright holds the thread's event loop as long as it runs, and the
    asynchronous tests of other modules need it too."""
    executable = shutil.which("chromium")
    if executable is None:
        if os.environ.get("CI"):
            pytest.fail("the browser tests need chromium")
        pytest.skip("chromium is not installed")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With accounts, and the scripted model only."""
    server = Server(tmp_path_factory.mktemp("browser") / "data").start()
    yield server
    server.stop()


@pytest.fixture
def visitor(browser: Browser, server: Server) -> Iterator[Callable[..., Person]]:
    """Makes people who have no account yet, each with a browser profile of their own.

    When the test is over, their pages must not have complained about anything, nor have called
    anybody but the server.
    """
    contexts: list[BrowserContext] = []
    watch = Watch({urlsplit(server.url).netloc})

    def make(**options: Any) -> Person:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        watch.of(context)
        return Person(server, context, watch)

    yield make
    for context in contexts:
        context.close()
    assert watch.complaints == []


@pytest.fixture
def person(visitor: Callable[..., Person], request: pytest.FixtureRequest) -> Person:
    """Somebody signed in."""
    return visitor().register(f"{request.node.originalname[:50]}-{token_hex(4)}@example.org")

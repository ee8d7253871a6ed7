"""Pictures of the client for the documents: ``python -m tests.e2e.browser.screenshots``.

What they show is real: `tertulia serve --no-auth` with the default local model, whose weights are
fetched when they are not there yet, asked real questions; and the sign-in page of a server with
accounts.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright
from tests.e2e.browser.conftest import FLAGS
from tests.e2e.server import Server
from tests.support.weights import folder

from tertulia.adapters.model.catalog import DEFAULT_LOCAL

IMAGES = Path(__file__).parents[3] / "docs" / "images"
LARGEST = 300_000
DESKTOP: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 390, "height": 844}
QUESTIONS = (
    "Name three fruits that are rich in vitamin C.",
    "Write a Python function that greets a person by name.",
    "What is photosynthesis?",
)
#: A small model on a slow machine, and its weights perhaps on their way.
PATIENCE_MS = 900_000
REAL_MODEL = {
    "TERTULIA_MODELS__SCRIPTED": "false",
    "TERTULIA_MODELS__DEFAULT": "",
    "TERTULIA_MODELS__LOCAL": DEFAULT_LOCAL,
}


def answered(page: Page) -> None:
    """Wait until the newest answer is whole; one that ran into a limit is no picture."""
    answer = page.get_by_test_id("message-assistant").last
    expect(answer).to_have_attribute("data-status", "completed", timeout=PATIENCE_MS)
    expect(answer.locator(".plain")).to_have_count(0)


def ask(page: Page, url: str, question: str) -> str:
    """A conversation of its own for the question; gives its address."""
    page.goto(url)
    page.get_by_test_id("composer").fill(question)
    expect(page.get_by_test_id("send")).to_be_enabled()
    page.get_by_test_id("composer").press("Enter")
    answered(page)
    return page.url


def take(page: Page, name: str) -> None:
    """A picture at rest: nothing moves, no pointer hovers, no caret blinks."""
    page.mouse.move(0, 0)
    page.evaluate("document.fonts.ready")
    path = IMAGES / f"{name}.png"
    page.screenshot(path=path, animations="disabled", caret="hide")
    size = path.stat().st_size
    if size > LARGEST:
        raise SystemExit(f"{path.name} has {size} bytes; at most {LARGEST} are wanted")
    print(f"{path.name}: {size} bytes")


def talk(browser: Browser, server: Server) -> None:
    with browser.new_context(viewport=DESKTOP, color_scheme="light") as context:
        page = context.new_page()
        addresses = [ask(page, server.url, question) for question in QUESTIONS]
        take(page, "desktop")
        page.goto(addresses[0])
        page.get_by_test_id("regenerate").click()
        expect(page.get_by_test_id("branch-label")).to_have_text("2/2", timeout=PATIENCE_MS)
        answered(page)
        take(page, "branches")
    with browser.new_context(viewport=DESKTOP, color_scheme="dark") as context:
        page = context.new_page()
        page.goto(addresses[1])
        answered(page)
        expect(page.locator(".hljs-keyword").first).to_be_visible()
        take(page, "dark")
    with browser.new_context(
        viewport=PHONE, device_scale_factor=2, is_mobile=True, has_touch=True
    ) as context:
        page = context.new_page()
        page.goto(addresses[0])
        answered(page)
        take(page, "phone")


def sign_in(browser: Browser, server: Server) -> None:
    with browser.new_context(viewport=DESKTOP, color_scheme="light") as context:
        page = context.new_page()
        page.goto(server.url)
        expect(page.get_by_test_id("signin-email")).to_be_focused()
        take(page, "sign-in")


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    executable = shutil.which("chromium")
    if executable is None:
        raise SystemExit("chromium is not installed")
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        data = Path(work, "data")
        data.mkdir()
        (data / "models").symlink_to(folder())
        alone = Server(data, "--no-auth", environment=REAL_MODEL)
        shared = Server(Path(work, "accounts"))
        for server, show in ((alone, talk), (shared, sign_in)):
            server.start()
            try:
                show(browser, server)
            finally:
                server.stop()
        browser.close()


if __name__ == "__main__":
    main()

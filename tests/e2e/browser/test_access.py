"""With the keyboard alone, with a screen reader, and on a phone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from tests.e2e.browser.chat import NOT_SIGNED_IN, PASSWORD, Chat, Person, numbered

pytestmark = pytest.mark.e2e

PHONE = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
CONTROLS = {"button", "link", "textbox", "searchbox", "menuitem", "menuitemradio", "checkbox"}


def nameless(page: Page) -> list[str]:
    """Controls of which a screen reader could only say what kind they are."""
    session = page.context.new_cdp_session(page)
    nodes: list[dict[str, Any]] = session.send("Accessibility.getFullAXTree")["nodes"]
    session.detach()
    return [
        node["role"]["value"]
        for node in nodes
        if not node["ignored"]
        and node["role"]["value"] in CONTROLS
        and not node.get("name", {}).get("value", "").strip()
    ]


def too_wide(page: Page) -> list[str]:
    """What reaches over the right edge and cannot be scrolled to in a box of its own."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll('body *')].filter(one => {
            const box = one.getBoundingClientRect()
            const style = getComputedStyle(one)
            const hidden = style.visibility === 'hidden' || box.width === 0 || box.right < 0
            const scrolls = one.closest('pre, .table-scroll, .sidebar') !== null
            return !hidden && !scrolls && !one.closest('[inert]') && box.right > innerWidth + 1
        }).map(one => one.outerHTML.slice(0, 120))"""
    )
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        found.append("the page itself")
    return found


def ringed(page: Page) -> bool:
    """Whether what has the focus shows it."""
    shows: bool = page.evaluate(
        """() => {
            const box = document.activeElement.closest('.composer') ?? document.activeElement
            const style = getComputedStyle(box)
            return style.outlineStyle !== 'none' || box.matches('.composer:focus-within')
        }"""
    )
    return shows


def tab_to(chat: Chat, name: str) -> None:
    """Press Tab until this has the focus; every stop on the way must be seen."""
    for _ in range(40):
        chat.page.keyboard.press("Tab")
        assert ringed(chat.page), f"no focus to be seen at {chat.focused}"
        if chat.focused == name:
            return
    raise AssertionError(f"{name} cannot be reached with Tab")


def test_everything_with_the_keyboard(visitor: Callable[..., Person]) -> None:
    person = visitor()
    person.watch.tolerated.append(NOT_SIGNED_IN)
    chat = person.open()
    keys = chat.page.keyboard
    expect(chat.by("signin-email")).to_be_focused()
    tab_to(chat, "register-toggle")
    keys.press("Enter")
    chat.by("signin-email").focus()
    keys.type("keys@example.org")
    keys.press("Tab")
    keys.type(PASSWORD)
    keys.press("Enter")

    expect(chat.composer).to_be_focused()
    expect(chat.by("model-picker")).to_contain_text("Scripted")
    keys.type("two lines,")
    keys.press("Shift+Enter")
    keys.type("one message")
    keys.press("Enter")
    expect(chat.questions).to_have_text("two lines,\none message")
    expect(chat.answer).to_have_attribute("data-status", "completed")
    expect(chat.composer).to_be_focused()
    keys.type("chunks=20 hang at 5")
    keys.press("Enter")
    chat.sees("w4")
    keys.press("Escape")
    expect(chat.answer).to_have_attribute("data-status", "cancelled")

    for _ in range(20):
        keys.press("Shift+Tab")
        if chat.focused == "regenerate":
            break
    assert chat.focused == "regenerate"
    stopped = chat.response_id
    keys.press("Enter")
    expect(chat.answer).not_to_have_attribute("data-response-id", stopped)
    chat.sees("w4")
    keys.press("Escape")
    expect(chat.answer).to_have_attribute("data-status", "cancelled")
    expect(chat.by("branch-label")).to_have_text("2/2")

    keys.press("Control+Shift+O")
    expect(chat.answers).to_have_count(0)
    expect(chat.composer).to_be_focused()
    keys.press("Control+K")
    expect(chat.by("search")).to_be_focused()
    keys.press("Tab")
    assert chat.focused == "conversation-link"
    keys.press("Enter")
    expect(chat.answers).to_have_count(2)


def test_menus_and_dialogs_give_the_focus_back(person: Person) -> None:
    chat = person.open()
    keys = chat.page.keyboard
    expect(chat.by("model-picker")).to_contain_text("Scripted")
    chat.by("account-menu").focus()
    keys.press("Enter")
    expect(chat.by("menu-instructions")).to_be_focused()
    keys.press("ArrowDown")
    expect(chat.by("menu-keys")).to_be_focused()
    keys.press("Escape")
    expect(chat.by("account-menu")).to_be_focused()

    for item, field in (
        ("menu-instructions", "instructions-text"),
        ("menu-keys", "key-name"),
        ("menu-password", "password-current"),
        ("menu-delete", "delete-password"),
    ):
        chat.by("account-menu").press("Enter")
        # The menu takes the focus when it has been drawn.
        expect(chat.by("menu-instructions")).to_be_focused()
        chat.by(item).focus()
        keys.press("Enter")
        expect(chat.by(field)).to_be_focused()
        assert nameless(chat.page) == []
        keys.press("Escape")
        expect(chat.by(field)).to_have_count(0)
        expect(chat.by("account-menu")).to_be_focused()
        assert ringed(chat.page)


def test_what_a_screen_reader_is_told(person: Person) -> None:
    chat = person.open()
    page = chat.page
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert nameless(page) == []
    log = page.get_by_role("log", name="Messages")
    chat.say("chunks=20 hang at 5")
    chat.sees("w4")
    # Not read word by word: it is busy until the answer is whole.
    expect(log).to_have_attribute("aria-busy", "true")
    chat.by("stop").click()
    expect(log).to_have_attribute("aria-busy", "false")
    expect(page.get_by_role("status").filter(has_text="The answer was stopped.")).to_have_count(1)
    chat.ask("markdown echo: one")
    chat.by("regenerate").last.click()
    expect(page.get_by_role("group", name="Versions of this answer")).to_be_visible()
    chat.finished()
    assert nameless(page) == []
    expect(page.get_by_role("navigation", name="Conversations")).to_be_visible()
    expect(page.get_by_role("main")).to_have_count(1)
    expect(page.get_by_role("heading", name="Today")).to_be_visible()
    for menu in ("model-picker", "account-menu"):
        chat.by(menu).click()
        expect(page.get_by_role("menu")).to_be_visible()
        assert nameless(page) == []
        page.keyboard.press("Escape")


def test_the_sign_in_page_for_a_screen_reader(visitor: Callable[..., Person]) -> None:
    person = visitor()
    person.watch.tolerated.append(NOT_SIGNED_IN)
    page = person.open().page
    expect(page.get_by_role("heading", level=1)).to_have_text("Welcome back")
    expect(page.get_by_role("textbox", name="Email")).to_be_focused()
    assert nameless(page) == []


def test_the_whole_client_on_a_phone(visitor: Callable[..., Person]) -> None:
    person = visitor(**PHONE).register("phone@example.org")
    chat = person.open()
    page = chat.page
    wide = "https://example.org/" + "a" * 300
    table = "| " + " | ".join(f"column number {n}" for n in range(12)) + " |\n|" + "---|" * 12
    expect(chat.by("model-picker")).to_contain_text("Scripted")
    assert too_wide(page) == []
    assert chat.ask("chunks=30") == numbered(30)
    chat.say(f"echo: {wide}\n\n{table}\n\n```\n{'x' * 400}\n```")
    expect(chat.answers).to_have_count(2)
    expect(chat.answer.get_by_role("table")).to_have_count(1)
    assert too_wide(page) == []

    sidebar = chat.by("sidebar")
    expect(sidebar).not_to_be_in_viewport()
    chat.by("open-sidebar").tap()
    expect(sidebar).to_be_in_viewport()
    expect(chat.by("conversation-link")).to_be_visible()
    assert nameless(page) == []
    page.keyboard.press("Escape")
    expect(sidebar).not_to_be_in_viewport()
    chat.by("open-sidebar").tap()
    chat.by("new-chat").tap()
    expect(sidebar).not_to_be_in_viewport()
    expect(chat.answers).to_have_count(0)
    chat.by("open-sidebar").tap()
    chat.by("conversation-link").tap()
    expect(sidebar).not_to_be_in_viewport()
    expect(chat.answers).to_have_count(2)

    chat.by("open-sidebar").tap()
    chat.by("account-menu").tap()
    chat.by("menu-instructions").tap()
    expect(chat.by("dialog-instructions")).to_be_in_viewport()
    assert too_wide(page) == []
    page.keyboard.press("Escape")
    expect(chat.by("dialog-instructions")).to_have_count(0)


def test_the_end_stays_in_sight_until_the_reader_looks_back(person: Person) -> None:
    chat = person.open()
    scroller = chat.by("scroller")
    lines = "\n\n".join(f"line {n}" for n in range(60))
    chat.say(f"rate=40 echo: {lines}")
    chat.sees("line 40")
    gap = "box => box.scrollHeight - box.scrollTop - box.clientHeight"
    assert scroller.evaluate(gap) < 100
    scroller.hover()
    chat.page.mouse.wheel(0, -600)
    expect(chat.by("jump-to-latest")).to_be_visible()
    place = scroller.evaluate("box => box.scrollTop")
    chat.sees("line 59")
    assert scroller.evaluate("box => box.scrollTop") == place
    chat.by("jump-to-latest").click()
    expect(chat.by("jump-to-latest")).to_have_count(0)
    expect(chat.answer.get_by_text("line 59")).to_be_in_viewport()

"""The sidebar, the settings, and what the browser remembers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect
from tests.e2e.browser.chat import NOT_SIGNED_IN, PASSWORD, Chat, Person
from tests.e2e.server import Server
from tests.support.services.process import free_port

pytestmark = pytest.mark.e2e

#: What the browser itself says when it is told that a conversation is not there.
NOT_FOUND = re.compile(r"status of 404 .*/tree$")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With a second model, whose server is away."""
    away = {
        "name": "away",
        "base_url": f"http://127.0.0.1:{free_port()}/v1",
        "models": "nimbus",
        "context_window": 8192,
    }
    server = Server(
        tmp_path_factory.mktemp("browser") / "data",
        environment={
            "TERTULIA_MODELS__SERVERS": json.dumps([away]),
            "TERTULIA_MODELS__RETRIES": "0",
        },
    ).start()
    yield server
    server.stop()


@pytest.fixture
def chat(person: Person) -> Chat:
    return person.open()


def _titles(chat: Chat, *titles: str) -> None:
    expect(chat.by("conversation-link")).to_have_text(list(titles))


def _menu(chat: Chat, item: str) -> None:
    chat.by("account-menu").click()
    chat.by(item).click()


def test_renamed_in_one_tab_and_in_the_other(chat: Chat) -> None:
    chat.ask("echo: first thoughts")
    other = chat.person.open()
    row = chat.by("conversation-list").get_by_role("listitem")
    row.hover()
    chat.by("rename").click()
    chat.by("rename-input").fill("Plans for <Seville> & more")
    chat.by("rename-input").press("Enter")
    for tab in (chat, other):
        _titles(tab, "Plans for <Seville> & more")
    expect(chat.page).to_have_title("Plans for <Seville> & more · Tertulia")
    chat.page.reload()
    _titles(chat, "Plans for <Seville> & more")


def test_deleted_and_brought_back(chat: Chat) -> None:
    chat.ask("echo: keep me")
    conversation = chat.conversation_id
    other = chat.person.open()
    expect(other.by("conversation-link")).to_have_count(1)
    chat.by("conversation-list").get_by_role("listitem").hover()
    chat.by("delete").click()
    expect(chat.by("toast")).to_contain_text("Deleted")
    for tab in (chat, other):
        expect(tab.by("conversation-link")).to_have_count(0)
    chat.page.wait_for_url(f"{chat.person.server.url}/")
    assert chat.person.conversations() == []

    chat.by("toast-undo").click()
    for tab in (chat, other):
        expect(tab.by("conversation-link")).to_have_count(1)
    chat.by("conversation-link").click()
    assert chat.conversation_id == conversation
    assert chat.finished() == "keep me"


def test_an_address_that_leads_nowhere(chat: Chat) -> None:
    chat.person.watch.tolerated.append(NOT_FOUND)
    chat.page.goto(f"{chat.person.server.url}/c/conv_{'0' * 32}")
    expect(chat.by("conversation-missing")).to_be_visible()
    chat.by("new-chat").click()
    assert chat.ask("echo: here") == "here"


def test_search_by_title(chat: Chat) -> None:
    for text in ("apples", "pears", "Äpfel"):
        chat.by("new-chat").click()
        chat.ask(f"echo: {text}")
    expect(chat.by("conversation-link")).to_have_count(3)
    chat.by("search").fill("PEAR")
    expect(chat.by("conversation-link")).to_have_count(1)
    expect(chat.by("conversation-link")).to_contain_text("pears")
    chat.by("search").fill("nothing like it")
    expect(chat.by("conversation-link")).to_have_count(0)
    expect(chat.by("conversation-list")).to_contain_text("No title matches")
    chat.by("search").press("Escape")
    expect(chat.by("conversation-link")).to_have_count(3)
    assert [one["title"] for one in chat.person.conversations()] != [None] * 3


def test_the_way_back_through_the_browser_s_history(chat: Chat) -> None:
    chat.ask("echo: one")
    chat.by("new-chat").click()
    expect(chat.answers).to_have_count(0)
    chat.ask("echo: two")
    chat.page.go_back()
    expect(chat.answer).to_contain_text("one")
    chat.page.go_forward()
    expect(chat.answer).to_contain_text("two")


def test_drafts_survive_a_reload_each_in_its_place(chat: Chat) -> None:
    chat.ask("echo: one")
    chat.composer.fill("below one\nand more")
    chat.by("new-chat").click()
    expect(chat.composer).to_have_value("")
    chat.composer.fill("for a new chat")
    chat.page.reload()
    expect(chat.composer).to_have_value("for a new chat")
    chat.by("conversation-link").click()
    expect(chat.composer).to_have_value("below one\nand more")


def test_custom_instructions_go_with_every_message(chat: Chat) -> None:
    words = "Answer as Don Quixote would.\nIn prose."
    _menu(chat, "menu-instructions")
    expect(chat.by("instructions-text")).to_be_focused()
    chat.by("instructions-text").fill(words)
    chat.by("instructions-save").click()
    expect(chat.by("dialog-instructions")).to_have_count(0)
    chat.ask("echo: hello")
    assert chat.person.api("GET", f"/v1/responses/{chat.response_id}")["instructions"] == words
    chat.page.reload()
    chat.ask("echo: again")
    assert chat.person.api("GET", f"/v1/responses/{chat.response_id}")["instructions"] == words
    _menu(chat, "menu-instructions")
    expect(chat.by("instructions-text")).to_have_value(words)


def test_another_model_is_picked_and_picked_again(chat: Chat) -> None:
    expect(chat.by("model-picker")).to_contain_text("Scripted")
    chat.by("model-picker").click()
    expect(chat.by("model-option")).to_have_count(2)
    chat.by("model-option").filter(has_text="nimbus").click()
    expect(chat.by("model-picker")).to_contain_text("nimbus")
    chat.page.reload()
    expect(chat.by("model-picker")).to_contain_text("nimbus")

    chat.say("echo: is anybody there?")
    expect(chat.answer).to_have_attribute("data-status", "failed")
    assert chat.person.tree(chat.conversation_id)[0]["model"] == "nimbus"
    expect(chat.by("answer-end")).to_be_visible()
    chat.by("model-picker").click()
    chat.by("model-option").filter(has_text="Scripted").click()
    expect(chat.by("model-picker")).to_contain_text("Scripted")
    chat.by("retry").click()
    expect(chat.by("branch-label")).to_have_text("2/2")
    assert chat.finished() == "is anybody there?"


def test_an_api_key_is_made_used_and_revoked(chat: Chat) -> None:
    _menu(chat, "menu-keys")
    chat.by("key-name").fill("laptop")
    chat.by("key-create").click()
    key = chat.by("key-value").inner_text()
    assert key.startswith("sk-")
    with chat.person.server.client(key) as client:
        assert client.get("/v1/models").status_code == 200
        chat.by("key-revoke").click()
        expect(chat.by("key-row")).to_have_count(0)
        assert client.get("/v1/models").status_code == 401
    chat.page.keyboard.press("Escape")
    expect(chat.by("dialog-keys")).to_have_count(0)


def test_a_changed_password(chat: Chat) -> None:
    chat.person.watch.tolerated.append(NOT_SIGNED_IN)
    _menu(chat, "menu-password")
    chat.by("password-current").fill(PASSWORD)
    chat.by("password-new").fill("another long password")
    chat.by("password-save").click()
    expect(chat.by("toast")).to_contain_text("Password changed")
    assert chat.ask("echo: still signed in") == "still signed in"
    _menu(chat, "sign-out")
    chat.by("signin-email").fill(chat.person.email)
    chat.by("signin-password").fill("another long password")
    chat.by("signin-submit").click()
    expect(chat.composer).to_be_visible()


def test_signing_out_leaves_nothing_behind(chat: Chat, visitor: Callable[..., Person]) -> None:
    chat.person.watch.tolerated.append(NOT_SIGNED_IN)
    chat.ask("echo: mine alone")
    conversation = chat.conversation_id
    chat.composer.fill("a draft of mine")
    other = chat.person.open()
    expect(other.composer).to_be_visible()
    _menu(chat, "sign-out")
    for tab in (chat, other):
        expect(tab.by("signin-email")).to_be_visible()
    kept = chat.page.evaluate("JSON.stringify(localStorage)")
    assert "mine" not in kept
    chat.page.reload()
    expect(chat.by("signin-email")).to_be_visible()

    stranger = visitor().register("stranger@example.org")
    stranger.watch.tolerated.append(NOT_FOUND)
    theirs = stranger.open(f"/c/{conversation}")
    expect(theirs.by("conversation-missing")).to_be_visible()
    expect(theirs.by("conversation-link")).to_have_count(0)


def test_light_and_dark(visitor: Callable[..., Person]) -> None:
    person = visitor(color_scheme="dark").register("night@example.org")
    chat = person.open()
    dark = _background(chat)
    chat.by("account-menu").click()
    chat.by("theme-light").click()
    assert _brightness(_background(chat)) > 200 > 80 > _brightness(dark)
    chat.page.reload()
    expect(chat.composer).to_be_visible()
    assert _brightness(_background(chat)) > 200
    chat.by("account-menu").click()
    chat.by("theme-system").click()
    assert _background(chat) == dark


def _background(chat: Chat) -> list[int]:
    """Red, green and blue of the page as it is."""
    found: list[int] = chat.page.evaluate(
        "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)"
    )
    return found


def _brightness(colour: list[int]) -> float:
    return sum(colour) / 3

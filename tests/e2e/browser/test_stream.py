"""An answer is watched, left in the middle, and come back to: it is always the stored one."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import APIResponse, Route, expect
from tests.e2e.browser.chat import NOT_SIGNED_IN, PASSWORD, Person, numbered

pytestmark = pytest.mark.e2e


def test_from_no_account_to_a_finished_answer(visitor: Callable[..., Person]) -> None:
    person = visitor()
    person.watch.tolerated.append(NOT_SIGNED_IN)
    chat = person.open()
    chat.by("register-toggle").click()
    chat.by("signin-email").fill("first@example.org")
    chat.by("signin-password").fill(PASSWORD)
    chat.by("signin-submit").click()
    expect(chat.page.get_by_role("heading", name="What shall we talk about?")).to_be_visible()

    chat.mark()
    chat.say("chunks=60 rate=20")
    expect(chat.questions).to_have_text("chunks=60 rate=20")
    expect(chat.by("stop")).to_be_visible()
    expect(chat.answer).to_have_attribute("data-status", "completed")
    expect(chat.by("send")).to_be_visible()
    token = person.context.request.post(f"{person.server.url}/auth/refresh").json()
    person.token = token["access_token"]
    assert chat.finished() == numbered(60)
    assert chat.unbroken
    assert chat.steps > 5, "the answer did not come word by word"
    expect(chat.by("conversation-link")).to_have_count(1)


def test_signing_in_with_an_account_that_is_there(visitor: Callable[..., Person]) -> None:
    visitor().register("again@example.org")
    elsewhere = visitor()
    elsewhere.watch.tolerated += [NOT_SIGNED_IN, re.compile("status of 401 .*/auth/login")]
    chat = elsewhere.open()
    chat.by("signin-email").fill("again@example.org")
    chat.by("signin-password").fill("not this one")
    chat.by("signin-submit").click()
    expect(chat.by("signin-error")).to_be_visible()
    chat.by("signin-password").fill(PASSWORD)
    chat.by("signin-submit").click()
    expect(chat.composer).to_be_focused()
    chat.page.reload()
    expect(chat.composer).to_be_visible()


def test_a_reload_in_mid_answer_goes_on_with_the_same_text(person: Person) -> None:
    chat = person.open()
    chat.say("chunks=80 rate=20")
    chat.sees("w10 ")
    before = chat.shown()
    chat.page.reload()
    chat.sees(before)
    chat.mark()
    chat.sees("w40 ")
    assert chat.unbroken
    chat.page.reload()
    assert chat.finished() == numbered(80)
    chat.page.reload()
    assert chat.finished() == numbered(80)
    expect(chat.answers).to_have_count(1)


def test_a_second_tab_in_mid_answer_shows_the_same_and_ends_the_same(person: Person) -> None:
    first = person.open()
    first.say("chunks=70 rate=20")
    first.sees("w10 ")
    second = person.open(f"/c/{first.conversation_id}")
    second.sees("w10 ")
    assert numbered(70).startswith(second.shown())
    assert first.finished() == numbered(70)
    assert second.finished() == numbered(70)
    assert first.response_id == second.response_id
    # And to the character, however the words were cut on their way.
    third = person.open(f"/c/{first.conversation_id}")
    assert third.finished() == first.shown()


def test_what_one_tab_stops_is_stopped_in_the_other(person: Person) -> None:
    first = person.open()
    first.say("chunks=20 hang at 10")
    first.sees("w9")
    second = person.open(f"/c/{first.conversation_id}")
    second.sees("w9")
    assert second.shown() == first.shown() == numbered(10)
    second.by("stop").click()
    assert second.ended("cancelled") == numbered(10)
    assert first.ended("cancelled") == numbered(10)
    expect(first.by("answer-end")).to_have_text(re.compile("stopped"))


def test_a_message_of_one_tab_appears_in_the_other(person: Person) -> None:
    first = person.open()
    second = person.open()
    expect(second.composer).to_be_visible()
    second.mark()
    first.ask("echo: in the sidebar")
    link = second.by("conversation-link")
    expect(link).to_have_count(1)
    expect(link).to_contain_text("echo: in the sidebar")
    link.click()
    assert second.finished() == "in the sidebar"

    expect(second.by("typing-elsewhere")).to_have_count(0)
    first.composer.press_sequentially("echo: sec")
    expect(second.by("typing-elsewhere")).to_be_visible()
    first.ask("echo: second")
    expect(second.questions).to_have_text(["echo: in the sidebar", "echo: second"])
    assert second.finished() == "second"

    second.ask("chunks=30 rate=30")
    assert first.finished() == numbered(30)
    expect(first.questions).to_have_count(3)
    assert second.unbroken


def test_text_of_any_script_arrives_to_the_character(person: Person) -> None:
    text = "żółć 漢字 עברית العربية हिन्दी 👩‍👩‍👧‍👦🇪🇸 \u00e9 e\u0301 𝒳 ﷽ <&>\"' tail"
    chat = person.open()
    for way in ("echo", "split"):
        chat.ask(f"{way}: {text}")
        assert chat.shown() == text


def test_an_answer_older_than_the_page_takes_nothing_back(person: Person) -> None:
    """A conversation is opened again, and read again; but the server's word of it comes only when
    more has been said."""
    chat = person.open()
    chat.ask("echo: one")
    chat.by("new-chat").click()
    held: list[tuple[Route, APIResponse]] = []
    chat.page.route("**/v1/conversations/*/tree", lambda r: held.append((r, r.fetch())))
    chat.by("conversation-link").click()
    chat.ask("echo: two")
    [(late, answer)] = held
    assert len(answer.json()["responses"]) == 1
    with chat.page.expect_response("**/tree"):
        late.fulfill(response=answer)
    chat.page.evaluate("new Promise(drawn => requestAnimationFrame(() => setTimeout(drawn)))")
    expect(chat.questions).to_have_text(["echo: one", "echo: two"])
    assert chat.finished() == "two"

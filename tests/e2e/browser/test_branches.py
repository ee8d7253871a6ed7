"""Stop, Retry, Continue; other answers and other questions, and the way between them."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect
from tests.e2e.browser.chat import Chat, Person, numbered

pytestmark = pytest.mark.e2e


@pytest.fixture
def chat(person: Person) -> Chat:
    return person.open()


def test_stop_by_button_and_by_escape(chat: Chat) -> None:
    chat.say("chunks=40 hang at 10")
    chat.sees("w9")
    chat.by("stop").click()
    assert chat.ended("cancelled") == numbered(10)
    expect(chat.by("answer-end")).to_contain_text("You stopped this answer.")
    expect(chat.by("continue")).to_have_count(0)
    expect(chat.by("send")).to_be_visible()

    stopped = chat.response_id
    chat.by("retry").click()
    expect(chat.answer).not_to_have_attribute("data-response-id", stopped)
    chat.sees("w9")
    chat.page.keyboard.press("Escape")
    assert chat.ended("cancelled") == numbered(10)
    expect(chat.by("branch-label")).to_have_text("2/2")
    chat.page.reload()
    assert chat.ended("cancelled") == numbered(10)
    # After all that the conversation goes on.
    assert chat.ask("echo: still here") == "still here"


def test_stop_before_the_first_word(chat: Chat) -> None:
    chat.say("hang")
    expect(chat.by("typing")).to_be_visible()
    chat.by("stop").click()
    expect(chat.answer).to_have_attribute("data-status", "cancelled")
    expect(chat.by("answer-end")).to_contain_text("You stopped this answer.")
    assert chat.ask("echo: on") == "on"


def test_regenerated_answers_are_kept_beside_each_other(chat: Chat) -> None:
    chat.ask("echo: asked once")
    ids = [chat.response_id]
    for count in (2, 3):
        chat.by("regenerate").click()
        expect(chat.by("branch-label")).to_have_text(f"{count}/{count}")
        chat.finished()
        ids.append(chat.response_id)
    assert len(set(ids)) == 3
    expect(chat.questions).to_have_count(1)

    chat.by("branch-prev").click()
    expect(chat.by("branch-label")).to_have_text("2/3")
    expect(chat.answer).to_have_attribute("data-response-id", ids[1])
    other = chat.person.open(f"/c/{chat.conversation_id}")
    expect(other.by("branch-label")).to_have_text("2/3")
    chat.page.reload()
    expect(chat.by("branch-label")).to_have_text("2/3")
    expect(chat.answer).to_have_attribute("data-response-id", ids[1])
    # The other tab follows, and a message goes below the answer that is shown.
    chat.by("branch-prev").click()
    expect(other.by("branch-label")).to_have_text("1/3")
    chat.ask("echo: below the first")
    parent = chat.person.tree(chat.conversation_id)[-1]["previous_response_id"]
    assert parent == ids[0]
    expect(other.questions).to_have_text(["echo: asked once", "echo: below the first"])


def test_an_edited_message_opens_a_branch(chat: Chat) -> None:
    chat.ask("echo: one")
    chat.ask("echo: two")
    first = chat.by("message-user").first
    first.hover()
    first.get_by_test_id("edit").click()
    chat.by("edit-text").fill("echo: another one")
    chat.by("edit-text").press("Enter")
    expect(chat.questions).to_have_text(["echo: another one"])
    assert chat.finished() == "another one"
    expect(chat.by("branch-label")).to_have_text("2/2")

    chat.by("branch-prev").click()
    expect(chat.questions).to_have_text(["echo: one", "echo: two"])
    assert chat.finished() == "two"
    chat.page.reload()
    expect(chat.questions).to_have_text(["echo: one", "echo: two"])
    expect(chat.by("branch-label")).to_have_text("1/2")
    chat.by("branch-next").click()
    expect(chat.questions).to_have_text(["echo: another one"])


def test_escape_leaves_a_message_as_it_was(chat: Chat) -> None:
    chat.ask("echo: one")
    message = chat.by("message-user")
    message.hover()
    chat.by("edit").click()
    expect(chat.by("edit-text")).to_be_focused()
    chat.by("edit-text").fill("echo: never mind")
    chat.by("edit-text").press("Escape")
    expect(chat.questions).to_have_text("echo: one")
    assert len(chat.person.tree(chat.conversation_id)) == 1


def test_an_answer_at_its_length_limit_is_continued_as_one_text(chat: Chat) -> None:
    """The limit is set beside the client, which asks for none."""
    chat.ask("echo: before")
    chat.person.api(
        "POST",
        "/v1/responses",
        {
            "model": "scripted",
            "input": "chunks=30",
            "conversation": chat.conversation_id,
            "max_output_tokens": 16,
        },
    )
    expect(chat.answers).to_have_count(2)
    assert chat.ended("incomplete") == numbered(16)
    expect(chat.by("answer-end")).to_contain_text("length limit")
    limited = chat.response_id

    chat.by("continue").click()
    expect(chat.answer).not_to_have_attribute("data-response-id", limited)
    expect(chat.answer).to_have_attribute("data-status", "completed")
    assert chat.shown() == numbered(30)
    parts = [chat.person.stored_text(one) for one in (limited, chat.response_id)]
    assert "".join(parts) == numbered(30)
    expect(chat.answers).to_have_count(2)
    expect(chat.by("answer-end")).to_have_count(0)
    chat.page.reload()
    expect(chat.answers).to_have_count(2)
    chat.sees(re.compile(r"w29$"))
    assert chat.shown() == numbered(30)


def test_the_scripted_length_limit_offers_to_go_on(chat: Chat) -> None:
    chat.say("chunks=10 length")
    assert chat.ended("incomplete") == numbered(10)
    expect(chat.by("continue")).to_be_visible()
    expect(chat.by("retry")).to_be_visible()


def test_a_failed_answer_says_why_and_is_tried_again(chat: Chat) -> None:
    chat.say("error 400")
    expect(chat.answer).to_have_attribute("data-status", "failed")
    end = chat.by("answer-end")
    expect(end).to_contain_text("refuse")
    chat.by("retry").click()
    expect(chat.by("branch-label")).to_have_text("2/2")
    expect(chat.answer).to_have_attribute("data-status", "failed")
    expect(chat.questions).to_have_count(1)
    chat.page.reload()
    expect(end).to_contain_text("refuse")
    # A failed answer is no dead end.
    assert chat.ask("echo: on") == "on"


def test_an_answer_that_broke_off_is_kept_and_continued(chat: Chat) -> None:
    chat.say("chunks=20 fail at 10")
    assert chat.ended("incomplete") == numbered(10)
    expect(chat.by("answer-end")).to_contain_text("interrupted")
    chat.page.reload()
    assert chat.ended("incomplete") == numbered(10)
    chat.by("continue").click()
    expect(chat.answer).to_have_attribute("data-status", "completed")
    expect(chat.answers).to_have_count(1)
    assert chat.shown() == numbered(20)


@pytest.mark.parametrize("kind", ["500", "context", "garbage"])
def test_every_kind_of_failure_is_told_in_words(chat: Chat, kind: str) -> None:
    chat.say(f"error {kind}")
    expect(chat.answer).to_have_attribute("data-status", "failed")
    words = chat.by("answer-end").locator(".answer-end-words").inner_text()
    assert len(words.split()) >= 3
    assert chat.by("retry").is_visible()

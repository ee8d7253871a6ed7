"""Deleting one's account from the page."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect
from tests.e2e.browser.chat import NOT_SIGNED_IN, PASSWORD, Chat, Person
from tests.e2e.browser.test_access import PHONE, nameless, too_wide

pytestmark = pytest.mark.e2e


WRONG = re.compile(r"status of 401 .*/v1/me")


def ask_to_delete(chat: Chat) -> None:
    chat.by("account-menu").click()
    chat.by("menu-delete").click()
    expect(chat.by("delete-password")).to_be_focused()


def test_an_account_is_deleted_in_mid_answer(person: Person) -> None:
    # A wrong password, and the sign-in that has ended in the other tab.
    person.watch.tolerated += [NOT_SIGNED_IN, WRONG]
    other, chat = person.open(), person.open()
    expect(other.by("account-menu")).to_be_visible()
    chat.say("chunks=20 hang at 5")
    chat.sees("w4")
    ask_to_delete(chat)
    chat.by("delete-password").fill("not the password")
    chat.by("delete-account").click()
    expect(chat.page.get_by_role("alert")).to_have_text("The password is wrong.")
    chat.by("delete-password").fill(PASSWORD)
    chat.by("delete-account").click()
    for each in (chat, other):
        expect(each.page.get_by_role("button", name="Sign in")).to_be_visible()
    expect(chat.page.get_by_text("Your account is deleted.")).to_be_visible()
    person.register(person.email)
    again = person.open()
    expect(again.by("account-menu")).to_be_visible()
    assert person.conversations() == []


def test_the_dialog_says_what_goes_and_fits_a_phone(visitor: Callable[..., Person]) -> None:
    person = visitor(**PHONE).register("a.rather.long.address.of.somebody@mail.example.org")
    chat = person.open()
    chat.by("open-sidebar").tap()
    ask_to_delete(chat)
    dialog = chat.by("dialog-delete")
    for word in (person.email, "conversations", "files", "API keys", "cannot be undone"):
        expect(dialog).to_contain_text(word)
    assert too_wide(chat.page) == []
    assert nameless(chat.page) == []
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)
    assert person.conversations() == []

"""The server is killed under an open page and started again: the page goes on by itself."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect
from tests.e2e.browser.chat import NO_NETWORK, Chat, Person, numbered
from tests.e2e.browser.wire import Wire
from tests.e2e.server import Server

pytestmark = pytest.mark.e2e


@pytest.fixture(autouse=True)
def _alive(server: Server) -> None:
    """A test that failed may have left it dead."""
    if server.process is None or server.process.poll() is not None:
        server.start()


@pytest.fixture
def chat(person: Person) -> Chat:
    person.watch.tolerated.append(NO_NETWORK)
    chat = person.open()
    expect(chat.composer).to_be_visible()
    chat.mark()
    return chat


@pytest.fixture
def wire(server: Server) -> Iterator[Wire]:
    wire = Wire(server.port)
    yield wire
    wire.close()


def test_reloaded_and_killed_in_mid_answer(chat: Chat, server: Server) -> None:
    # Silent after word 20, so that the kill is surely in the middle; the next call, which is
    # given these words, goes on.
    chat.say("chunks=60 hang at 20")
    chat.sees("w19")
    assert chat.is_writing()
    chat.page.reload()
    chat.sees("w19")
    assert chat.shown() == numbered(20)
    assert chat.is_writing()
    chat.mark()
    server.kill()
    expect(chat.by("banner-connection")).to_be_visible()
    assert chat.shown() == numbered(20)
    server.start()
    assert chat.finished() == numbered(60)
    expect(chat.answer).to_have_attribute("data-attempt", "2")
    expect(chat.answers).to_have_count(1)
    expect(chat.by("banner-connection")).to_have_count(0)
    assert chat.unbroken


def test_killed_so_often_that_it_is_given_up(chat: Chat, server: Server) -> None:
    """The text is kept, the page says so, and the user has it go on."""
    chat.say("chunks=150 rate=30")
    for word in (10, 40, 70):
        chat.sees(f"w{word} ")
        server.kill()
        server.start()
    expect(chat.by("answer-end")).to_contain_text("interrupted")
    kept = chat.ended("incomplete")
    assert numbered(150).startswith(kept)
    chat.by("continue").click()
    expect(chat.answer).to_have_attribute("data-status", "completed")
    expect(chat.answers).to_have_count(1)
    assert chat.shown() == numbered(150)
    stored = [node["id"] for node in chat.person.tree(chat.conversation_id)]
    assert "".join(chat.person.stored_text(one) for one in stored) == numbered(150)
    assert chat.unbroken


def test_killed_while_something_is_being_written(chat: Chat, server: Server) -> None:
    chat.say("chunks=40 hang at 10")
    chat.sees("w9")
    chat.composer.fill("a thought that is not yet")
    server.kill()
    chat.composer.press("End")
    chat.composer.press_sequentially(" finished")
    server.start()
    assert chat.finished() == numbered(40)
    expect(chat.composer).to_have_value("a thought that is not yet finished")
    assert chat.unbroken
    chat.page.reload()
    expect(chat.composer).to_have_value("a thought that is not yet finished")


def test_a_message_sent_while_the_server_is_down(chat: Chat, server: Server) -> None:
    chat.ask("echo: before")
    server.kill()
    chat.say("chunks=30")
    expect(chat.questions).to_have_text(["echo: before", "chunks=30"])
    expect(chat.composer).to_have_value("")
    server.start()
    expect(chat.answers).to_have_count(2)
    assert chat.finished() == numbered(30)
    expect(chat.questions).to_have_count(2)
    assert len(chat.person.tree(chat.conversation_id)) == 2
    assert chat.unbroken


def test_a_first_message_sent_while_the_server_is_down(chat: Chat, server: Server) -> None:
    server.kill()
    chat.say("chunks=30")
    expect(chat.questions).to_have_text("chunks=30")
    server.start()
    assert chat.finished() == numbered(30)
    expect(chat.questions).to_have_count(1)
    assert len(chat.person.conversations()) == 1
    assert len(chat.person.tree(chat.conversation_id)) == 1
    assert chat.unbroken


def test_killed_between_a_message_and_its_acknowledgement(
    person: Person, server: Server, wire: Wire
) -> None:
    """The one moment in which the page cannot know whether the server has taken the message."""
    person.watch.own.add(urlsplit(wire.url).netloc)
    person.watch.tolerated.append(NO_NETWORK)
    chat = person.open(base=wire.url)
    chat.ask("echo: before")
    chat.mark()
    elsewhere = person.open(f"/c/{chat.conversation_id}")
    expect(elsewhere.answers).to_have_count(1)
    wire.lose_answers()
    chat.say("chunks=40 hang at 10")
    elsewhere.sees("w9")
    expect(chat.answers).to_have_count(1)
    server.kill()
    wire.cut()
    server.start()
    wire.mend()
    for tab in (chat, elsewhere):
        expect(tab.answers).to_have_count(2)
        assert tab.finished() == numbered(40)
        expect(tab.questions).to_have_text(["echo: before", "chunks=40 hang at 10"])
    assert len(person.tree(chat.conversation_id)) == 2
    assert chat.unbroken


def test_a_page_reloaded_while_the_server_is_down(chat: Chat, server: Server) -> None:
    """The browser shows its own error page then; but a message on its way is not forgotten."""
    chat.ask("echo: before")
    server.kill()
    chat.say("chunks=20")
    expect(chat.questions).to_have_count(2)
    path = urlsplit(chat.page.url).path
    chat.page.close()
    server.start()
    later = chat.person.open(path)
    expect(later.answers).to_have_count(2)
    assert later.finished() == numbered(20)
    assert len(chat.person.tree(later.conversation_id)) == 2


def test_asked_to_stop_and_started_again(chat: Chat, server: Server) -> None:
    """What an update does: the page is told, and comes back without having lost anything."""
    chat.say("chunks=60 rate=25")
    chat.sees("w10 ")
    assert server.stop() == 0
    server.start()
    assert chat.finished() == numbered(60)
    assert chat.unbroken

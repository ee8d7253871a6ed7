"""The network goes and comes back in mid-answer: the page stays, and so does the text."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect
from tests.e2e.browser.chat import NO_NETWORK, Chat, Person, numbered
from tests.e2e.browser.wire import Wire
from tests.e2e.server import Server

pytestmark = pytest.mark.e2e


@pytest.fixture
def wire(server: Server) -> Iterator[Wire]:
    wire = Wire(server.port)
    yield wire
    wire.close()


@pytest.fixture
def chat(person: Person, wire: Wire) -> Chat:
    """A page that reaches the server over the wire only."""
    person.watch.own.add(urlsplit(wire.url).netloc)
    person.watch.tolerated.append(NO_NETWORK)
    chat = person.open(base=wire.url)
    expect(chat.composer).to_be_visible()
    chat.mark()
    return chat


def test_a_cut_and_mended_wire(chat: Chat, wire: Wire) -> None:
    chat.say("chunks=90 rate=20")
    chat.sees("w10 ")
    wire.cut()
    expect(chat.by("banner-connection")).to_be_visible()
    kept = chat.shown()
    chat.person.wait_for_word(chat.response_id, "w50")
    assert chat.shown() == kept, "what is shown neither grows nor goes"
    wire.mend()
    assert chat.finished() == numbered(90)
    expect(chat.by("banner-connection")).to_have_count(0)
    expect(chat.answers).to_have_count(1)
    assert chat.unbroken


def test_an_answer_that_ended_while_the_wire_was_cut(chat: Chat, wire: Wire) -> None:
    chat.say("chunks=40 rate=40")
    chat.sees("w5 ")
    wire.cut()
    chat.person.wait_for_word(chat.response_id, "w38")
    assert "w38" not in chat.shown()
    wire.mend()
    assert chat.finished() == numbered(40)
    assert chat.unbroken


def test_many_short_cuts(chat: Chat, wire: Wire) -> None:
    chat.say("chunks=120 rate=25")
    for word in (10, 35, 60, 85):
        chat.sees(f"w{word} ")
        wire.cut()
        wire.mend()
    assert chat.finished() == numbered(120)
    assert chat.unbroken


def test_the_browser_goes_offline_and_online(chat: Chat) -> None:
    chat.say("chunks=90 rate=20")
    chat.sees("w10 ")
    chat.person.context.set_offline(True)
    expect(chat.by("banner-connection")).to_have_attribute("data-phase", "offline")
    kept = chat.shown()
    chat.person.wait_for_word(chat.response_id, "w50")
    assert chat.shown() == kept
    chat.person.context.set_offline(False)
    assert chat.finished() == numbered(90)
    expect(chat.by("banner-connection")).to_have_count(0)
    assert chat.unbroken


def test_a_connection_that_died_in_silence_is_replaced(chat: Chat, wire: Wire) -> None:
    """Another network: the old connection is never closed, it only carries nothing."""
    chat.say("chunks=90 rate=20")
    chat.sees("w10 ")
    wire.go_dead()
    chat.person.context.set_offline(True)
    chat.person.context.set_offline(False)
    assert chat.finished() == numbered(90)
    assert chat.unbroken


def test_what_is_written_offline_is_sent_once_afterwards(chat: Chat) -> None:
    chat.ask("echo: before")
    chat.person.context.set_offline(True)
    chat.say("chunks=20")
    expect(chat.questions).to_have_text(["echo: before", "chunks=20"])
    expect(chat.by("typing")).to_contain_text("Will be sent")
    chat.person.context.set_offline(False)
    expect(chat.answers).to_have_count(2)
    assert chat.finished() == numbered(20)
    assert len(chat.person.tree(chat.conversation_id)) == 2
    expect(chat.questions).to_have_count(2)
    assert chat.unbroken


def test_a_conversation_whose_making_was_not_heard_of_is_made_once(chat: Chat, wire: Wire) -> None:
    """The server has made it, but its word of that never arrives: asked again, it knows."""
    elsewhere = chat.person.open()
    wire.lose_answers()
    chat.say("chunks=30")
    expect(elsewhere.by("conversation-link")).to_have_count(1)
    wire.cut()
    wire.mend()
    assert chat.finished() == numbered(30)
    expect(chat.questions).to_have_count(1)
    expect(chat.by("conversation-link")).to_have_count(1)
    assert len(chat.person.conversations()) == 1
    assert len(chat.person.tree(chat.conversation_id)) == 1
    assert chat.unbroken


def test_a_message_whose_acknowledgement_was_lost_is_answered_once(chat: Chat, wire: Wire) -> None:
    chat.ask("echo: before")
    elsewhere = chat.person.open(f"/c/{chat.conversation_id}")
    expect(elsewhere.answers).to_have_count(1)
    wire.lose_answers()
    chat.say("chunks=30")
    expect(elsewhere.questions).to_have_count(2)
    assert elsewhere.finished() == numbered(30)
    wire.cut()
    wire.mend()
    expect(chat.answers).to_have_count(2)
    assert chat.finished() == numbered(30)
    expect(chat.questions).to_have_count(2)
    assert len(chat.person.tree(chat.conversation_id)) == 2
    assert chat.unbroken


def test_a_message_sent_before_the_models_are_known(person: Person) -> None:
    """The server's default answers; which one it is the page need not know."""
    person.watch.tolerated.append(NO_NETWORK)
    person.context.route("**/v1/models", lambda route: route.abort("connectionfailed"))
    chat = person.open()
    expect(chat.by("model-picker")).to_have_text("No model")
    assert chat.ask("chunks=5") == numbered(5)

"""Images in the composer and in messages: chosen, pasted, dropped, sent, shown again."""

from __future__ import annotations

import base64
import os
import re
import struct
import zlib
from typing import Any

import pytest
from playwright.sync_api import FilePayload, Locator, expect
from tests.e2e.browser.chat import NO_NETWORK, Chat, Person
from tests.support.images import png

pytestmark = pytest.mark.e2e

_DRAWN = "image => image.complete && image.naturalWidth > 0"
#: A paste or a drop of one file, as the browser would tell of it.
_GIVE = """([kind, encoded]) => {
    const bytes = Uint8Array.from(atob(encoded), character => character.charCodeAt(0))
    const data = new DataTransfer()
    data.items.add(new File([bytes], `${kind}.png`, { type: 'image/png' }))
    const how = { bubbles: true, cancelable: true }
    const event = kind === 'paste'
        ? new ClipboardEvent('paste', { ...how, clipboardData: data })
        : new DragEvent(kind, { ...how, dataTransfer: data })
    document.activeElement.dispatchEvent(event)
}"""


def file(name: str, data: bytes) -> FilePayload:
    return {"name": name, "mimeType": "image/png", "buffer": data}


def noise(side: int) -> bytes:
    """An image that no compression makes small."""
    rows = b"".join(b"\0" + os.urandom(side) for _ in range(side))
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 0)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def choose(chat: Chat, *files: FilePayload) -> None:
    expect(chat.by("attach")).to_be_visible()
    chat.by("attach-input").set_input_files(files)


def give(chat: Chat, kind: str, data: bytes) -> None:
    chat.composer.focus()
    chat.page.evaluate(_GIVE, [kind, base64.b64encode(data).decode()])


def uploaded(chat: Chat, count: int) -> None:
    ready = chat.page.locator("[data-testid=attachment][data-state=uploaded] img")
    expect(ready).to_have_count(count)
    drawn(ready)


def shown(chat: Chat, count: int) -> None:
    images = chat.page.locator("[data-testid=message-image] img")
    expect(images).to_have_count(count)
    drawn(images)


def drawn(images: Locator) -> None:
    for image in images.all():
        handle = image.element_handle()
        image.page.wait_for_function(_DRAWN, arg=handle)


@pytest.fixture
def chat(person: Person) -> Chat:
    chat = person.open()
    expect(chat.composer).to_be_visible()
    return chat


def files(person: Person) -> list[Any]:
    listed: list[Any] = person.api("GET", "/v1/files")["data"]
    return listed


def test_images_are_attached_sent_and_shown_again(chat: Chat) -> None:
    kept, dropped = png(30, 20), png(7, 9)
    choose(chat, file("kept.png", kept), file("dropped.png", dropped))
    uploaded(chat, 2)
    chat.page.reload()
    uploaded(chat, 2)
    remove = chat.page.get_by_role("button", name="Remove dropped.png")
    remove.focus()
    chat.page.keyboard.press("Enter")
    uploaded(chat, 1)
    assert chat.focused == "composer"
    told = f"[image/png 30x20, {len(kept)} bytes]"
    assert chat.ask("What is it?") == f"Scripted answer to: What is it? {told}"
    expect(chat.by("attachment")).to_have_count(0)
    shown(chat, 1)
    chat.page.reload()
    shown(chat, 1)
    # Its images go again with an edited message, and with a regenerated answer.
    chat.by("edit").click()
    chat.by("edit-text").fill("And now?")
    chat.by("edit-send").click()
    chat.sees(f"And now? {told}")
    chat.finished()
    shown(chat, 1)
    assert [one["filename"] for one in files(chat.person)] == ["kept.png"]


def test_an_image_opens_large_and_closes_by_key(chat: Chat) -> None:
    choose(chat, file("a.png", png(300, 200)))
    uploaded(chat, 1)
    chat.composer.press("Enter")
    expect(chat.answers).to_have_count(1)
    chat.finished()
    image = chat.by("message-image")
    image.focus()
    chat.page.keyboard.press("Enter")
    expect(chat.by("large-image")).to_be_visible()
    chat.page.keyboard.press("Escape")
    expect(chat.by("large-image")).to_have_count(0)
    assert chat.focused == "message-image"


def test_images_are_pasted_and_dropped(chat: Chat) -> None:
    expect(chat.by("attach")).to_be_visible()
    give(chat, "paste", png(3, 3))
    uploaded(chat, 1)
    give(chat, "dragover", png())
    expect(chat.page.get_by_text("Drop images here")).to_be_visible()
    give(chat, "drop", png(4, 4))
    expect(chat.page.get_by_text("Drop images here")).to_have_count(0)
    uploaded(chat, 2)
    answer = chat.ask("these")
    assert "3x3" in answer
    assert "4x4" in answer


def test_what_is_no_image_is_named_and_holds_the_message_back(chat: Chat) -> None:
    chat.person.watch.tolerated.append(re.compile(r"status of 400 .*/v1/files"))
    choose(chat, file("broken.png", b"not at all"), file("good.png", png()))
    uploaded(chat, 1)
    expect(chat.by("attached-words")).to_contain_text("broken.png: The file is no image")
    chat.composer.fill("look")
    expect(chat.by("send")).to_be_disabled()
    chat.page.get_by_role("button", name="Remove broken.png").click()
    assert "2x1" in chat.ask("look")


def test_an_image_chosen_offline_is_sent_when_the_network_is_back(chat: Chat) -> None:
    chat.person.watch.tolerated.append(NO_NETWORK)
    expect(chat.by("attach")).to_be_visible()
    chat.person.context.set_offline(True)
    choose(chat, file("a.png", png(5, 6)))
    chat.composer.fill("from the train")
    expect(chat.by("attached-words")).to_contain_text("when the connection is back")
    expect(chat.by("send")).to_be_disabled()
    chat.person.context.set_offline(False)
    uploaded(chat, 1)
    assert "5x6" in chat.ask("from the train")
    assert len(files(chat.person)) == 1


def test_a_large_photo_is_made_smaller_before_it_goes(chat: Chat) -> None:
    choose(chat, file("large.png", noise(2500)))
    uploaded(chat, 1)
    (one,) = files(chat.person)
    assert (one["width"], one["height"]) == (2048, 2048)
    assert one["bytes"] < 2500 * 2500


def test_a_model_that_takes_none_says_so(chat: Chat) -> None:
    choose(chat, file("a.png", png()))
    uploaded(chat, 1)
    chat.person.api("PATCH", "/v1/me", {"default_model": "scripted-2x0"})
    chat.page.reload()
    expect(chat.by("attached-words")).to_contain_text("takes no images")
    expect(chat.by("attach")).to_have_count(0)
    chat.composer.fill("look")
    expect(chat.by("send")).to_be_disabled()
    give(chat, "paste", png())
    expect(chat.page.get_by_text("takes no images. Choose a model that does.")).to_be_visible()
    chat.by("attachment-remove").click()
    assert chat.ask("look") == "w0 w1"


def test_a_deleted_image_is_missed_and_the_talk_goes_on(chat: Chat) -> None:
    choose(chat, file("a.png", png()))
    uploaded(chat, 1)
    chat.ask("look")
    (one,) = files(chat.person)
    chat.person.api("DELETE", f"/v1/files/{one['id']}")
    chat.person.watch.tolerated.append(re.compile(r"status of 404 .*/v1/files"))
    chat.page.reload()
    expect(chat.page.get_by_text("This image was deleted.")).to_be_visible()
    assert chat.ask("and now?").endswith("to: and now?")

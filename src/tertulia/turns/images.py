"""Images on their way to the model: as parts of a call, and loaded where they are uploaded files.

An image that cannot be shown leaves a note in words, so that the conversation goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import msgspec

from tertulia.domain import image
from tertulia.domain.file import File
from tertulia.domain.item import FunctionCallOutput, InputImage, images_of
from tertulia.ports.files import Files
from tertulia.ports.model import Call, Declared, Entry, ImagePart, Message, TextPart, ToolOutput

GONE = "[image no longer available]"
UNSEEN = "[an image, which this model cannot see]"


def part(shown: InputImage, model: Declared) -> TextPart | ImagePart:
    """For a model that sees none, the note that there is one."""
    if not model.info.images:
        return _note(UNSEEN)
    if shown.file_id is not msgspec.UNSET:
        return ImagePart("", shown.detail, shown.file_id)
    return ImagePart(shown.image_url or "", shown.detail)


def output(item: FunctionCallOutput, model: Declared) -> tuple[ToolOutput, list[Entry]]:
    """A tool's output, and what is to follow when all outputs beside it have been said: model
    servers take an image from a user only, and nothing between the outputs of one answer."""
    shown = [part(each, model) for each in images_of(item)]
    if not shown:
        return ToolOutput(item.call_id, item.text), []
    if not model.info.images:
        return ToolOutput(item.call_id, " ".join(filter(None, [item.text, UNSEEN]))), []
    said = item.text or "[an image: see below]"
    title = TextPart(f"[output of the tool call {item.call_id}]")
    return ToolOutput(item.call_id, said), [Message("user", (title, *shown))]


def tokens(part: ImagePart) -> int:
    """About what the image costs, see `domain.image.tokens`."""
    return image.tokens(image.size_of(part.url) if part.url else None, part.detail)


def tokens_of(shown: InputImage) -> int:
    """The same before it is part of a call."""
    return image.tokens(image.size_of(shown.image_url or ""), shown.detail)


async def loaded(store: Files, user_id: str, call: Call) -> Call:
    """``call`` with the content of uploaded files in place of their ids.

    Raises:
        Unavailable: the store does not answer.
    """
    wanted = dict.fromkeys(
        part.file_id
        for entry in call.entries
        if isinstance(entry, Message)
        for part in entry.parts
        if isinstance(part, ImagePart) and part.file_id is not None
    )
    if not wanted:
        return call
    found = await store.file_contents(user_id, list(wanted))
    urls = await asyncio.to_thread(_urls, found)
    return replace(call, entries=[_filled(entry, urls) for entry in call.entries])


def _note(words: str) -> TextPart:
    """On a line of its own: the parts of a message may be joined into one text."""
    return TextPart(f"\n{words}")


def _urls(found: Mapping[str, tuple[File, bytes]]) -> dict[str, str]:
    return {name: image.data_url(file.media_type, data) for name, (file, data) in found.items()}


def _filled(entry: Entry, urls: Mapping[str, str]) -> Entry:
    if not isinstance(entry, Message):
        return entry
    return replace(entry, parts=tuple(_with_url(part, urls) for part in entry.parts))


def _with_url(part: TextPart | ImagePart, urls: Mapping[str, str]) -> TextPart | ImagePart:
    if not isinstance(part, ImagePart) or part.file_id is None:
        return part
    url = urls.get(part.file_id)
    return _note(GONE) if url is None else ImagePart(url, part.detail)

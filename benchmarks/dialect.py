"""How the same things are asked of the floor and of the product."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol
from urllib.parse import quote

import msgspec

System = Literal["floor", "product"]


@dataclass(frozen=True, slots=True)
class Ask:
    """A request: method, path, and what is sent as JSON."""

    method: str
    path: str
    body: Any = None


class Dialect(Protocol):
    #: Types of the event that carries text, and of the one that says all went well.
    delta: str
    end: str
    feed: str

    def new_chat(self) -> Ask: ...

    def message(self, chat: str, text: str, model: str) -> Ask: ...

    def list_chats(self, after: str | None) -> Ask: ...

    def page(self, body: bytes) -> tuple[int, str | None]:
        """Chats on a page of the list, and what to ask for the next one with."""

    def open_chat(self, chat: str) -> Ask: ...

    def messages(self, body: bytes) -> int:
        """Messages in an opened chat."""


class _Floor:
    delta = "delta"
    end = "end"
    feed = "/feed"

    def new_chat(self) -> Ask:
        return Ask("POST", "/chats", {})

    def message(self, chat: str, text: str, model: str) -> Ask:
        return Ask("POST", f"/chats/{chat}/messages", {"model": model, "text": text})

    def list_chats(self, after: str | None) -> Ask:
        del after
        return Ask("GET", "/chats")

    def page(self, body: bytes) -> tuple[int, str | None]:
        return len(msgspec.json.decode(body)), None

    def open_chat(self, chat: str) -> Ask:
        return Ask("GET", f"/chats/{chat}")

    def messages(self, body: bytes) -> int:
        return len(msgspec.json.decode(body))


class _Product:
    delta = "response.output_text.delta"
    end = "response.completed"
    feed = "/v1/feed"

    def new_chat(self) -> Ask:
        return Ask("POST", "/v1/conversations", {})

    def message(self, chat: str, text: str, model: str) -> Ask:
        body = {"model": model, "input": text, "conversation": chat, "stream": True}
        return Ask("POST", "/v1/responses", body)

    def list_chats(self, after: str | None) -> Ask:
        more = f"&after={quote(after)}" if after else ""
        return Ask("GET", f"/v1/conversations?limit=200{more}")

    def page(self, body: bytes) -> tuple[int, str | None]:
        page = msgspec.json.decode(body)
        return len(page["data"]), page["last_id"] if page["has_more"] else None

    def open_chat(self, chat: str) -> Ask:
        return Ask("GET", f"/v1/conversations/{chat}/tree")

    def messages(self, body: bytes) -> int:
        responses = msgspec.json.decode(body)["responses"]
        items = (item for one in responses for item in (*one["input"], *one["output"]))
        return sum(item["type"] == "message" for item in items)


DIALECTS: dict[System, Dialect] = {"floor": _Floor(), "product": _Product()}
